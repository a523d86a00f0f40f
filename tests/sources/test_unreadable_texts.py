"""One text that is not JSON, or not a header, costs what it stands in and nothing else."""

import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from chesscoach.errors import AccountClosed, AccountNotFound
from chesscoach.sources.archive_month import ArchiveMonth
from chesscoach.sources.chesscom_payload import parse_month
from chesscoach.sources.game import Game
from chesscoach.sources.lichess_bulk_payload import parse_statuses
from chesscoach.sources.lichess_payload import UnreadableGame
from chesscoach.sources.lichess_status import LichessStatus
from tests.conftest import NOON
from tests.support.sources import lichess_exports
from tests.support.sources.chesscom_months import (
    UUID,
    fetch_month,
    fixed_response,
    make_game,
    month_error,
    open_chesscom,
    profile_only,
)
from tests.support.sources.lichess_exports import fetch_statuses, make_line, parse_export, unix_ms
from tests.support.sources.server import scripted_responses

BOM = b"\xef\xbb\xbf"
SPOILERS = {
    "half of a surrogate pair": rb'"\ud800"',
    "the other half": rb'"before \udfff after"',
    "not a number": b"NaN",
    "infinity": b"-Infinity",
    "not UTF-8": b'"\xff\xfe"',
    "a surrogate in UTF-8": b'"\xed\xa0\x80"',
    "a control character": b'"a\x01b"',
    "a line break in a text": b'"a\nb"',
    "an unknown escape": rb'"\q"',
    "brackets in a bad text": rb'"\ud800 }]},{[\""',
    "a deep nesting": b"[" * 20_000 + b"]" * 20_000,
    "a number beyond all": b"1e999",
}


def spoiled(game: dict[str, Any], field: str, text: bytes) -> bytes:
    """A game as JSON, in which one field has this text."""
    return json.dumps({**game, field: "@"}).encode().replace(b'"@"', text)


def read_month(text: bytes) -> ArchiveMonth:
    return parse_month(text, None)


# A month of Chess.com


@pytest.mark.parametrize("spoiler", SPOILERS.values(), ids=SPOILERS.keys())
def test_a_text_that_is_not_json_fails_one_game_of_a_month(spoiler: bytes) -> None:
    games = [
        json.dumps(make_game(uuid="one")).encode(),
        spoiled(make_game(), "pgn", spoiler),
        json.dumps(make_game(uuid="two")).encode(),
    ]

    month = read_month(b'{"games": [' + b" , ".join(games) + b"]}")

    assert [game.external_id for game in month.games] == ["one", "two"]
    assert month.unreadable == (UUID,)


def test_a_game_without_a_uuid_is_named_by_its_url_though_it_is_not_json() -> None:
    game = make_game()
    del game["uuid"]

    month = read_month(b'{"games":[' + spoiled(game, "pgn", b"NaN") + b"]}")

    assert month.unreadable == ("171234567890",)


def test_a_bad_text_beside_the_games_fails_none_of_them() -> None:
    game = json.dumps(make_game()).encode()

    month = read_month(rb'{"note": "\ud800 [", "more": [1], "games": [' + game + b"]}")

    assert [game.external_id for game in month.games] == [UUID]


async def test_a_month_after_a_byte_order_mark_is_read() -> None:
    month = await fetch_month(fixed_response(BOM + json.dumps({"games": [make_game()]}).encode()))

    assert [game.external_id for game in month.games] == [UUID]


def test_a_month_that_holds_no_game_at_all_is_read_though_it_is_nested_too_deep() -> None:
    month = read_month(b'{"games":[' + b"[" * 10_000 + b"]" * 10_000 + b"]}")

    assert (month.games, month.unreadable) == ((), ("",))


@pytest.mark.parametrize(
    "etag", [b'"\xe9"', "“é”".encode(), b'W/"a\x80"', b'"\xff\xfe"', b"x" * 5000]
)
async def test_an_unusable_etag_is_dropped_and_its_games_are_read(etag: bytes) -> None:
    body = json.dumps({"games": [make_game()]}).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nETag: %b\r\nX-Odd: \xff\r\n"
    response = (head + b"Content-Length: %d\r\n\r\n%b") % (etag, len(body), body)
    with capture_logs() as logs:
        async with scripted_responses([response]) as url, open_chesscom(url) as source:
            month = await source.month("annrook", "2026-03", None)

    assert (month.etag, len(month.games)) == (None, 1)
    (line,) = [line for line in logs if line["event"] == "header_unreadable"]
    assert line["header"] == "ETag"


# A profile of Chess.com


@pytest.mark.parametrize("spoiler", SPOILERS.values(), ids=SPOILERS.keys())
async def test_a_bad_text_of_a_profile_costs_only_itself(spoiler: bytes) -> None:
    profile = spoiled({"name": "", "username": "annrook", "status": "closed"}, "name", spoiler)

    error = await month_error(profile_only(fixed_response(BOM + profile)))

    assert type(error) is AccountClosed


@pytest.mark.parametrize("mark", [b"", BOM])
async def test_an_error_is_understood_though_it_quotes_a_name_that_is_not_utf8(mark: bytes) -> None:
    text = mark + rb'{"code":0,"message":"User \"' + b"ann\xff" + rb'\ud800\" not found."}'

    assert type(await month_error(fixed_response(text, status=404))) is AccountNotFound


# An export of Lichess


@pytest.mark.parametrize(
    "spoiler",
    [text for text in SPOILERS.values() if b"\n" not in text],
    ids=[name for name, text in SPOILERS.items() if b"\n" not in text],
)
def test_a_text_that_is_not_json_fails_one_game_of_an_export_by_its_id(
    spoiler: bytes,
) -> None:
    line = spoiled(make_line(), "moves", spoiler)

    assert parse_export(line) == [UnreadableGame(external_id="q7ZQk1xY")]


def test_responses_of_lichess_after_a_byte_order_mark_are_read() -> None:
    (game,) = parse_export(BOM + json.dumps(make_line()).encode())

    assert isinstance(game, Game)


async def test_a_bulk_response_after_a_byte_order_mark_is_read() -> None:
    text = BOM + json.dumps([{"id": "bob"}]).encode()

    assert (await fetch_statuses(lichess_exports.fixed_response(text), *NAMES)).keys() == {"bob"}


# The statuses of Lichess


NAMES = ("annrook", "bob", "cid")


@pytest.mark.parametrize("spoiler", SPOILERS.values(), ids=SPOILERS.keys())
def test_a_text_that_is_not_json_fails_one_status_of_a_bulk_response(spoiler: bytes) -> None:
    bad = spoiled({"id": "AnnRook", "seenAt": ""}, "seenAt", spoiler)
    good = json.dumps({"id": "bob", "seenAt": unix_ms(NOON)}).encode()

    statuses = parse_statuses(b"[" + bad + b"," + good + b"]", NAMES)

    assert statuses.keys() == {"annrook", "bob"}
    assert statuses["annrook"] == LichessStatus(name="annrook"), "which counts as having news"
    assert statuses["bob"].seen_at == NOON


@pytest.mark.parametrize("bad", [b"7", b'{"id":null}', rb'{"id":"\ud800"}', b'{"username":"cid"}'])
def test_a_status_without_an_id_makes_no_player_missing(bad: bytes) -> None:
    good = json.dumps({"id": "bob", "seenAt": unix_ms(NOON)}).encode()

    statuses = parse_statuses(b"[" + good + b"," + bad + b"]", NAMES)

    assert statuses["bob"].seen_at == NOON
    assert statuses["annrook"] == LichessStatus(name="annrook")
    assert statuses["cid"] == LichessStatus(name="cid")
