"""How exports of Lichess are asked for, page by page, and how they end."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from chesscoach.demo.world import SimulatedGame, World
from chesscoach.sources.game import Game, UnfinishedGame
from chesscoach.sources.lichess import MAX_BULK_NAMES, MAX_PAGE_GAMES, PageEnd
from tests.conftest import NOON
from tests.support.sources.lichess_exports import (
    BEFORE,
    BORN,
    FAMOUS,
    LICHESS_BEGAN_MS,
    collect,
    make_line,
    ndjson,
    open_fake_lichess,
    open_lichess,
    read_history,
    unix_ms,
    world_of,
)
from tests.support.sources.server import http_server


def add_history(world: World, count: int, **fields: Any) -> list[SimulatedGame]:
    """Games of Ann, one a minute from noon on."""
    return [
        world.add_game("lichess", "Ann", NOON + timedelta(minutes=n), famous=FAMOUS, **fields)
        for n in range(count)
    ]


# How games are asked for


async def test_an_export_is_asked_for_in_the_form_that_the_index_can_answer() -> None:
    async with open_fake_lichess(world_of("Ann")) as (stand_in, source):
        await collect(source.games_since("ann", BORN))

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
        await collect(source.games_since("ann", BORN))
        await collect(source.games_by_id(["q7ZQk1xY"]))

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
        await collect(source.games_since("ann", since))
        await collect(source.newest_games("ann", since, 10))

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
        received = await collect(read_history(source, NOON - timedelta(days=5)))

    assert [item.external_id for item in received] == [early.id, now.id, late.id]
    assert before.id not in [item.external_id for item in received]
    assert received[1] == UnfinishedGame(external_id=now.id, started_at=now.started_at)


async def test_a_long_history_is_asked_for_page_by_page_until_one_is_not_full() -> None:
    world = world_of("Ann")
    games = add_history(world, 2 * MAX_PAGE_GAMES + 300)
    async with open_fake_lichess(world) as (stand_in, source):
        received = [item.external_id async for item in read_history(source)]

    assert list(dict.fromkeys(received)) == [game.id for game in games]
    assert len(received) <= len(games) + 2, "no more than the game at the edge comes twice"
    assert len(stand_in.requests) == 3
    assert [int(seen.query["since"]) for seen in stand_in.requests] == [
        unix_ms(BORN),
        unix_ms(games[MAX_PAGE_GAMES - 1].started_at),
        unix_ms(games[2 * MAX_PAGE_GAMES - 2].started_at),
    ]


async def test_a_full_page_of_aborted_games_does_not_hide_what_came_after() -> None:
    world = world_of("Ann")
    add_history(world, MAX_PAGE_GAMES, status="aborted")
    real = world.add_game("lichess", "Ann", NOON + timedelta(days=9), famous=FAMOUS)

    async with open_fake_lichess(world) as (_, source):
        received = [item.external_id async for item in read_history(source)]

    assert received == [real.id]


async def test_a_game_that_began_after_now_moves_no_cursor() -> None:
    world = world_of("Ann")
    games = add_history(world, MAX_PAGE_GAMES + 20)
    games[7].fields = {"createdAt": 7_000_000_000_000}
    async with open_fake_lichess(world) as (_, source):
        items = await collect(source.games_since("ann", BORN, now=NOON + timedelta(days=30)))

    ends = [number for number, item in enumerate(items) if isinstance(item, PageEnd)]
    assert ends == [MAX_PAGE_GAMES]
    assert items[MAX_PAGE_GAMES] == PageEnd(games[MAX_PAGE_GAMES - 1].started_at)
    received = {item.external_id for item in items if isinstance(item, Game)}
    assert received == {game.id for game in games}


async def test_a_history_that_is_exactly_one_page_ends() -> None:
    world = world_of("Ann")
    add_history(world, MAX_PAGE_GAMES)

    async with open_fake_lichess(world) as (stand_in, source):
        received = {item.external_id async for item in read_history(source)}

    assert len(received) == MAX_PAGE_GAMES
    assert len(stand_in.requests) == 2


async def test_a_source_that_repeats_a_full_page_is_not_asked_endlessly() -> None:
    asked = []

    async def handler(request: web.Request) -> web.StreamResponse:
        asked.append(request.query["since"])
        return web.Response(
            body=ndjson(make_line()) * MAX_PAGE_GAMES, content_type="application/x-ndjson"
        )

    async with http_server(handler) as url, open_lichess(url) as source:
        games = await collect(read_history(source, BEFORE))

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
        received = await collect(source.newest_games("ann", NOON - timedelta(days=9), 3))
        recent = await collect(source.newest_games("ann", NOON - timedelta(days=2), 9))

    assert [item.external_id for item in received] == [game.id for game in ended[:3]]
    assert [item.external_id for item in recent] == [game.id for game in ended[:2]]
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
        received = await collect(source.unfinished_games("ann"))

    assert sorted(received, key=lambda game: game.external_id != old.id) == [
        UnfinishedGame(external_id=old.id, started_at=old.started_at),
        UnfinishedGame(external_id=new.id, started_at=new.started_at),
    ]
    assert "since" not in stand_in.requests[0].query


async def test_three_hundred_games_are_asked_for_by_id_and_come_without_those_that_are_gone() -> (
    None
):
    world = world_of("Ann")
    ended = world.add_game("lichess", "Ann", NOON, famous=FAMOUS)
    running = world.add_game("lichess", "Ann", None, started_at=NOON, famous=FAMOUS)

    async with open_fake_lichess(world) as (stand_in, source):
        missing = [f"gone{n:04}" for n in range(MAX_BULK_NAMES - 2)]
        ids = [running.id, ended.id, *missing]
        received = {item.external_id: item async for item in source.games_by_id(ids)}

    assert received.keys() == {running.id, ended.id}
    assert isinstance(received[running.id], UnfinishedGame)
    assert isinstance(received[ended.id], Game)
    (seen,) = stand_in.requests
    assert (seen.method, seen.path, seen.body) == ("POST", "/api/games/export/_ids", ",".join(ids))
    assert "since" not in seen.query
