import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chesscoach.sources.game import Game, Side, UnfinishedGame
from chesscoach.sources.lichess_payload import UnreadableGame
from chesscoach.sources.pgn import count_plies
from tests.support.sources.lichess_exports import (
    BORN,
    MISSING,
    make_line,
    make_players,
    parse_export,
    parse_one,
    unix_ms,
)

# A line as a value


async def test_a_finished_game_is_read_in_full() -> None:
    pgn = '[Event "x"]\n[Result "1-0"]\n\n1. e4 { [%clk 0:03:00] } d5 2. exd5 1-0\n\n\n'
    assert await parse_one(pgn=pgn) == Game(
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


async def test_a_black_win_and_a_casual_game_are_read() -> None:
    game = await parse_one(winner="black", rated=False)

    assert game.result == "0-1"
    assert game.rated is False


async def test_an_engine_is_a_side_without_a_key() -> None:
    game = await parse_one(players=make_players({"user": {"id": "annrook"}}, {"aiLevel": 5}))

    assert game.white == Side(name="annrook", key="annrook")
    assert game.black == Side(name="Stockfish level 5", key=None, rating=None)


async def test_an_anonymous_player_is_a_side_without_a_key() -> None:
    game = await parse_one(players=make_players({}, {"user": {"name": "AnnRook", "id": "annrook"}}))

    assert game.white == Side(name="Anonymous", key=None, rating=None)
    assert game.black == Side(name="AnnRook", key="annrook", rating=None)


async def test_a_deleted_player_is_a_side_like_any_other() -> None:
    game = await parse_one(
        players=make_players(
            {"user": {"id": "ghost", "name": "ghost"}}, {"user": {"id": "!abcdefg"}}
        )
    )

    assert game.white == Side(name="ghost", key="ghost")
    assert game.black == Side(name="!abcdefg", key="!abcdefg")


async def test_the_key_of_a_side_is_lower_case_whatever_the_site_writes() -> None:
    game = await parse_one(players=make_players({"user": {"id": "AnnRook", "name": "ANNROOK"}}, {}))

    assert game.white == Side(name="ANNROOK", key="annrook")


async def test_a_rating_may_be_a_fraction() -> None:
    game = await parse_one(players=make_players({"user": {"id": "annrook"}, "rating": 1500.6}, {}))

    assert game.white.rating == 1501


async def test_an_account_of_which_only_the_name_is_told_is_known_by_it() -> None:
    parsed = await parse_one(players=make_players({"user": {"name": "AnnRook"}}, {"user": {}}))

    assert (parsed.white.name, parsed.white.key) == ("AnnRook", "annrook")
    assert (parsed.black.name, parsed.black.key) == ("Anonymous", None)


@pytest.mark.parametrize("odd", ["", "a,b", "a/b", "a b", "é", "x" * 41, "a\nb"])
async def test_a_game_whose_id_could_be_none_is_unreadable(odd: str) -> None:
    for status in ("resign", "started"):
        assert await parse_export(make_line(id=odd, status=status)) == [
            UnreadableGame(external_id="")
        ]


async def test_titles_flairs_and_fields_that_we_do_not_know_do_no_harm() -> None:
    user = {"id": "annrook", "name": "AnnRook", "title": "BOT", "flair": "x", "patron": True}
    side = {"user": user, "rating": 3000, "provisional": True, "analysis": {"acpl": 8}, "team": 1}
    game = await parse_one(
        players=make_players(side, {}),
        analysis=[{"eval": 30}, {"mate": 1}],
        division={},
        swissTour={"id": "x"},
        berserk=[1, {"a": None}],
    )

    assert game.white == Side(name="AnnRook", key="annrook", rating=3000)


async def test_chess960_is_not_standard() -> None:
    fen = "bbrknnqr/pppppppp/8/8/8/8/PPPPPPPP/BBRKNNQR w KQkq - 0 1"
    game = await parse_one(variant="chess960", perf="chess960", initialFen=fen)

    assert (game.variant, game.standard) == ("chess960", False)


async def test_a_game_from_a_position_is_not_standard() -> None:
    fen = "8/8/8/4k3/8/4K3/4P3/8 w - - 0 1"
    assert (await parse_one(variant="fromPosition", initialFen=fen)).standard is False
    assert (await parse_one(variant="standard", initialFen=fen)).standard is False


@pytest.mark.parametrize("status", ["created", "started"])
async def test_an_unfinished_game_is_pending(status: str) -> None:
    assert await parse_export(
        make_line(status=status, winner=MISSING, daysPerTurn=3, clock=MISSING)
    ) == [UnfinishedGame(external_id="q7ZQk1xY", started_at=BORN)]


async def test_an_aborted_game_is_left_out() -> None:
    assert await parse_export(make_line(status="aborted", winner=MISSING, moves="e4")) == []


async def test_a_game_that_was_not_begun_has_a_winner_and_no_moves() -> None:
    game = await parse_one(status="noStart", moves="", opening=MISSING, pgn=MISSING, clocks=MISSING)

    assert (game.result, game.plies) == ("1-0", 0)
    assert game.pgn.endswith("\n\n1-0\n")


@pytest.mark.parametrize(
    "status",
    ["draw", "stalemate", "outoftime", "timeout", "insufficientMaterialClaim", "variantEnd"],
)
async def test_without_a_winner_these_endings_are_draws(status: str) -> None:
    assert (await parse_one(status=status, winner=MISSING)).result == "1/2-1/2"


@pytest.mark.parametrize("status", ["unknownFinish", "somethingNew", "cheat"])
async def test_without_a_winner_other_endings_have_no_known_result(status: str) -> None:
    assert (await parse_one(status=status, winner=MISSING)).result == "*"


@pytest.mark.parametrize("status", ["mate", "outoftime", "timeout", "cheat", "somethingNew"])
async def test_the_winner_decides_whatever_the_status(status: str) -> None:
    assert (await parse_one(status=status, winner="black")).result == "0-1"


async def test_a_variant_that_we_do_not_know_is_kept_as_it_is() -> None:
    game = await parse_one(variant="newVariant", perf="newVariant", speed="newSpeed")

    assert (game.variant, game.speed, game.standard) == ("newVariant", "newSpeed", False)


async def test_only_four_fields_are_needed() -> None:
    (game,) = await parse_export(
        {"id": "q7ZQk1xY", "createdAt": unix_ms(BORN), "status": "draw", "players": {}}
    )

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
async def test_a_line_that_is_no_game_as_documented_is_unreadable_by_its_id(
    changes: dict[str, Any],
) -> None:
    parsed = await parse_export(make_line(**changes), make_line(id="theNext1"))

    assert parsed[0] == UnreadableGame(external_id="q7ZQk1xY")
    assert isinstance(parsed[1], Game), "the next line is not spoilt"


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
async def test_an_optional_field_of_another_kind_costs_only_itself_and_is_reported(
    changes: dict[str, Any], field: str
) -> None:
    parsed = await parse_one(**changes)

    assert parsed.unknown == (field,)
    assert (parsed.external_id, parsed.result, parsed.ending) == ("q7ZQk1xY", "1-0", "resign")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"status": "abducted"}, "status"),
        ({"variant": "duck"}, "variant"),
        ({"speed": "glacial"}, "speed"),
    ],
)
async def test_words_that_we_do_not_know_are_kept_as_they_came_and_reported(
    changes: dict[str, str], field: str
) -> None:
    parsed = await parse_one(**changes)

    assert parsed.unknown == (field,)
    assert changes[field] in (parsed.ending, parsed.variant, parsed.speed)


async def test_a_word_of_a_thousand_letters_is_cut() -> None:
    parsed = await parse_one(speed="x" * 1000, variant="y" * 1000, status="z" * 1000)

    assert {len(each) for each in (parsed.speed, parsed.variant, parsed.ending)} == {40}


async def test_seconds_where_milliseconds_belong_are_read_as_seconds() -> None:
    parsed = await parse_one(createdAt=unix_ms(BORN) // 1000, lastMoveAt=unix_ms(BORN) // 1000 + 60)

    assert parsed.started_at == BORN
    assert parsed.ended_at == BORN + timedelta(seconds=60)


async def test_a_player_with_a_name_and_no_account_has_that_name() -> None:
    parsed = await parse_one(players=make_players({"name": "Paul Morphy"}, {}))

    assert (parsed.white.name, parsed.white.key) == ("Paul Morphy", None)


@pytest.mark.parametrize(
    "garbage",
    [
        b"garbage",
        b"[]",
        b"null",
        b'"q7ZQk1xY"',
        b'{"id":17}',
        b"\xff\xfe\x00",
        b"[" * 100_000 + b"]" * 100_000,
    ],
)
async def test_a_line_that_is_no_object_is_unreadable_and_the_next_one_is_not(
    garbage: bytes,
) -> None:
    parsed = await parse_export(garbage, make_line())

    assert parsed[0] == UnreadableGame(external_id="")
    assert isinstance(parsed[1], Game)


@pytest.mark.parametrize("rest", [b"", b',"createdAt":' + b"[" * 100_000, b',"pgn":"x'])
async def test_a_line_that_is_cut_keeps_its_id(rest: bytes) -> None:
    (parsed,) = await parse_export(b'{"id":"q7ZQk1xY"' + rest)

    assert parsed == UnreadableGame(external_id="q7ZQk1xY")


async def test_a_game_nested_too_deep_in_a_field_that_we_do_not_read_is_no_fault() -> None:
    deep = json.dumps(make_line()).encode()[:-1] + b',"analysis":' + b"[" * 100_000 + b"]" * 100_000
    (parsed,) = await parse_export(deep + b"}")

    assert isinstance(parsed, Game | UnreadableGame)


@pytest.mark.parametrize("odd", ["x" * 10_000, "planted-secret", "nine char"])
async def test_what_is_no_id_by_its_form_is_not_reported_as_one(odd: str) -> None:
    (parsed,) = await parse_export({"id": odd})

    assert parsed == UnreadableGame(external_id="")


@pytest.mark.parametrize(
    "field", ["variant", "moves", "speed", "rated", "players", "winner", "pgn"]
)
async def test_null_is_as_good_as_a_field_that_is_missing(field: str) -> None:
    assert (await parse_one(**{field: None})).external_id == (await parse_one()).external_id


async def test_a_pgn_is_written_when_it_is_missing() -> None:
    game = await parse_one(pgn=MISSING, moves="e4 d5 exd5 Qxd5")

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


async def test_a_pgn_that_is_written_keeps_the_variant_and_its_position() -> None:
    fen = "8/8/8/4k3/8/4K3/4P3/8 w - - 0 1"
    game = await parse_one(
        pgn=MISSING, variant="fromPosition", initialFen=fen, clock=MISSING, rated=False
    )

    for tag in (f'[FEN "{fen}"]', '[SetUp "1"]', '[Variant "fromPosition"]', '[TimeControl "-"]'):
        assert tag in game.pgn.splitlines()
    assert game.pgn.startswith('[Event "casual blitz game"]')


@settings(max_examples=40)  # each starts a server
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from([*make_line(), "user", "white"]), inner, max_size=5)
        ),
        max_leaves=12,
    )
)
def test_whatever_a_line_holds_it_is_a_game_or_unreadable(value: object) -> None:
    async def check() -> None:
        base = make_line()
        odd = [base | {name: value} for name in base]
        texts = [json.dumps(each).encode() for each in (value, *odd)]
        parsed = await parse_export(*texts)
        assert all(isinstance(each, Game | UnfinishedGame | UnreadableGame) for each in parsed)

    asyncio.run(check())
