"""What a month of Chess.com is read as."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chesscoach.demo.world import player_uuid
from chesscoach.errors import BadResponse
from chesscoach.sources import chesscom_payload
from chesscoach.sources.game import Game, Side
from tests.support.sources.chesscom_months import (
    ENDED,
    MISSING,
    STANDARD_FEN,
    UUID,
    fixed_response,
    make_game,
    make_pgn,
    make_side,
    month_error,
    parse_games,
    parse_one,
    unix_seconds,
)

FEN_960 = "bqnbrkrn/pppppppp/8/8/8/8/PPPPPPPP/BQNBRKRN w KQkq - 0 1"
ENDGAME_FEN = "8/8/8/4k3/8/4K3/4P3/8 w - - 0 1"
ENDED_S = unix_seconds(ENDED)

# A game as a value


def test_a_live_game_is_read_in_full() -> None:
    assert parse_one() == Game(
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


STARTED = ENDED - timedelta(days=40)
UUID_URL = f"https://www.chess.com/game/{UUID}"
LIVE_URL = "https://www.chess.com/game/live/171234567890"
BUGHOUSE = {
    "rules": "bughouse",
    "pgn": MISSING,
    "white": make_side("AnnRook", "bughousepartnerlose"),
    "black": make_side("Bob-64", "win"),
}
NOT_STANDARD = {"standard": False}
NO_PGN = {"pgn": "", "plies": 0, "result": "1-0", "started_at": None}
READ_AS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a daily game starts when it says, not when its PGN does": (
        {"time_class": "daily", "start_time": unix_seconds(STARTED)},
        {"speed": "daily", "started_at": STARTED, "ended_at": ENDED},
    ),
    **{
        f"a live game without a usable start in its PGN has none: {text[:40]!r}": (
            {"pgn": text},
            {"started_at": None},
        )
        for text in (
            make_pgn(UTCDate="????.??.??"),
            make_pgn(UTCTime="25:00:00"),
            '[Event "x"]\n\n1. e4 *\n',
        )
    },
    "the PGN is missing": ({"pgn": MISSING}, NO_PGN),
    "no position": ({"initial_setup": MISSING}, {"standard": True, "initial_fen": None}),
    "the PGN is null": ({"pgn": None}, NO_PGN),
    "the PGN is empty": ({"pgn": ""}, NO_PGN),
    "a PGN without tags has its moves counted": ({"pgn": "1. e4 d5 2. exd5 1-0"}, {"plies": 3}),
    "bughouse has codes of its own": (BUGHOUSE, {"variant": "bughouse", "result": "0-1"}),
    "chess960": ({"rules": "chess960"}, {"variant": "chess960", **NOT_STANDARD}),
    "a variant that is new": ({"rules": "somethingNew"}, {"variant": "somethingNew"}),
    "a position": ({"initial_setup": ENDGAME_FEN}, {"initial_fen": ENDGAME_FEN, **NOT_STANDARD}),
    "a variant from a position": (
        {"rules": "chess960", "initial_setup": FEN_960},
        {"initial_fen": FEN_960, **NOT_STANDARD},
    ),
    **{
        f"the usual position: {setup}": (
            {"initial_setup": setup},
            {"standard": True, "initial_fen": None},
        )
        for setup in (None, "", STANDARD_FEN)
    },
    "a url that holds the uuid": ({"url": UUID_URL}, {"external_id": UUID, "url": UUID_URL}),
    "no uuid": ({"uuid": MISSING}, {"external_id": LIVE_URL, "url": LIVE_URL}),
    "no url": ({"url": MISSING}, {"external_id": UUID, "url": UUID_URL}),
    "a player without a uuid or a rating": (
        {"white": make_side("AnnRook", "win", uuid=MISSING, rating=MISSING), "black": {}},
        {"white": Side(name="AnnRook", key=None), "black": Side(name="", key=None)},
    ),
    "milliseconds where seconds belong": (
        {"end_time": ENDED_S * 1000, "start_time": ENDED_S * 1000 - 60_000},
        {"ended_at": ENDED, "started_at": ENDED - timedelta(seconds=60)},
    ),
    "accuracies of both sides": (
        {"accuracies": {"white": 97.31, "black": 54.2}},
        {"accuracies": (97.31, 54.2)},
    ),
    "accuracies of one side": ({"accuracies": {"white": 97.31}}, {"accuracies": None}),
}


@pytest.mark.parametrize(("changes", "expected"), READ_AS.values(), ids=READ_AS.keys())
def test_a_game_is_read_as(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    game = parse_one(**changes)

    assert {name: getattr(game, name) for name in expected} == expected


def test_fields_that_come_later_or_that_we_do_not_know_do_no_harm() -> None:
    more = {"match": "https://api.chess.com/pub/match/1", "new": {"field": [1, None]}}
    assert parse_one(**more, eco=MISSING, tcn=MISSING, fen=MISSING) == parse_one()


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
def test_the_result_follows_from_the_codes_of_the_sides(
    white: str, black: str, result: str
) -> None:
    sides = {"white": make_side("AnnRook", white), "black": make_side("Bob-64", black)}
    assert parse_one(**sides, pgn=make_pgn(result="*")).result == result


@pytest.mark.parametrize("result", ["1-0", "0-1", "1/2-1/2", "*"])
@pytest.mark.parametrize(
    ("white", "black"),
    [("new", "newer"), ("abandoned", "abandoned"), ("timeout", "resigned"), ("win", "win")],
)
def test_with_codes_that_are_unknown_or_contradict_each_other_the_result_is_the_pgns(
    white: str, black: str, result: str
) -> None:
    sides = {"white": make_side("AnnRook", white), "black": make_side("Bob-64", black)}
    assert parse_one(**sides, pgn=make_pgn(result=result)).result == result


@pytest.mark.parametrize("text", [MISSING, "", make_pgn(result="White wins"), "not a pgn"])
def test_with_neither_codes_nor_a_pgn_the_result_is_not_known(text: Any) -> None:
    sides = {"white": make_side("AnnRook", "new"), "black": make_side("Bob-64", "newer")}
    assert parse_one(**sides, pgn=text).result == "*"


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
def test_an_optional_field_of_another_kind_costs_only_itself_and_is_reported(
    changes: dict[str, Any], field: str
) -> None:
    game = parse_one(**changes)

    assert game.unknown == (field,)
    assert (game.external_id, game.result) == (UUID, "1-0")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"rules": "duck"}, "variant"),
        ({"time_class": "glacial"}, "speed"),
        ({"black": make_side("Bob-64", "abducted")}, "result"),
    ],
)
def test_words_that_we_do_not_know_are_kept_as_they_came_and_reported(
    changes: dict[str, Any], field: str
) -> None:
    game = parse_one(**changes)

    assert game.unknown == (field,)
    assert {"duck", "glacial", "abducted"} & {game.variant, game.speed, game.ending}


# What cannot be read


@pytest.mark.parametrize(
    "changes",
    [
        {"end_time": ENDED_S * 10},
        {"end_time": 0},
        {"end_time": MISSING},
        {"end_time": "2026-03-04"},
        {"end_time": None},
        {"pgn": "1. e4 " * 2**18},
    ],
)
def test_a_bad_game_is_unreadable_by_its_uuid_and_does_not_spoil_the_month(
    changes: dict[str, Any],
) -> None:
    other = make_game(uuid="another", url="https://www.chess.com/game/live/1")
    month = parse_games(make_game(**changes), other)

    assert month.unreadable == (UUID,)
    assert [game.external_id for game in month.games] == ["another"]


@pytest.mark.parametrize("field", ["uuid", "url", "rated", "rules", "time_class", "pgn", "white"])
def test_null_is_as_good_as_a_field_that_is_missing(field: str) -> None:
    assert parse_one(**{field: None}) == parse_one(**{field: MISSING})


def test_a_bad_game_without_a_uuid_is_unreadable_by_the_end_of_its_url() -> None:
    month = parse_games(make_game(uuid=MISSING, end_time=1))

    assert month.unreadable == ("171234567890",)


@pytest.mark.parametrize(
    "nothing",
    [
        *(None, 17, "game", [], {}, {"uuid": 17}),
        {"uuid": "", "url": "", "end_time": ENDED_S},
        *({"uuid": odd} for odd in ("x" * 10_000, "a secret of 16 b", "a-secret-of-32-chars!")),
    ],
)
def test_what_is_no_game_at_all_is_unreadable_without_a_name(nothing: Any) -> None:
    month = parse_games(nothing, make_game())

    assert month.unreadable == ("",)
    assert len(month.games) == 1


@pytest.mark.parametrize(
    "response",
    [
        *(b"", b"[]", b"null", b'{"games":{}}', b'{"games":null}', b'{"games":[', b"\xff\xfe"),
        b'{"games":[{"uuid":"x"}',
        b"<!DOCTYPE html><html><title>Just a moment...</title></html>",
        b"[" * 100_000,
        b'{"games":' + b'{"a":' * 100_000,
    ],
    ids=lambda response: str(response)[:30],
)
def test_a_response_that_is_no_month_is_a_bad_response(response: bytes) -> None:
    with pytest.raises(BadResponse):
        chesscom_payload.parse_month(response, None)


async def test_html_that_calls_itself_a_month_in_all_but_name_is_a_bad_response() -> None:
    headers = {"Content-Type": "text/html", "ETag": 'W/"1"'}
    error = await month_error(fixed_response("<html>outage</html>", headers=headers))

    assert type(error) is BadResponse
    assert "annrook" not in str(error)
