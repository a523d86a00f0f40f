"""What a line of a Lichess export is read as."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chesscoach.sources.game import Game, Side, UnfinishedGame
from chesscoach.sources.lichess_payload import UnreadableGame
from chesscoach.sources.pgn import count_plies
from tests.support.random_texts import texts
from tests.support.sources.lichess_exports import (
    BORN,
    MISSING,
    make_line,
    make_players,
    parse_export,
    parse_one,
    unix_ms,
)

FEN_960 = "bbrknnqr/pppppppp/8/8/8/8/PPPPPPPP/BBRKNNQR w KQkq - 0 1"
ENDGAME_FEN = "8/8/8/4k3/8/4K3/4P3/8 w - - 0 1"
DEEP = b"[" * 100_000
UNNAMED = UnreadableGame(external_id="")
UNREADABLE = UnreadableGame(external_id="q7ZQk1xY")


def test_a_finished_game_is_read_in_full() -> None:
    pgn = '[Event "x"]\n[Result "1-0"]\n\n1. e4 { [%clk 0:03:00] } d5 2. exd5 1-0\n\n\n'
    assert parse_one(pgn=pgn) == Game(
        platform="lichess",
        external_id="q7ZQk1xY",
        url="https://lichess.org/q7ZQk1xY",
        white=Side(name="AnnRook", key="annrook", rating=1711),
        black=Side(name="b0b_-", key="b0b_-", rating=1699),
        result="1-0",
        speed="blitz",
        variant="standard",
        standard=True,
        rated=True,
        started_at=BORN,
        ended_at=BORN + timedelta(milliseconds=301_250),
        plies=3,
        ending="resign",
        pgn=pgn,
    )


ANN = {"id": "annrook", "name": "AnnRook"}
SIDES: dict[str, tuple[dict[str, Any], Side]] = {
    "an account": ({"user": ANN}, Side(name="AnnRook", key="annrook")),
    "an engine": ({"aiLevel": 5}, Side(name="Stockfish level 5", key=None)),
    "an anonymous player": ({}, Side(name="Anonymous", key=None)),
    "a user without any name": ({"user": {}}, Side(name="Anonymous", key=None)),
    "a name without an account": ({"name": "Paul Morphy"}, Side(name="Paul Morphy", key=None)),
    "an id in capitals": (
        {"user": {"id": "AnnRook", "name": "ANNROOK"}},
        Side(name="ANNROOK", key="annrook"),
    ),
    "a name alone": ({"user": {"name": "AnnRook"}}, Side(name="AnnRook", key="annrook")),
    "a deleted player": ({"user": {"id": "!abcdefg"}}, Side(name="!abcdefg", key="!abcdefg")),
    "a fraction as rating": (
        {"user": ANN, "rating": 1500.6},
        Side(name="AnnRook", key="annrook", rating=1501),
    ),
    "unknown fields": (
        {"user": {**ANN, "title": "BOT", "patron": True}, "rating": 9, "analysis": {"acpl": 8}},
        Side(name="AnnRook", key="annrook", rating=9),
    ),
}


@pytest.mark.parametrize(("side", "expected"), SIDES.values(), ids=SIDES.keys())
def test_a_side_is_known_by_its_account_alone(side: dict[str, Any], expected: Side) -> None:
    assert parse_one(players=make_players(side, {})).white == expected
    assert parse_one(players=make_players({}, side)).black == expected


@pytest.mark.parametrize("odd", ["", "a,b", "a/b", "a b", "é", "x" * 41, "a\nb"])
def test_a_game_whose_id_could_be_none_is_unreadable(odd: str) -> None:
    for status in ("resign", "started"):
        assert parse_export(make_line(id=odd, status=status)) == [UNNAMED]


def test_fields_that_we_do_not_know_do_no_harm() -> None:
    more = {"analysis": [{"eval": 30}, {"mate": 1}], "division": {}, "berserk": [1, {"a": None}]}
    assert parse_one(**more, swissTour={"id": "x"}) == parse_one()


@pytest.mark.parametrize(
    ("changes", "variant"),
    [
        ({"variant": "chess960", "initialFen": FEN_960}, "chess960"),
        ({"variant": "fromPosition", "initialFen": ENDGAME_FEN}, "fromPosition"),
        ({"variant": "standard", "initialFen": ENDGAME_FEN}, "standard"),
        ({"variant": "newVariant", "speed": "newSpeed"}, "newVariant"),
    ],
)
def test_other_rules_or_another_position_are_not_standard(
    changes: dict[str, Any], variant: str
) -> None:
    game = parse_one(**changes)

    assert (game.variant, game.standard) == (variant, False)
    assert game.initial_fen == changes.get("initialFen")


@pytest.mark.parametrize("status", ["created", "started"])
def test_an_unfinished_game_is_not_a_game_yet(status: str) -> None:
    line = make_line(status=status, winner=MISSING, daysPerTurn=3, clock=MISSING)
    assert parse_export(line) == [UnfinishedGame(external_id="q7ZQk1xY", started_at=BORN)]


def test_an_aborted_game_is_left_out() -> None:
    assert parse_export(make_line(status="aborted", winner=MISSING, moves="e4")) == []


def test_a_game_that_was_not_begun_has_a_winner_and_no_moves() -> None:
    game = parse_one(status="noStart", moves="", opening=MISSING, pgn=MISSING, clocks=MISSING)

    assert (game.result, game.plies) == ("1-0", 0)
    assert game.pgn.endswith("\n\n1-0\n")


DRAWN = ["draw", "stalemate", "outoftime", "timeout", "insufficientMaterialClaim", "variantEnd"]


@pytest.mark.parametrize(
    ("status", "winner", "result"),
    [
        *((status, MISSING, "1/2-1/2") for status in DRAWN),
        *((status, MISSING, "*") for status in ("unknownFinish", "somethingNew", "cheat")),
        *((status, "black", "0-1") for status in ("mate", "outoftime", "cheat", "somethingNew")),
    ],
)
def test_the_winner_decides_and_without_one_the_status(
    status: str, winner: object, result: str
) -> None:
    assert parse_one(status=status, winner=winner).result == result


def test_only_four_fields_are_needed() -> None:
    needed = {"id": "q7ZQk1xY", "createdAt": unix_ms(BORN), "status": "draw", "players": {}}
    (game,) = parse_export(needed)

    assert isinstance(game, Game)
    assert game.white == game.black == Side(name="Anonymous", key=None)
    assert game.started_at == game.ended_at == BORN
    assert (game.result, game.plies, game.rated) == ("1/2-1/2", 0, False)


@pytest.mark.parametrize(
    "changes",
    [
        {"createdAt": unix_ms(BORN) // 10},
        {"createdAt": unix_ms(BORN) * 1000},
        {"createdAt": 0},
        {"createdAt": MISSING},
        {"createdAt": "2026-03-01"},
        {"createdAt": None},
        {"status": MISSING},
        {"status": 31},
    ],
)
def test_a_line_that_is_no_game_as_documented_is_unreadable_by_its_id(
    changes: dict[str, Any],
) -> None:
    assert parse_export(make_line(**changes)) == [UNREADABLE]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"lastMoveAt": "later"}, "last_move_at"),
        ({"lastMoveAt": 17}, "last_move_at"),
        ({"lastMoveAt": 10**16}, "last_move_at"),
        ({"players": []}, "players"),
        ({"players": make_players({"user": "AnnRook"}, {})}, "players.white.user"),
        ({"players": make_players({"user": {"id": 7}}, {})}, "players.white.user.id"),
        ({"players": make_players({"rating": "1500?"}, {})}, "players.white.rating"),
        ({"moves": 17}, "moves"),
        ({"rated": "yes"}, "rated"),
        ({"clock": [300, 0]}, "clock"),
        ({"opening": {"eco": 4}}, "opening.eco"),
    ],
)
def test_an_optional_field_of_another_kind_costs_only_itself_and_is_reported(
    changes: dict[str, Any], field: str
) -> None:
    game = parse_one(**changes)

    assert game.unknown == (field,)
    assert (game.external_id, game.result, game.ending) == ("q7ZQk1xY", "1-0", "resign")


@pytest.mark.parametrize(
    ("field", "word"), [("status", "abducted"), ("variant", "duck"), ("speed", "glacial")]
)
def test_words_that_we_do_not_know_are_kept_as_they_came_and_reported(
    field: str, word: str
) -> None:
    game = parse_one(**{field: word})

    assert game.unknown == (field,)
    assert word in (game.ending, game.variant, game.speed)


def test_a_word_of_a_thousand_letters_is_cut() -> None:
    game = parse_one(speed="x" * 1000, variant="y" * 1000, status="z" * 1000)

    assert {len(word) for word in (game.speed, game.variant, game.ending)} == {40}


def test_seconds_where_milliseconds_belong_are_read_as_seconds() -> None:
    game = parse_one(createdAt=unix_ms(BORN) // 1000, lastMoveAt=unix_ms(BORN) // 1000 + 60)

    assert (game.started_at, game.ended_at) == (BORN, BORN + timedelta(seconds=60))


@pytest.mark.parametrize(
    "line",
    [
        *(b"garbage", b"[]", b"null", b'"q7ZQk1xY"', b'{"id":17}', b"\xff\xfe\x00"),
        DEEP + b"]" * 100_000,
        *({"id": odd} for odd in ("x" * 10_000, "planted-secret", "nine char")),
    ],
    ids=lambda line: str(line)[:20],
)
def test_what_is_no_object_or_has_no_id_by_its_form_is_unreadable_without_a_name(
    line: bytes | dict[str, Any],
) -> None:
    assert parse_export(line) == [UNNAMED]


@pytest.mark.parametrize(
    "rest", [b"", b',"createdAt":' + DEEP, b',"pgn":"x'], ids=["id alone", "nested", "in a text"]
)
def test_a_line_that_is_cut_keeps_its_id(rest: bytes) -> None:
    assert parse_export(b'{"id":"q7ZQk1xY"' + rest) == [UNREADABLE]


@pytest.mark.parametrize(
    "field", ["variant", "moves", "speed", "rated", "players", "winner", "pgn"]
)
def test_null_is_as_good_as_a_field_that_is_missing(field: str) -> None:
    assert parse_one(**{field: None}) == parse_one(**{field: MISSING})


def test_a_pgn_is_written_when_it_is_missing() -> None:
    game = parse_one(pgn=MISSING, moves="e4 d5 exd5 Qxd5")

    assert game.pgn == (
        '[Event "rated blitz game"]\n'
        '[Site "https://lichess.org/q7ZQk1xY"]\n'
        '[Date "2026.03.01"]\n'
        '[White "AnnRook"]\n'
        '[Black "b0b_-"]\n'
        '[Result "1-0"]\n'
        '[UTCDate "2026.03.01"]\n'
        '[UTCTime "10:00:00"]\n'
        '[WhiteElo "1711"]\n'
        '[BlackElo "1699"]\n'
        '[TimeControl "180+2"]\n'
        '[ECO "B01"]\n'
        '[Opening "Scandinavian Defense"]\n'
        "\n"
        "1. e4 d5 2. exd5 Qxd5 1-0\n"
    )
    assert game.plies == count_plies(game.pgn) == 4


def test_a_pgn_that_is_written_keeps_the_variant_and_its_position() -> None:
    position = {"variant": "fromPosition", "initialFen": ENDGAME_FEN}
    game = parse_one(pgn=MISSING, clock=MISSING, rated=False, **position)

    tags = (f'[FEN "{ENDGAME_FEN}"]', '[SetUp "1"]', '[Variant "fromPosition"]')
    assert {*tags, '[TimeControl "-"]'} <= set(game.pgn.splitlines())
    assert game.pgn.startswith('[Event "casual blitz game"]')


@settings(max_examples=60)
@given(
    st.sampled_from(list(make_line())),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | texts(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from([*make_line(), "user", "white"]), inner, max_size=5)
        ),
        max_leaves=12,
    ),
)
def test_whatever_a_line_holds_it_is_a_game_or_unreadable(field: str, value: object) -> None:
    for item in parse_export(json.dumps(value).encode(), make_line() | {field: value}):
        assert isinstance(item, Game | UnfinishedGame | UnreadableGame)
