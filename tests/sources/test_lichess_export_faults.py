"""Exports of Lichess that are refused, cut or broken off."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta

import pytest
from aiohttp import web

from chesscoach.errors import BadResponse, StreamTruncated
from chesscoach.sources.game import Game
from chesscoach.sources.lichess import Lichess, PageEnd
from chesscoach.sources.lichess_payload import ExportItem, UnreadableGame
from tests.conftest import NOON
from tests.support.sources.lichess_exports import (
    BORN,
    FAMOUS,
    collect,
    fetch_export,
    fixed_response,
    make_line,
    ndjson,
    open_fake_lichess,
    open_lichess,
    read_history,
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


async def test_a_404_to_an_export_says_nothing_of_a_player_whom_the_bulk_response_knew() -> None:
    world = world_of("Ann")
    async with open_fake_lichess(world) as (_, source):
        for items in (
            source.games_since("unknown", BORN),
            source.newest_games("unknown", BORN, 5),
            source.unfinished_games("unknown"),
        ):
            with pytest.raises(BadResponse):
                await collect(items)


@pytest.mark.parametrize("status", [301, 400, 401, 418])
async def test_an_export_with_another_status_is_a_bad_response(status: int) -> None:
    with pytest.raises(BadResponse) as caught:
        await fetch_export(fixed_response(b"{}", status=status))

    assert not caught.value.permanent


async def test_a_page_of_html_is_never_taken_for_an_empty_history() -> None:
    page = b'<!DOCTYPE html>\n<html lang="en">\n<title>Just a moment...</title>\n</html>\n'
    with pytest.raises(BadResponse):
        await fetch_export(fixed_response(page, content_type="text/html"))


async def test_games_before_a_cut_within_a_line_stand() -> None:
    text = ndjson(make_line(id="game0001"), make_line(id="game0002"), make_line(id="game0003"))
    received: list[str] = []

    async def read(source: Lichess) -> None:
        async for item in read_history(source):
            received.append(item.external_id)  # noqa: PERF401  # what came before the cut counts

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
            await collect(source.games_since("ann", BORN))


async def test_a_line_of_megabytes_is_unreadable_and_the_next_one_is_not() -> None:
    lines = ndjson(make_line(moves="e4 " * 2**20), make_line(id="theNext1"))
    unreadable, game = await fetch_export(fixed_response(lines))

    assert unreadable == UnreadableGame(external_id="q7ZQk1xY")
    assert isinstance(game, Game)


async def test_the_stand_ins_cut_stream_is_a_cut() -> None:
    world = world_of("Ann")
    for n in range(250):
        world.add_game("lichess", "Ann", NOON + timedelta(minutes=n), famous=FAMOUS)
    async with open_fake_lichess(world) as (stand_in, source):
        stand_in.faults.append("cut")
        with pytest.raises(StreamTruncated):
            await collect(source.games_since("ann", BORN))


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
            assert not lane.is_taken, "the turn lasts though the response is not read"
            await asyncio.wait_for(gone.wait(), 30)
