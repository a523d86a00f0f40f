"""What is read out of Chess.com's months, and how they are asked for."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from chesscoach.demo.fake_chesscom import FakeChesscom
from chesscoach.demo.world import World, historical_games, player_uuid
from chesscoach.errors import (
    AccountClosed,
    AccountNotFound,
    AccountRenamed,
    BadResponse,
    SourceError,
    StreamTruncated,
)
from chesscoach.sources.archive_month import ArchiveMonth
from chesscoach.sources.chesscom import Chesscom
from chesscoach.sources.game import Game, Side
from tests.sources.test_client import (
    Handler,
    InMemoryLane,
    http_server,
    open_client,
    scripted_responses,
)

FAMOUS = historical_games()[0]
ENDED = datetime(2026, 3, 4, 18, 30, 5, tzinfo=UTC)
STANDARD_FEN = "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1"
UUID = "5a1e1f00-17f0-11f1-8d5e-0242ac120002"
MISSING = object()
"""A field that is to be left out."""


def unix_seconds(instant: datetime) -> int:
    return int(instant.timestamp())


def make_pgn(result: str = "1-0", **tags: str) -> str:
    """A game as the site writes it, with a clock on each ply."""
    given = {
        "Event": "Live Chess",
        "Result": result,
        "ECO": "B01",
        "UTCDate": "2026.03.04",
        "UTCTime": "18:22:40",
    } | tags
    head = "".join(f'[{name} "{value}"]\n' for name, value in given.items())
    return (
        f"{head}\n1. e4 {{[%clk 0:09:58.1]}} 1... d5 {{[%clk 0:09:57]}} "
        f"2. exd5 {{[%clk 0:09:50.9]}} {result}\n"
    )


def make_side(name: str, result: str, **changes: Any) -> dict[str, Any]:
    told = {
        "rating": 1432,
        "result": result,
        "@id": f"https://api.chess.com/pub/player/{name.lower()}",
        "username": name,
        "uuid": player_uuid(name),
    }
    told |= changes
    return {key: value for key, value in told.items() if value is not MISSING}


def make_game(**changes: Any) -> dict[str, Any]:
    """A game as a month lists it: rated rapid, White wins, but for these changes."""
    game: dict[str, Any] = {
        "url": "https://www.chess.com/game/live/171234567890",
        "pgn": make_pgn(),
        "time_control": "600",
        "end_time": unix_seconds(ENDED),
        "rated": True,
        "tcn": "mCZJCJ",
        "uuid": UUID,
        "initial_setup": STANDARD_FEN,
        "fen": "rnbqkbnr/ppp1pppp/8/3P4/8/8/PPPP1PPP/RNBQKBNR b KQkq -",
        "time_class": "rapid",
        "rules": "chess",
        "white": make_side("AnnRook", "win"),
        "black": make_side("Bob-64", "resigned", rating=1401),
        "eco": "https://www.chess.com/openings/Scandinavian-Defense",
    }
    game |= changes
    return {name: value for name, value in game.items() if value is not MISSING}


def fixed_response(
    reply: bytes | str | dict[str, Any], *, status: int = 200, headers: dict[str, str] | None = None
) -> Handler:
    """Always this reply; a dict as JSON."""
    text = json.dumps(reply) if isinstance(reply, dict) else reply
    data = text.encode() if isinstance(text, str) else text

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(
            body=data,
            status=status,
            headers={"Content-Type": "application/json; charset=utf-8", **(headers or {})},
        )

    return handler


@asynccontextmanager
async def open_chesscom(url: str) -> AsyncIterator[Chesscom]:
    """The source on that URL, on a lane of its own."""
    async with open_client(url, InMemoryLane()) as site:
        yield Chesscom(site)


@asynccontextmanager
async def open_fake_chesscom(world: World) -> AsyncIterator[tuple[FakeChesscom, Chesscom]]:
    """The stand-in on a world, and the source that asks it; no rule may have been broken."""
    stand_in = FakeChesscom(world)
    async with stand_in.serve(), open_chesscom(f"{stand_in.url}/pub") as source:
        yield stand_in, source
    assert stand_in.violations == []


async def parse_games(*games: Any) -> ArchiveMonth:
    """What a month with these games is read as."""
    async with (
        http_server(fixed_response({"games": list(games)})) as url,
        open_chesscom(url) as source,
    ):
        return await source.month("annrook", "2026-03", None)


async def parse_one(**changes: Any) -> Game:
    """The game that an entry is read as."""
    month = await parse_games(make_game(**changes))
    assert month.unreadable == ()
    (game,) = month.games
    return game


def world_of(name: str, *ended: datetime) -> World:
    world = World()
    world.add_player("chess.com", name, ENDED)
    for at in ended:
        world.add_game("chess.com", name, at, famous=FAMOUS)
    return world


# A game as a value


async def test_a_live_game_is_read_in_full() -> None:
    assert await parse_one() == Game(
        platform="chess.com",
        external_id=UUID,
        url="https://www.chess.com/game/live/171234567890",
        white=Side(name="AnnRook", key=player_uuid("annrook"), rating=1432),
        black=Side(name="Bob-64", key=player_uuid("bob-64"), rating=1401),
        result="1-0",
        speed="rapid",
        variant="chess",
        standard=True,
        rated=True,
        started_at=datetime(2026, 3, 4, 18, 22, 40, tzinfo=UTC),
        ended_at=ENDED,
        plies=3,
        pgn=make_pgn(),
        ending="resigned",
    )


async def test_a_daily_game_starts_when_it_says_and_not_when_its_pgn_does() -> None:
    started = ENDED - timedelta(days=40)
    game = await parse_one(
        time_class="daily", time_control="1/259200", start_time=unix_seconds(started)
    )

    assert (game.speed, game.started_at, game.ended_at) == ("daily", started, ENDED)


@pytest.mark.parametrize(
    "text",
    [
        "",
        make_pgn(UTCDate="????.??.??"),
        make_pgn(UTCTime="25:00:00"),
        '[Event "x"]\n\n1. e4 *\n',
    ],
)
async def test_a_live_game_without_a_usable_start_in_its_pgn_has_none(text: str) -> None:
    assert (await parse_one(pgn=text)).started_at is None


@pytest.mark.parametrize("missing", [MISSING, None, ""])
async def test_a_game_may_come_without_a_pgn(missing: Any) -> None:
    game = await parse_one(pgn=missing)

    assert (game.pgn, game.plies, game.result, game.started_at) == ("", 0, "1-0", None)


async def test_bughouse_comes_without_a_pgn_and_with_codes_of_its_own() -> None:
    game = await parse_one(
        rules="bughouse",
        pgn=MISSING,
        white=make_side("AnnRook", "bughousepartnerlose"),
        black=make_side("Bob-64", "win"),
    )

    assert (game.variant, game.standard, game.result) == ("bughouse", False, "0-1")


@pytest.mark.parametrize("rules", ["chess960", "crazyhouse", "threecheck", "somethingNew"])
async def test_a_variant_is_not_standard(rules: str) -> None:
    game = await parse_one(rules=rules)

    assert (game.variant, game.standard) == (rules, False)


async def test_a_game_from_a_position_is_not_standard() -> None:
    assert (await parse_one(initial_setup="8/8/8/4k3/8/4K3/4P3/8 w - - 0 1")).standard is False


@pytest.mark.parametrize("setup", [MISSING, None, "", STANDARD_FEN])
async def test_a_game_is_standard_though_its_first_position_is_not_told(setup: Any) -> None:
    assert (await parse_one(initial_setup=setup)).standard is True


async def test_the_uuid_is_the_identity_also_where_the_url_holds_it() -> None:
    url = f"https://www.chess.com/game/{UUID}"
    game = await parse_one(url=url)

    assert (game.external_id, game.url) == (UUID, url)


async def test_without_a_uuid_the_url_is_the_identity() -> None:
    game = await parse_one(uuid=MISSING)

    assert game.external_id == game.url == "https://www.chess.com/game/live/171234567890"


async def test_without_a_url_it_is_made_of_the_uuid() -> None:
    assert (await parse_one(url=MISSING)).url == f"https://www.chess.com/game/{UUID}"


async def test_a_player_without_a_uuid_or_a_rating_is_read() -> None:
    game = await parse_one(
        white=make_side("AnnRook", "win", uuid=MISSING, rating=MISSING), black={}
    )

    assert game.white == Side(name="AnnRook", key=None, rating=None)
    assert game.black == Side(name="", key=None, rating=None)


async def test_fields_that_come_later_or_that_we_do_not_know_do_no_harm() -> None:
    plain = await parse_one()
    more = await parse_one(
        match="https://api.chess.com/pub/match/1",
        tournament="https://api.chess.com/pub/tournament/x",
        new={"field": [1, None]},
        eco=MISSING,
        tcn=MISSING,
        fen=MISSING,
    )

    assert more == plain


# Who won

LOST = [
    "checkmated",
    "timeout",
    "resigned",
    "lose",
    "abandoned",
    "kingofthehill",
    "threecheck",
    "bughousepartnerlose",
]
DRAWN = ["agreed", "repetition", "stalemate", "insufficient", "50move", "timevsinsufficient"]


@pytest.mark.parametrize(
    ("white", "black", "result"),
    [
        *(("win", code, "1-0") for code in LOST),
        *((code, "win", "0-1") for code in LOST),
        *((code, code, "1/2-1/2") for code in DRAWN),
        ("timevsinsufficient", "insufficient", "1/2-1/2"),
        ("win", "newLoss", "1-0"),
        ("newLoss", "win", "0-1"),
        ("newWin", "resigned", "1-0"),
        ("resigned", "newWin", "0-1"),
        ("newDraw", "agreed", "1/2-1/2"),
        ("repetition", "", "1/2-1/2"),
    ],
)
async def test_the_result_follows_from_the_codes_of_the_sides(
    white: str, black: str, result: str
) -> None:
    told = await parse_one(
        white=make_side("AnnRook", white),
        black=make_side("Bob-64", black),
        pgn=make_pgn(result="*"),
    )

    assert told.result == result


@pytest.mark.parametrize("result", ["1-0", "0-1", "1/2-1/2", "*"])
async def test_with_codes_that_we_do_not_know_the_result_is_the_pgns(result: str) -> None:
    told = await parse_one(
        white=make_side("AnnRook", "new"),
        black=make_side("Bob-64", "newer"),
        pgn=make_pgn(result=result),
    )

    assert told.result == result


@pytest.mark.parametrize("text", [MISSING, "", make_pgn(result="White wins"), "not a pgn"])
async def test_with_neither_codes_nor_a_pgn_the_result_is_not_known(text: Any) -> None:
    told = await parse_one(
        white=make_side("AnnRook", "new"), black=make_side("Bob-64", "newer"), pgn=text
    )

    assert told.result == "*"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"pgn": 17}, "pgn"),
        ({"white": "https://api.chess.com/pub/player/annrook"}, "white"),
        ({"white": []}, "white"),
        ({"rated": "yes"}, "rated"),
        ({"accuracies": {"white": "high", "black": 1}}, "accuracies.white"),
        ({"start_time": 17}, "start_time"),
        ({"start_time": 10**16}, "start_time"),
    ],
)
async def test_an_optional_field_of_another_kind_costs_only_itself_and_is_told(
    changes: dict[str, Any], field: str
) -> None:
    told = await parse_one(**changes)

    assert told.unknown == (field,)
    assert (told.external_id, told.result) == (UUID, "1-0")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"rules": "duck"}, "variant"),
        ({"time_class": "glacial"}, "speed"),
        ({"black": make_side("Bob-64", "abducted")}, "result"),
    ],
)
async def test_words_that_we_do_not_know_are_kept_as_they_came_and_told(
    changes: dict[str, Any], field: str
) -> None:
    told = await parse_one(**changes)

    assert told.unknown == (field,)
    assert {"duck", "glacial", "abducted"} & {told.variant, told.speed, told.ending}


async def test_milliseconds_where_seconds_belong_are_read_as_milliseconds() -> None:
    told = await parse_one(
        end_time=unix_seconds(ENDED) * 1000, start_time=unix_seconds(ENDED) * 1000 - 60_000
    )

    assert (told.ended_at, told.started_at) == (ENDED, ENDED - timedelta(seconds=60))


async def test_accuracies_come_for_both_sides_or_not_at_all() -> None:
    both = await parse_one(accuracies={"white": 97.31, "black": 54.2})
    half = await parse_one(accuracies={"white": 97.31})

    assert (both.accuracies, half.accuracies) == ((97.31, 54.2), None)


async def test_another_first_position_is_kept() -> None:
    fen = "bqnbrkrn/pppppppp/8/8/8/8/PPPPPPPP/BQNBRKRN w KQkq - 0 1"
    told = await parse_one(rules="chess960", initial_setup=fen)

    assert (told.initial_fen, told.standard) == (fen, False)


# What cannot be read


@pytest.mark.parametrize(
    "changes",
    [
        {"end_time": unix_seconds(ENDED) * 10},
        {"end_time": 0},
        {"end_time": MISSING},
        {"end_time": "2026-03-04"},
        {"end_time": None},
        {"pgn": "1. e4 " * 2**18},
    ],
)
async def test_a_bad_game_is_unreadable_by_its_uuid_and_does_not_spoil_the_month(
    changes: dict[str, Any],
) -> None:
    other = make_game(uuid="another", url="https://www.chess.com/game/live/1")
    month = await parse_games(make_game(**changes), other)

    assert month.unreadable == (UUID,)
    assert [game.external_id for game in month.games] == ["another"]


@pytest.mark.parametrize("field", ["uuid", "url", "rated", "rules", "time_class", "pgn", "white"])
async def test_null_is_as_good_as_a_field_that_is_missing(field: str) -> None:
    month = await parse_games(make_game(**{field: None}))

    assert (len(month.games), month.unreadable) == (1, ())


async def test_a_bad_game_without_a_uuid_is_unreadable_by_the_end_of_its_url() -> None:
    month = await parse_games(make_game(uuid=MISSING, end_time=1))

    assert month.unreadable == ("171234567890",)


@pytest.mark.parametrize(
    "nothing",
    [
        None,
        17,
        "game",
        [],
        {},
        {"uuid": 17},
        {"uuid": "", "url": "", "end_time": unix_seconds(ENDED)},
    ],
)
async def test_what_is_no_game_at_all_is_unreadable_without_a_name(nothing: Any) -> None:
    month = await parse_games(nothing, make_game())

    assert month.unreadable == ("",)
    assert len(month.games) == 1


@pytest.mark.parametrize(
    "odd", ["x" * 10_000, "a secret of 16 b", "planted-secret-of-32-characters!"]
)
async def test_what_is_no_id_by_its_form_is_not_told_as_one(odd: str) -> None:
    month = await parse_games({"uuid": odd})

    assert month.unreadable == ("",)


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"[]",
        b"null",
        b'{"games":{}}',
        b'{"games":null}',
        b'{"games":[',
        b'{"games":[{"uuid":"x"}',
        b"<!DOCTYPE html><html><title>Just a moment...</title></html>",
        b"\xef\xbb\xbf" + b'{"games":[]}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"games":[' + b"[" * 100_000 + b"]" * 100_000 + b"]}",
        b'{"games":' + b'{"a":' * 100_000,
    ],
)
async def test_a_reply_that_is_no_month_is_a_bad_reply(reply: bytes) -> None:
    async with http_server(fixed_response(reply)) as url, open_chesscom(url) as source:
        with pytest.raises(BadResponse) as caught:
            await source.month("annrook", "2026-03", None)

    assert "annrook" not in str(caught.value)


async def test_html_that_calls_itself_a_month_in_all_but_name_is_a_bad_reply() -> None:
    headers = {"Content-Type": "text/html", "ETag": 'W/"1"'}
    handler = fixed_response("<html>outage</html>", headers=headers)
    async with http_server(handler) as url, open_chesscom(url) as source:
        with pytest.raises(BadResponse):
            await source.month("annrook", "2026-03", None)


async def test_a_month_that_is_cut_is_no_month() -> None:
    text = json.dumps({"games": [make_game(), make_game(uuid="another")]}).encode()
    cut = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text[:-200])
    async with scripted_responses([cut]) as url, open_chesscom(url) as source:
        with pytest.raises(StreamTruncated):
            await source.month("annrook", "2026-03", None)


# How a month is asked for


async def test_a_month_comes_with_its_etag() -> None:
    etag = 'W/"59035ea262f2b14549892c7ed8166109"'
    async with (
        http_server(fixed_response({"games": [make_game()]}, headers={"ETag": etag})) as url,
        open_chesscom(url) as source,
    ):
        month = await source.month("annrook", "2026-03", None)

    assert (month.changed, month.etag, len(month.games)) == (True, etag, 1)


async def test_a_month_without_an_etag_has_none() -> None:
    assert (await parse_games()).etag is None


@pytest.mark.parametrize("etag", ['W/"59035ea262f2b145"', '"strong"', "W/unquoted", 'w/"odd"'])
async def test_an_etag_is_echoed_as_it_came_and_a_304_is_no_change(etag: str) -> None:
    echoed = []

    async def handler(request: web.Request) -> web.StreamResponse:
        echoed.append(request.headers.getall("If-None-Match", []))
        known = request.headers.get("If-None-Match") == etag
        if known:
            return web.Response(status=304)
        return web.json_response({"games": [make_game()]}, headers={"ETag": etag})

    async with http_server(handler) as url, open_chesscom(url) as source:
        first = await source.month("annrook", "2026-03", None)
        second = await source.month("annrook", "2026-03", first.etag)

    assert echoed == [[], [etag]]
    assert second == ArchiveMonth(changed=False, etag=etag)


async def test_a_304_leaves_the_connection_in_use() -> None:
    connections = set()

    async def handler(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        connections.add(request.transport.get_extra_info("peername"))
        return web.Response(status=304)

    async with http_server(handler) as url, open_chesscom(url) as source:
        for _ in range(3):
            await source.month("annrook", "2026-03", 'W/"1"')

    assert len(connections) == 1


async def test_the_address_has_the_month_in_two_digits() -> None:
    world = world_of("Ann")
    async with open_fake_chesscom(world) as (stand_in, source):
        await source.month("ann", "2026-03", None)

    assert [seen.path for seen in stand_in.requests] == ["/pub/player/ann/games/2026/03"]


async def test_a_redirect_is_a_bad_reply_and_not_followed() -> None:
    asked = []

    async def handler(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        raise web.HTTPMovedPermanently("/elsewhere")

    async with http_server(handler) as url, open_chesscom(url) as source:
        with pytest.raises(BadResponse) as caught:
            await source.month("annrook", "2026-03", None)

    assert asked == ["/player/annrook/games/2026/03"]
    assert not caught.value.permanent


# 404 in its three meanings


async def test_a_404_for_want_of_the_player_says_that_he_is_missing() -> None:
    reply = {"code": 0, "message": 'User "nosuchuser" not found.'}
    async with http_server(fixed_response(reply, status=404)) as url, open_chesscom(url) as source:
        with pytest.raises(AccountNotFound) as caught:
            await source.month("nosuchuser", "2026-03", None)

    assert caught.value.permanent


async def test_a_404_for_an_internal_error_says_nothing_of_the_player() -> None:
    told = "An internal error has occurred. Please contact Chess.com Developer's Forum for help"
    handler = fixed_response({"code": 0, "message": told}, status=404)
    async with http_server(handler) as url, open_chesscom(url) as source:
        with pytest.raises(SourceError) as caught:
            await source.month("annrook", "2026-03", None)

    assert type(caught.value) is BadResponse
    assert not caught.value.permanent


async def test_a_404_for_a_month_that_has_not_come_is_an_empty_month() -> None:
    handler = fixed_response({"code": 0, "message": "Date cannot be set in the future"}, status=404)
    async with http_server(handler) as url, open_chesscom(url) as source:
        assert await source.month("annrook", "2026-03", None) == ArchiveMonth(changed=True)


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"{}",
        b"[]",
        b'{"code":0,"message":"Data provider not found"}',
        b'{"code":0,"message":null}',
        b"<!DOCTYPE html><html>User page not found</html>",
        b"[" * 60_000,
        b'{"message":"' + b"User x not found " * 10_000 + b'"}',
    ],
)
async def test_any_other_404_says_nothing_of_the_player(reply: bytes) -> None:
    async with http_server(fixed_response(reply, status=404)) as url, open_chesscom(url) as source:
        with pytest.raises(BadResponse):
            await source.month("annrook", "2026-03", None)


async def test_a_month_that_will_never_have_anything_is_an_empty_month() -> None:
    async with (
        http_server(fixed_response(b"gone", status=410)) as url,
        open_chesscom(url) as source,
    ):
        assert await source.month("annrook", "2026-03", None) == ArchiveMonth(
            changed=True, gone=True
        )


@pytest.mark.parametrize("status", [204, 206, 302, 400, 401, 418])
async def test_another_status_is_a_bad_reply(status: int) -> None:
    async with http_server(fixed_response(b"", status=status)) as url, open_chesscom(url) as source:
        with pytest.raises(BadResponse):
            await source.month("annrook", "2026-03", None)


# The profile of a player whose months are not found


def profile_only(profile: Any, *, status: int = 200, location: str = "") -> Handler:
    """Months are not found; this is what there is of the profile."""
    missing = {"code": 0, "message": 'User "annrook" not found.'}
    months = fixed_response(missing, status=404)
    about = fixed_response(
        profile, status=status, headers={"Location": location} if location else None
    )

    async def handler(request: web.Request) -> web.StreamResponse:
        return await (months if "/games/" in request.path else about)(request)

    return handler


@pytest.mark.parametrize(
    ("profile", "status", "error"),
    [
        ({"username": "annrook", "status": "closed"}, 200, AccountClosed),
        ({"username": "annrook", "status": "closed:fair_play_violations"}, 200, AccountClosed),
        ({"username": "Annette", "status": "premium"}, 200, AccountRenamed),
        ({"username": "AnnRook", "status": "basic"}, 200, BadResponse),
        ({}, 200, BadResponse),
        (b"[]", 200, BadResponse),
        (b"not json", 200, BadResponse),
        ({"username": 7}, 200, BadResponse),
        ({"message": 'User "annrook" not found.'}, 404, AccountNotFound),
        (b"404: Not Found", 404, AccountNotFound),
        (b"", 410, AccountNotFound),
        ({"message": "An internal error has occurred."}, 404, BadResponse),
        (b"", 400, BadResponse),
    ],
)
async def test_the_profile_says_why_the_months_are_not_found(
    profile: Any, status: int, error: type[SourceError]
) -> None:
    async with (
        http_server(profile_only(profile, status=status)) as url,
        open_chesscom(url) as source,
    ):
        with pytest.raises(SourceError) as caught:
            await source.month("annrook", "2026-03", None)

    assert type(caught.value) is error
    assert "annette" not in str(caught.value).lower(), "what a site says is not logged"


async def test_a_profile_that_is_elsewhere_is_a_new_name() -> None:
    handler = profile_only(b"", status=301, location="/pub/player/annette")
    async with http_server(handler) as url, open_chesscom(url) as source:
        with pytest.raises(AccountRenamed) as caught:
            await source.month("annrook", "2026-03", None)

    assert caught.value.name == "annette"


# Against the stand-in


async def test_the_games_that_ended_in_a_month_come_in_their_order() -> None:
    inside = [ENDED - timedelta(days=1), ENDED, datetime(2026, 3, 31, 23, 59, 59, tzinfo=UTC)]
    world = world_of("Ann", ENDED, *inside[::2], datetime(2026, 4, 1, tzinfo=UTC))
    async with open_fake_chesscom(world) as (_, source):
        march = await source.month("ann", "2026-03", None)
        april = await source.month("ann", "2026-04", None)
        may = await source.month("ann", "2026-05", None)

    assert [game.ended_at for game in march.games] == inside
    assert len(april.games) == 1
    assert may.games == ()
    assert march.unreadable == ()
    assert all(game.plies == len(FAMOUS.moves.split()) for game in march.games)
    assert all(game.result == FAMOUS.result for game in march.games)


async def test_a_month_is_sent_again_only_when_it_has_changed() -> None:
    world = world_of("Ann", ENDED)
    async with open_fake_chesscom(world) as (stand_in, source):
        first = await source.month("ann", "2026-03", None)
        same = await source.month("ann", "2026-03", first.etag)
        world.add_game("chess.com", "Ann", ENDED + timedelta(hours=1), famous=FAMOUS)
        more = await source.month("ann", "2026-03", first.etag)

    assert same == ArchiveMonth(changed=False, etag=first.etag)
    assert more.changed
    assert more.etag != first.etag
    assert [game.external_id for game in more.games][:1] == [first.games[0].external_id]
    assert len(more.games) == 2
    assert [seen.status for seen in stand_in.requests] == [200, 304, 200]


async def test_the_faults_of_the_stand_in_are_told_apart() -> None:
    world = world_of("Ann", ENDED)
    async with open_fake_chesscom(world) as (stand_in, source):
        stand_in.faults.extend(["internal", "cut", None])
        with pytest.raises(BadResponse):
            await source.month("ann", "2026-03", None)
        with pytest.raises(StreamTruncated):
            await source.month("ann", "2026-03", None)
        assert len((await source.month("ann", "2026-03", None)).games) == 1
        with pytest.raises(AccountNotFound):
            await source.month("nobody", "2026-03", None)
        assert await source.month("ann", "2999-01", None) == ArchiveMonth(changed=True)
