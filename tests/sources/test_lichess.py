"""What is read out of Lichess's replies, and how it is asked."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from chesscoach.demo.fake_lichess import FakeLichess
from chesscoach.demo.world import World, historical_games
from chesscoach.errors import BadResponse, SourceError, StreamTruncated
from chesscoach.sources.game import Game, Side, UnfinishedGame
from chesscoach.sources.lichess import MAX_BULK_NAMES, MAX_PAGE_GAMES, Lichess, PageEnd
from chesscoach.sources.lichess_payload import ExportItem, UnreadableGame
from chesscoach.sources.lichess_status import LichessStatus
from chesscoach.sources.pgn import count_plies
from tests.conftest import NOON
from tests.sources.test_client import (
    CHUNKED,
    Handler,
    InMemoryLane,
    chunked_response,
    encode_chunk,
    http_server,
    open_client,
    scripted_responses,
)

FAMOUS = historical_games()[0]
BORN = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)
BEFORE = BORN - timedelta(days=1)
LICHESS_BEGAN_MS = 1_356_998_400_070
MISSING = object()
"""A field that is to be left out."""


def unix_ms(instant: datetime) -> int:
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


async def read_history(source: Lichess, since: datetime = BORN) -> AsyncIterator[ExportItem]:
    async for item in source.games_since("ann", since):
        if not isinstance(item, PageEnd):
            yield item


def make_line(**changes: Any) -> dict[str, Any]:
    """A line of an export: a rated blitz game that White wins, but for these changes."""
    game: dict[str, Any] = {
        "id": "q7ZQk1xY",
        "rated": True,
        "variant": "standard",
        "speed": "blitz",
        "perf": "blitz",
        "createdAt": unix_ms(BORN),
        "lastMoveAt": unix_ms(BORN) + 301_250,
        "status": "resign",
        "source": "pool",
        "players": {
            "white": {"user": {"name": "AnnRook", "id": "annrook"}, "rating": 1711},
            "black": {"user": {"name": "b0b_-", "id": "b0b_-"}, "rating": 1699},
        },
        "winner": "white",
        "opening": {"eco": "B01", "name": "Scandinavian Defense", "ply": 2},
        "moves": "e4 d5 exd5",
        "clocks": [18003, 18003, 17900],
        "pgn": '[Event "rated blitz game"]\n[Result "1-0"]\n\n1. e4 d5 2. exd5 1-0\n\n\n',
        "clock": {"initial": 180, "increment": 2, "totalTime": 260},
    }
    game |= changes
    return {name: value for name, value in game.items() if value is not MISSING}


def make_players(white: Any, black: Any) -> dict[str, Any]:
    return {"white": white, "black": black}


def ndjson(*games: dict[str, Any] | bytes) -> bytes:
    texts = [game if isinstance(game, bytes) else json.dumps(game).encode() for game in games]
    return b"".join(text + b"\n" for text in texts)


@asynccontextmanager
async def open_lichess(url: str, *, users_per_10min: int = 8000) -> AsyncIterator[Lichess]:
    """The source on that URL, on a lane of its own."""
    async with open_client(url, InMemoryLane()) as site:
        yield Lichess(site, users_per_10min)


@asynccontextmanager
async def open_fake_lichess(world: World) -> AsyncIterator[tuple[FakeLichess, Lichess]]:
    """The stand-in on a world, and the source that asks it; no rule may have been broken."""
    stand_in = FakeLichess(world)
    async with stand_in.serve(), open_lichess(stand_in.url) as source:
        yield stand_in, source
    assert stand_in.violations == []


def fixed_response(
    text: bytes, *, status: int = 200, content_type: str = "application/x-ndjson"
) -> Handler:
    """Always this reply."""

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(body=text, status=status, content_type=content_type)

    return handler


async def parse_export(*games: dict[str, Any] | bytes) -> list[ExportItem]:
    """What an export of these lines is read as."""
    async with http_server(fixed_response(ndjson(*games))) as url, open_lichess(url) as source:
        return [each async for each in read_history(source, BEFORE)]


async def parse_one(**changes: Any) -> Game:
    """The game that a line is read as."""
    (game,) = await parse_export(make_line(**changes))
    assert isinstance(game, Game)
    return game


def world_of(*names: str) -> World:
    world = World()
    for name in names:
        world.add_player("lichess", name, NOON - timedelta(days=300))
    return world


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
    told = await parse_one(players=make_players({"user": {"name": "AnnRook"}}, {"user": {}}))

    assert (told.white.name, told.white.key) == ("AnnRook", "annrook")
    assert (told.black.name, told.black.key) == ("Anonymous", None)


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
    told = await parse_export(make_line(**changes), make_line(id="theNext1"))

    assert told[0] == UnreadableGame(external_id="q7ZQk1xY")
    assert isinstance(told[1], Game), "the next line is not spoilt"


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
async def test_an_optional_field_of_another_kind_costs_only_itself_and_is_told(
    changes: dict[str, Any], field: str
) -> None:
    told = await parse_one(**changes)

    assert told.unknown == (field,)
    assert (told.external_id, told.result, told.ending) == ("q7ZQk1xY", "1-0", "resign")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"status": "abducted"}, "status"),
        ({"variant": "duck"}, "variant"),
        ({"speed": "glacial"}, "speed"),
    ],
)
async def test_words_that_we_do_not_know_are_kept_as_they_came_and_told(
    changes: dict[str, str], field: str
) -> None:
    told = await parse_one(**changes)

    assert told.unknown == (field,)
    assert changes[field] in (told.ending, told.variant, told.speed)


async def test_a_word_of_a_thousand_letters_is_cut() -> None:
    told = await parse_one(speed="x" * 1000, variant="y" * 1000, status="z" * 1000)

    assert {len(each) for each in (told.speed, told.variant, told.ending)} == {40}


async def test_seconds_where_milliseconds_belong_are_read_as_seconds() -> None:
    told = await parse_one(createdAt=unix_ms(BORN) // 1000, lastMoveAt=unix_ms(BORN) // 1000 + 60)

    assert told.started_at == BORN
    assert told.ended_at == BORN + timedelta(seconds=60)


async def test_a_player_with_a_name_and_no_account_has_that_name() -> None:
    told = await parse_one(players=make_players({"name": "Paul Morphy"}, {}))

    assert (told.white.name, told.white.key) == ("Paul Morphy", None)


@pytest.mark.parametrize(
    "garbage",
    [
        b"garbage",
        b"[]",
        b"null",
        b'"q7ZQk1xY"',
        b'{"id":17}',
        b'{"id":"q7ZQk1xY"',
        b"\xff\xfe\x00",
        b"\xef\xbb\xbf" + json.dumps(make_line()).encode(),  # after a byte order mark
        b'{"id":"q7ZQk1xY","createdAt":' + b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
    ],
)
async def test_a_line_that_is_no_object_is_unreadable_and_the_next_one_is_not(
    garbage: bytes,
) -> None:
    told = await parse_export(garbage, make_line())

    assert told[0] == UnreadableGame(external_id="")
    assert isinstance(told[1], Game)


async def test_a_game_nested_too_deep_in_a_field_that_we_do_not_read_is_no_fault() -> None:
    deep = json.dumps(make_line()).encode()[:-1] + b',"analysis":' + b"[" * 100_000 + b"]" * 100_000
    (told,) = await parse_export(deep + b"}")

    assert isinstance(told, Game | UnreadableGame)


@pytest.mark.parametrize("odd", ["x" * 10_000, "planted-secret", "nine char"])
async def test_what_is_no_id_by_its_form_is_not_told_as_one(odd: str) -> None:
    (told,) = await parse_export({"id": odd})

    assert told == UnreadableGame(external_id="")


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
        told = await parse_export(*texts)
        assert all(isinstance(each, Game | UnfinishedGame | UnreadableGame) for each in told)

    asyncio.run(check())


# How games are asked for


async def test_an_export_is_asked_for_in_the_form_that_the_index_can_answer() -> None:
    async with open_fake_lichess(world_of("Ann")) as (stand_in, source):
        _ = [each async for each in source.games_since("ann", BORN)]

    (seen,) = stand_in.requests
    assert (seen.method, seen.path) == ("GET", "/api/games/user/ann")
    assert seen.query == {
        "since": str(unix_ms(BORN)),
        "sort": "dateAsc",
        "ongoing": "true",
        "max": str(MAX_PAGE_GAMES),
        "pgnInJson": "true",
        "clocks": "true",
        "opening": "true",
    }


async def test_an_export_is_asked_for_as_ndjson() -> None:
    accepted = []

    async def handler(request: web.Request) -> web.StreamResponse:
        accepted.append(request.headers.getall("Accept"))
        return web.Response(content_type="application/x-ndjson")

    async with http_server(handler) as url, open_lichess(url) as source:
        _ = [each async for each in source.games_since("ann", BORN)]
        _ = [each async for each in source.games_by_id(["q7ZQk1xY"])]

    assert accepted == [["application/x-ndjson"]] * 2


@pytest.mark.parametrize(
    "since",
    [
        BORN,
        BORN.replace(microsecond=123_000),
        datetime(2026, 3, 1, 10, tzinfo=UTC).astimezone(),
        datetime(2013, 1, 1, 0, 0, 1, tzinfo=UTC),
        datetime(1999, 12, 31, tzinfo=UTC),  # a user's `last_game_sync` may hold anything
        datetime(1970, 1, 1, tzinfo=UTC),
    ],
)
async def test_since_is_in_milliseconds_of_thirteen_digits(since: datetime) -> None:
    async with open_fake_lichess(world_of("Ann")) as (stand_in, source):
        _ = [each async for each in source.games_since("ann", since)]
        _ = [each async for each in source.newest_games("ann", since, 10)]

    for seen in stand_in.requests:
        assert len(seen.query["since"]) == 13
        assert int(seen.query["since"]) >= LICHESS_BEGAN_MS
        assert int(seen.query["since"]) <= max(unix_ms(since), LICHESS_BEGAN_MS)


async def test_games_come_oldest_first_finished_or_not() -> None:
    world = world_of("Ann")
    late = world.add_game("lichess", "Ann", NOON, famous=FAMOUS)
    early = world.add_game("lichess", "Ann", NOON - timedelta(days=2), famous=FAMOUS)
    now = world.add_game(
        "lichess", "Ann", None, started_at=NOON - timedelta(days=1), speed="correspondence"
    )
    world.add_game("lichess", "Ann", NOON - timedelta(hours=3), status="aborted", famous=FAMOUS)
    before = world.add_game("lichess", "Ann", NOON - timedelta(days=9), famous=FAMOUS)

    async with open_fake_lichess(world) as (_, source):
        told = [each async for each in read_history(source, NOON - timedelta(days=5))]

    assert [each.external_id for each in told] == [early.id, now.id, late.id]
    assert before.id not in [each.external_id for each in told]
    assert told[1] == UnfinishedGame(external_id=now.id, started_at=now.started_at)


async def test_a_player_without_games_has_none() -> None:
    async with open_fake_lichess(world_of("Ann")) as (stand_in, source):
        assert [each async for each in source.games_since("ann", BORN)] == []

    assert len(stand_in.requests) == 1


async def test_a_long_history_is_asked_for_page_by_page_until_one_is_not_full() -> None:
    world = world_of("Ann")
    games = [
        world.add_game("lichess", "Ann", NOON + timedelta(minutes=n), famous=FAMOUS)
        for n in range(2 * MAX_PAGE_GAMES + 300)
    ]
    async with open_fake_lichess(world) as (stand_in, source):
        told = [each.external_id async for each in read_history(source)]

    assert list(dict.fromkeys(told)) == [game.id for game in games]
    assert len(told) <= len(games) + 2, "no more than the game at the edge comes twice"
    assert len(stand_in.requests) == 3
    assert [int(seen.query["since"]) for seen in stand_in.requests] == [
        unix_ms(BORN),
        unix_ms(games[MAX_PAGE_GAMES - 1].started_at),
        unix_ms(games[2 * MAX_PAGE_GAMES - 2].started_at),
    ]


async def test_aborted_games_count_toward_a_full_page() -> None:
    world = world_of("Ann")
    kept = []
    for n in range(MAX_PAGE_GAMES + 50):
        status = "aborted" if n % 2 else "resign"
        game = world.add_game(
            "lichess", "Ann", NOON + timedelta(minutes=n), famous=FAMOUS, status=status
        )
        if status != "aborted":
            kept.append(game.id)

    async with open_fake_lichess(world) as (stand_in, source):
        told = [each.external_id async for each in read_history(source)]

    assert list(dict.fromkeys(told)) == kept
    assert len(stand_in.requests) == 2


async def test_a_full_page_of_aborted_games_does_not_hide_what_came_after() -> None:
    world = world_of("Ann")
    for n in range(MAX_PAGE_GAMES):
        world.add_game(
            "lichess", "Ann", NOON + timedelta(minutes=n), famous=FAMOUS, status="aborted"
        )
    real = world.add_game("lichess", "Ann", NOON + timedelta(days=9), famous=FAMOUS)

    async with open_fake_lichess(world) as (_, source):
        told = [each.external_id async for each in read_history(source)]

    assert told == [real.id]


async def test_a_game_that_began_after_now_is_none_to_go_on_from() -> None:
    world = world_of("Ann")
    for n in range(MAX_PAGE_GAMES + 20):
        world.add_game("lichess", "Ann", NOON + timedelta(minutes=n), famous=FAMOUS)
    odd = world.players["lichess"]["ann"].games[7]
    odd.fields = {"createdAt": 7_000_000_000_000}
    async with open_fake_lichess(world) as (_, source):
        found = source.games_since("ann", BORN, now=NOON + timedelta(days=30))
        told = [each async for each in found if isinstance(each, Game)]

    assert len({game.external_id for game in told}) == MAX_PAGE_GAMES + 20


async def test_the_end_of_a_page_says_from_where_the_next_one_goes_on() -> None:
    world = world_of("Ann")
    for n in range(MAX_PAGE_GAMES + 20):
        world.add_game("lichess", "Ann", NOON + timedelta(minutes=n), famous=FAMOUS)
    async with open_fake_lichess(world) as (_, source):
        items = [item async for item in source.games_since("ann", BORN)]

    last = world.players["lichess"]["ann"].games[MAX_PAGE_GAMES - 1]
    ends = [number for number, item in enumerate(items) if isinstance(item, PageEnd)]
    assert (ends, items[MAX_PAGE_GAMES]) == ([MAX_PAGE_GAMES], PageEnd(last.started_at))


async def test_a_history_that_is_exactly_one_page_ends() -> None:
    world = world_of("Ann")
    for n in range(MAX_PAGE_GAMES):
        world.add_game("lichess", "Ann", NOON + timedelta(minutes=n), famous=FAMOUS)

    async with open_fake_lichess(world) as (stand_in, source):
        told = {each.external_id async for each in read_history(source)}

    assert len(told) == MAX_PAGE_GAMES
    assert len(stand_in.requests) == 2


async def test_a_site_that_always_answers_with_the_same_full_page_is_not_asked_for_ever() -> None:
    asked = []

    async def handler(request: web.Request) -> web.StreamResponse:
        asked.append(request.query["since"])
        return web.Response(
            body=ndjson(make_line()) * MAX_PAGE_GAMES, content_type="application/x-ndjson"
        )

    async with http_server(handler) as url, open_lichess(url) as source:
        games = [item async for item in read_history(source, BEFORE)]

    assert len(games) == 2 * MAX_PAGE_GAMES
    assert asked == [str(unix_ms(BEFORE)), str(unix_ms(BORN))]


async def test_the_newest_games_are_finished_ones_newest_first_up_to_a_limit() -> None:
    world = world_of("Ann")
    ended = [
        world.add_game("lichess", "Ann", NOON - timedelta(days=n), famous=FAMOUS) for n in range(5)
    ]
    world.add_game("lichess", "Ann", None, started_at=NOON, speed="correspondence", famous=FAMOUS)
    world.add_game("lichess", "Ann", NOON, status="aborted", famous=FAMOUS)

    async with open_fake_lichess(world) as (stand_in, source):
        told = [each async for each in source.newest_games("ann", NOON - timedelta(days=9), 3)]
        recent = [each async for each in source.newest_games("ann", NOON - timedelta(days=2), 9)]

    assert [each.external_id for each in told] == [game.id for game in ended[:3]]
    assert [each.external_id for each in recent] == [game.id for game in ended[:2]]
    assert "ongoing" not in stand_in.requests[0].query
    assert stand_in.requests[0].query["sort"] == "dateDesc"
    assert stand_in.requests[0].query["max"] == "3"


async def test_unfinished_games_come_however_long_ago_they_began() -> None:
    world = world_of("Ann")
    old = world.add_game(
        "lichess", "Ann", None, started_at=NOON - timedelta(days=200), famous=FAMOUS
    )
    new = world.add_game("lichess", "Ann", None, started_at=NOON, famous=FAMOUS)
    world.add_game("lichess", "Ann", NOON, famous=FAMOUS)
    world.add_game("lichess", "Ann", NOON, status="aborted", famous=FAMOUS)

    async with open_fake_lichess(world) as (stand_in, source):
        told = [each async for each in source.unfinished_games("ann")]

    assert sorted(told, key=lambda each: each.started_at) == [
        UnfinishedGame(external_id=old.id, started_at=old.started_at),
        UnfinishedGame(external_id=new.id, started_at=new.started_at),
    ]
    assert "since" not in stand_in.requests[0].query


async def test_games_are_asked_for_by_their_ids_and_those_that_are_gone_are_left_out() -> None:
    world = world_of("Ann")
    ended = world.add_game("lichess", "Ann", NOON, famous=FAMOUS)
    running = world.add_game("lichess", "Ann", None, started_at=NOON, famous=FAMOUS)

    async with open_fake_lichess(world) as (stand_in, source):
        ids = [running.id, "vanished", ended.id]
        told = {each.external_id: each async for each in source.games_by_id(ids)}

    assert told.keys() == {running.id, ended.id}
    assert isinstance(told[running.id], UnfinishedGame)
    assert isinstance(told[ended.id], Game)
    (seen,) = stand_in.requests
    assert (seen.method, seen.path, seen.body) == (
        "POST",
        "/api/games/export/_ids",
        ",".join(ids),
    )
    assert "since" not in seen.query


async def test_three_hundred_games_by_id_are_within_the_sites_limit() -> None:
    async with open_fake_lichess(world_of("Ann")) as (_, source):
        ids = [f"game{n:04}" for n in range(MAX_BULK_NAMES)]
        assert [each async for each in source.games_by_id(ids)] == []


async def test_a_404_to_an_export_says_nothing_of_a_player_whom_the_bulk_reply_knew() -> None:
    world = world_of("Ann", "Bob")
    world.players["lichess"]["bob"].closed = True
    async with open_fake_lichess(world) as (_, source):
        for name in ("nobody", "bob"):
            with pytest.raises(BadResponse):
                _ = [each async for each in source.games_since(name, BORN)]
            with pytest.raises(BadResponse):
                _ = [each async for each in source.newest_games(name, BORN, 5)]
            with pytest.raises(BadResponse):
                _ = [each async for each in source.unfinished_games(name)]


@pytest.mark.parametrize("status", [301, 400, 401, 418])
async def test_an_export_with_another_status_is_a_bad_reply(status: int) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text="{}", headers={"Location": "/elsewhere"})

    async with http_server(handler) as url, open_lichess(url) as source:
        with pytest.raises(BadResponse) as caught:
            _ = [each async for each in source.games_since("ann", BORN)]

    assert not caught.value.permanent


async def test_a_page_of_html_is_never_taken_for_an_empty_history() -> None:
    page = b'<!DOCTYPE html>\n<html lang="en">\n<title>Just a moment...</title>\n</html>\n'
    async with (
        http_server(fixed_response(page, content_type="text/html")) as url,
        open_lichess(url) as source,
    ):
        with pytest.raises(BadResponse):
            _ = [each async for each in source.games_since("ann", BORN)]


async def test_games_before_a_cut_within_a_line_stand() -> None:
    text = ndjson(make_line(id="game0001"), make_line(id="game0002"), make_line(id="game0003"))
    told: list[str] = []

    async def read(source: Lichess) -> None:
        async for each in read_history(source):
            told.append(each.external_id)  # noqa: PERF401  # what came before the cut counts

    async with (
        http_server(chunked_response(text[:-700], text[-700:-30])) as url,
        open_lichess(url) as source,
    ):
        with pytest.raises(StreamTruncated):
            await read(source)

    assert told == ["game0001", "game0002"]


async def test_a_cut_at_the_end_of_a_line_is_no_end_of_the_history() -> None:
    async with (
        scripted_responses([CHUNKED + encode_chunk(ndjson(make_line()))]) as url,
        open_lichess(url) as source,
    ):
        with pytest.raises(StreamTruncated):
            _ = [each async for each in source.games_since("ann", BORN)]


async def test_a_line_of_megabytes_is_unreadable_and_the_next_one_is_not() -> None:
    told = await parse_export(make_line(moves="e4 " * 2**20), make_line(id="theNext1"))

    assert told[0] == UnreadableGame(external_id="")
    assert isinstance(told[1], Game)


async def test_the_stand_ins_cut_stream_is_a_cut() -> None:
    world = world_of("Ann")
    for n in range(250):
        world.add_game("lichess", "Ann", NOON + timedelta(minutes=n), famous=FAMOUS)
    async with open_fake_lichess(world) as (stand_in, source):
        stand_in.faults.append("cut")
        with pytest.raises(StreamTruncated):
            _ = [each async for each in source.games_since("ann", BORN)]


async def test_a_consumer_that_stops_early_gives_the_turn_back_and_closes_the_connection() -> None:
    gone = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        try:
            return await chunked_response(ndjson(make_line()), endless=True)(request)
        except (asyncio.CancelledError, ConnectionError):
            gone.set()
            raise

    lane = InMemoryLane()
    async with http_server(handler) as url, open_client(url, lane) as site:
        source = Lichess(site, 8000)
        exports: list[AsyncGenerator[ExportItem | PageEnd]] = [
            source.games_since("ann", BORN),
            source.newest_games("ann", BORN, 5),
            source.games_by_id(["q7ZQk1xY"]),
        ]
        for export in exports:
            gone.clear()
            async with aclosing(export) as told:
                async for _ in told:
                    break
            assert not lane.is_taken, "the turn lasts though nobody reads the reply"
            await asyncio.wait_for(gone.wait(), 5)


# Who has news


async def test_accounts_are_asked_about_in_bulk_and_those_unknown_are_absent() -> None:
    world = world_of("Ann", "BOB", "Cat")
    world.players["lichess"]["bob"].closed = True
    world.players["lichess"]["cat"].title = "BOT"
    world.add_game("lichess", "Ann", NOON, famous=FAMOUS)

    async with open_fake_lichess(world) as (stand_in, source):
        told = await source.players(["cat", "nobody", "ann", "bob"])

    assert told.keys() == {"ann", "bob", "cat"}
    assert told["ann"].seen_at == NOON
    assert told["ann"].fingerprint
    assert (told["ann"].closed, told["ann"].bot) == (False, False)
    assert (told["bob"].closed, told["bob"].bot) == (True, False)
    assert told["bob"].seen_at is None
    assert (told["cat"].closed, told["cat"].bot) == (False, True)
    assert {name: player.name for name, player in told.items()} == {name: name for name in told}
    (seen,) = stand_in.requests
    assert (seen.method, seen.path) == ("POST", "/api/users")
    assert seen.body == "cat,nobody,ann,bob"
    assert seen.query == {"profile": "false"}


async def test_accounts_are_joined_by_their_lower_cased_id() -> None:
    text = json.dumps([{"id": "AnnRook", "username": "ANNROOK", "title": "GM"}]).encode()
    async with http_server(fixed_response(text)) as url, open_lichess(url) as source:
        told = await source.players(["annrook"])

    assert told["annrook"].name == "annrook"
    assert told["annrook"].bot is False


async def test_a_bulk_request_is_spent_before_it_is_sent() -> None:
    lane = InMemoryLane()
    async with http_server(fixed_response(b"[]")) as url, open_client(url, lane) as site:
        source = Lichess(site, 8000)
        await source.players(["ann", "bob"])

    assert lane.spent == [(2, 8000)]
    assert source.bulk == MAX_BULK_NAMES == 300
    assert Lichess(site, 50).bulk == 50


async def test_the_fingerprint_is_the_same_while_nothing_happens() -> None:
    world = world_of("Ann")
    world.add_game("lichess", "Ann", NOON, famous=FAMOUS)
    async with open_fake_lichess(world) as (_, source):
        assert await source.players(["ann"]) == await source.players(["ann"])


@pytest.mark.parametrize(
    "change",
    [
        {"seenAt": unix_ms(NOON) + 1},
        {"playTime": {"total": 1201, "tv": 0}},
        {"perfs": {"blitz": {"games": 11, "rating": 1500}, "rapid": {"games": 5}}},
        {"perfs": {"blitz": {"games": 10, "rating": 1500}, "correspondence": {"games": 6}}},
    ],
)
async def test_the_fingerprint_changes_with_what_a_player_did(change: dict[str, Any]) -> None:
    assert (await parse_account()).fingerprint != (await parse_account(**change)).fingerprint


async def test_the_fingerprint_does_not_change_with_ratings_and_patronage() -> None:
    same = {
        "perfs": {"blitz": {"games": 10, "rating": 1999}, "rapid": {"games": 5, "prov": True}},
        "patron": True,
        "playTime": {"total": 1200, "tv": 99, "human": 7},
    }
    assert (await parse_account()).fingerprint == (await parse_account(**same)).fingerprint


async def test_an_account_without_any_of_its_optional_fields_is_read() -> None:
    player = await parse_account(seenAt=MISSING, playTime=MISSING, perfs=MISSING, title=None)

    assert player.seen_at is None
    assert player.closed is False


async def test_perfs_without_a_count_of_games_are_read() -> None:
    player = await parse_account(perfs={"storm": {"runs": 12, "score": 30}, "blitz": {"games": 15}})

    assert player.fingerprint == (await parse_account()).fingerprint


async def parse_account(**changes: Any) -> LichessStatus:
    """What is said of one account with these changes."""
    user: dict[str, Any] = {
        "id": "annrook",
        "username": "AnnRook",
        "perfs": {"blitz": {"games": 10, "rating": 1500}, "rapid": {"games": 5}},
        "createdAt": unix_ms(BORN),
        "seenAt": unix_ms(NOON),
        "playTime": {"total": 1200, "tv": 0},
        "tosViolation": True,
    }
    user = {name: value for name, value in (user | changes).items() if value is not MISSING}
    async with (
        http_server(fixed_response(json.dumps([user]).encode())) as url,
        open_lichess(url) as source,
    ):
        return (await source.players(["annrook"]))["annrook"]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b'{"error":"no"}',
        b'[{"id":"annrook"',
        b'[{"username":"annrook"}]',
        b"<!DOCTYPE html><html></html>",
        b"\xef\xbb\xbf[]",
        b"[" * 100_000,
        b'[{"id":"annrook","perfs":' + b'{"a":' * 100_000,
    ],
)
async def test_a_bulk_reply_that_is_no_list_of_accounts_is_a_bad_reply(text: bytes) -> None:
    async with http_server(fixed_response(text)) as url, open_lichess(url) as source:
        with pytest.raises(BadResponse) as caught:
            await source.players(["annrook"])

    assert "annrook" not in str(caught.value)


@pytest.mark.parametrize("seen_at", [unix_ms(NOON) // 1000, 0, -1, 10**18, "yesterday"])
async def test_an_instant_that_cannot_be_one_does_not_spoil_the_bulk_reply(
    seen_at: object,
) -> None:
    accounts = [
        {"id": "annrook", "seenAt": seen_at},
        {"id": "bob", "seenAt": unix_ms(NOON)},
    ]
    async with (
        http_server(fixed_response(json.dumps(accounts).encode())) as url,
        open_lichess(url) as source,
    ):
        told = await source.players(["annrook", "bob"])

    assert told["bob"].seen_at == NOON


@pytest.mark.parametrize("status", [301, 400, 404])
async def test_a_bulk_reply_with_another_status_is_a_bad_reply(status: int) -> None:
    async with (
        http_server(fixed_response(b"[]", status=status)) as url,
        open_lichess(url) as source,
    ):
        with pytest.raises(BadResponse):
            await source.players(["annrook"])


async def test_a_bulk_reply_that_is_cut_is_no_list_of_missing_players() -> None:
    short = b'HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n[{"id":"annrook"},'
    async with scripted_responses([short]) as url, open_lichess(url) as source:
        with pytest.raises(SourceError):
            await source.players(["annrook", "bob"])
