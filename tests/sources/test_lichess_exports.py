import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from chesscoach.errors import BadResponse, StreamTruncated
from chesscoach.sources.game import Game, UnfinishedGame
from chesscoach.sources.lichess import MAX_BULK_NAMES, MAX_PAGE_GAMES, Lichess, PageEnd
from chesscoach.sources.lichess_payload import ExportItem, UnreadableGame
from tests.conftest import NOON
from tests.support.sources.lichess_exports import (
    BEFORE,
    BORN,
    FAMOUS,
    LICHESS_BEGAN_MS,
    fixed_response,
    make_line,
    ndjson,
    open_fake_lichess,
    open_lichess,
    parse_export,
    read_history,
    unix_ms,
    world_of,
)
from tests.support.sources.server import (
    CHUNKED,
    InMemoryLane,
    chunked_response,
    encode_chunk,
    http_server,
    open_client,
    scripted_responses,
)

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
        received = [each async for each in read_history(source, NOON - timedelta(days=5))]

    assert [each.external_id for each in received] == [early.id, now.id, late.id]
    assert before.id not in [each.external_id for each in received]
    assert received[1] == UnfinishedGame(external_id=now.id, started_at=now.started_at)


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
        received = [each.external_id async for each in read_history(source)]

    assert list(dict.fromkeys(received)) == [game.id for game in games]
    assert len(received) <= len(games) + 2, "no more than the game at the edge comes twice"
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
        received = [each.external_id async for each in read_history(source)]

    assert list(dict.fromkeys(received)) == kept
    assert len(stand_in.requests) == 2


async def test_a_full_page_of_aborted_games_does_not_hide_what_came_after() -> None:
    world = world_of("Ann")
    for n in range(MAX_PAGE_GAMES):
        world.add_game(
            "lichess", "Ann", NOON + timedelta(minutes=n), famous=FAMOUS, status="aborted"
        )
    real = world.add_game("lichess", "Ann", NOON + timedelta(days=9), famous=FAMOUS)

    async with open_fake_lichess(world) as (_, source):
        received = [each.external_id async for each in read_history(source)]

    assert received == [real.id]


async def test_a_game_that_began_after_now_is_none_to_go_on_from() -> None:
    world = world_of("Ann")
    for n in range(MAX_PAGE_GAMES + 20):
        world.add_game("lichess", "Ann", NOON + timedelta(minutes=n), famous=FAMOUS)
    odd = world.players["lichess"]["ann"].games[7]
    odd.fields = {"createdAt": 7_000_000_000_000}
    async with open_fake_lichess(world) as (_, source):
        found = source.games_since("ann", BORN, now=NOON + timedelta(days=30))
        received = [each async for each in found if isinstance(each, Game)]

    assert len({game.external_id for game in received}) == MAX_PAGE_GAMES + 20


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
        received = {each.external_id async for each in read_history(source)}

    assert len(received) == MAX_PAGE_GAMES
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
        received = [each async for each in source.newest_games("ann", NOON - timedelta(days=9), 3)]
        recent = [each async for each in source.newest_games("ann", NOON - timedelta(days=2), 9)]

    assert [each.external_id for each in received] == [game.id for game in ended[:3]]
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
        received = [each async for each in source.unfinished_games("ann")]

    assert sorted(received, key=lambda each: each.external_id != old.id) == [
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
        received = {each.external_id: each async for each in source.games_by_id(ids)}

    assert received.keys() == {running.id, ended.id}
    assert isinstance(received[running.id], UnfinishedGame)
    assert isinstance(received[ended.id], Game)
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
    received: list[str] = []

    async def read(source: Lichess) -> None:
        async for each in read_history(source):
            received.append(each.external_id)  # noqa: PERF401  # what came before the cut counts

    async with (
        http_server(chunked_response(text[:-700], text[-700:-30])) as url,
        open_lichess(url) as source,
    ):
        with pytest.raises(StreamTruncated):
            await read(source)

    assert received == ["game0001", "game0002"]


async def test_a_cut_at_the_end_of_a_line_is_no_end_of_the_history() -> None:
    async with (
        scripted_responses([CHUNKED + encode_chunk(ndjson(make_line()))]) as url,
        open_lichess(url) as source,
    ):
        with pytest.raises(StreamTruncated):
            _ = [each async for each in source.games_since("ann", BORN)]


async def test_a_line_of_megabytes_is_unreadable_and_the_next_one_is_not() -> None:
    received = await parse_export(make_line(moves="e4 " * 2**20), make_line(id="theNext1"))

    assert received[0] == UnreadableGame(external_id="q7ZQk1xY")
    assert isinstance(received[1], Game)


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
            async with aclosing(export) as received:
                async for _ in received:
                    break
            assert not lane.is_taken, "the turn lasts though nobody reads the reply"
            await asyncio.wait_for(gone.wait(), 5)
