"""What a client sends, and that it sends one request at a time."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from chesscoach import __version__
from chesscoach.context import Context
from chesscoach.errors import BadResponse
from chesscoach.sources.client import SourceClient, user_agent
from chesscoach.sources.response import read_lines
from tests.conftest import FakeSites
from tests.support.sources.server import (
    FAMOUS,
    InMemoryLane,
    chunked_response,
    client_of,
    fetch_body,
)

# Who asks


async def test_every_request_says_who_we_are_and_whom_to_write_to() -> None:
    agents = []

    async def handler(request: web.Request) -> web.StreamResponse:
        agents.append(request.headers.getall("User-Agent"))
        return web.Response()

    async with client_of(handler) as client:
        await fetch_body(client)
        await fetch_body(client, method="POST", data="x")

    assert agents == [[f"chesscoach/{__version__} (contact: tests@example.org)"]] * 2


def test_without_a_contact_the_agent_is_the_product_alone() -> None:
    assert user_agent("") == f"chesscoach/{__version__}"


async def test_no_cookie_of_a_source_is_kept() -> None:
    cookies = []

    async def handler(request: web.Request) -> web.StreamResponse:
        cookies.append(request.headers.get("Cookie"))
        response = web.Response()
        response.set_cookie("track", "me")
        return response

    async with client_of(handler) as client:
        await fetch_body(client)
        await fetch_body(client)

    assert cookies == [None, None]


# One request at a time


async def test_concurrent_callers_have_one_request_in_flight(
    ctx: Context, sites: FakeSites
) -> None:
    sites.world.add_player("lichess", "Ann", datetime.now(UTC))
    sites.world.add_game("lichess", "Ann", datetime.now(UTC), famous=FAMOUS)
    sites.lichess.delay_s = 0.02

    async def games() -> int:
        since = datetime.now(UTC) - timedelta(days=1)
        return len([line async for line in ctx.lichess.games_since("ann", since)])

    async with ctx.leases.renewing(), ctx.lichess.client.lane.acquire({}):
        counts = await asyncio.gather(*(games() for _ in range(6)))
        await asyncio.gather(*(ctx.lichess.players(["ann"]) for _ in range(6)))

    assert counts == [1] * 6
    assert sites.lichess.violations == []
    assert sites.lichess.max_in_flight == 1
    assert ctx.lichess.client.requests == len(sites.lichess.requests) == 12


async def test_two_holders_of_the_lane_have_one_request_in_flight(
    ctx: Context, contexts: Any, sites: FakeSites
) -> None:
    other: Context = await contexts()
    sites.lichess.delay_s = 0.02

    async def work(one: Context) -> None:
        for _ in range(2):
            async with one.lichess.client.lane.acquire({}):
                await one.lichess.players(["ann"])
                await one.lichess.players(["bob"])

    async with ctx.leases.renewing(), other.leases.renewing():
        await asyncio.gather(work(ctx), work(other))

    assert len(sites.lichess.requests) == 8
    assert sites.lichess.violations == []
    assert sites.lichess.max_in_flight == 1


async def test_a_pause_holds_for_callers_who_were_waiting_for_their_turn_already(
    ctx: Context, sites: FakeSites
) -> None:
    sites.lichess.delay_s = 0.05  # the second caller waits while the first is answered
    sites.lichess.faults.append("429")
    loop = asyncio.get_running_loop()
    answered: list[float] = []

    async def ask() -> None:
        await ctx.lichess.players(["ann"])
        answered.append(loop.time())

    async with ctx.leases.renewing(), ctx.lichess.client.lane.acquire({}):
        begun = loop.time()
        await asyncio.gather(ask(), ask())

    refused = begun + 0.05
    pause_s = ctx.config.sources.first_pause_s
    assert min(answered) >= refused + pause_s + 0.04, "asked again within the pause"


async def test_a_request_that_is_cancelled_leaves_no_slot_taken(
    ctx: Context, sites: FakeSites
) -> None:
    sites.lichess.faults.append("hang")
    async with ctx.leases.renewing(), ctx.lichess.client.lane.acquire({}):
        request = asyncio.create_task(ctx.lichess.players(["ann"]))
        while not sites.lichess.in_flight:  # the server raises no event
            await asyncio.sleep(0.001)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request

        await ctx.lichess.players(["ann"])

    assert sites.lichess.violations == []
    assert sites.lichess.in_flight == 0


@pytest.mark.parametrize("how", ["leave", "raise", "too long", "cancel"])
async def test_an_early_exit_from_a_stream_closes_its_connection(how: str) -> None:
    gone = asyncio.Event()
    begun = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        try:
            return await chunked_response(b'{"id":"a"}\n', b"x" * 1000, endless=True)(request)
        except (asyncio.CancelledError, ConnectionError):
            gone.set()
            raise

    async def read(client: SourceClient) -> None:
        async with client.request("GET", "/") as response:
            async for _ in read_lines(response, 100 if how == "too long" else 10**6):
                begun.set()
                if how == "leave":
                    return
                if how == "raise":
                    raise LookupError

    lane = InMemoryLane()
    async with client_of(handler, lane) as client:
        reading = asyncio.create_task(read(client))
        await begun.wait()
        if how == "cancel":
            reading.cancel()
        await asyncio.wait({reading})

        assert not lane.is_taken
        await asyncio.wait_for(gone.wait(), 30)
        if how == "too long":
            assert isinstance(reading.exception(), BadResponse)
