"""How a site is asked: against real servers on loopback, with a lane of memory or of MongoDB."""

import asyncio
import contextlib
import gzip
import itertools
import json
import traceback
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from msgspec.structs import replace

from chesscoach import __version__
from chesscoach.config import Settings, SourceSettings
from chesscoach.context import Context, open_context
from chesscoach.demo.world import historical_games
from chesscoach.errors import (
    AccountNotFound,
    BadResponse,
    SourceError,
    SourceUnavailable,
    StreamTruncated,
)
from chesscoach.metrics import Metrics
from chesscoach.sources.client import BREAKER_ESCALATION, SourceClient, user_agent
from chesscoach.sources.response import error_message, read_body, read_lines
from tests.conftest import FakeSites
from tests.support.scripted_server import read_request, scripted_server

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SETTINGS = SourceSettings(
    contact="tests@example.org", timeout_s=5, first_pause_s=0.01, breaker_open_s=900
)
SHORT_TIMEOUT = SourceSettings(
    contact="tests@example.org", timeout_s=0.05, first_pause_s=0.01, breaker_open_s=900
)
FAMOUS = historical_games()[0]  # read here, for reading a file would block a test's loop
PASSWORD = "hunter2"
ERROR_TEXT = "said by the site"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
)


class InMemoryLane:
    """A `Lane` of this process alone, which keeps a record of what it was told."""

    def __init__(self) -> None:
        self.pauses = 0
        self.closings = 0
        self.fence = 1
        self.paused: list[float] = []
        self.closed: list[float] = []
        self.spent: list[tuple[int, int]] = []
        self.held_by: list[dict[str, Any]] = []
        self._turn = asyncio.Lock()
        self._paused_until = 0.0
        self._closed_until = 0.0

    @property
    def is_taken(self) -> bool:
        """Whether somebody's turn lasts."""
        return self._turn.locked()

    @asynccontextmanager
    async def acquire(self, holder: dict[str, Any]) -> AsyncIterator[None]:
        """Always free."""
        self.held_by.append(holder)
        yield

    @asynccontextmanager
    async def request_slot(self) -> AsyncIterator[None]:
        """One at a time, after any pause; none while the site is closed."""
        loop = asyncio.get_running_loop()
        async with self._turn:
            if loop.time() < self._closed_until:
                msg = "closed"
                raise SourceUnavailable(msg)
            await asyncio.sleep(self._paused_until - loop.time())
            yield

    async def pause(self, seconds: float) -> None:
        """Notes it, and minds it."""
        self.pauses += 1
        self.paused.append(seconds)
        self._paused_until = asyncio.get_running_loop().time() + seconds

    async def open_breaker(self, seconds: float) -> datetime:
        """Notes it, and minds it."""
        self.pauses, self.closings = 0, self.closings + 1
        self.closed.append(seconds)
        self._closed_until = asyncio.get_running_loop().time() + seconds
        return datetime.now(UTC) + timedelta(seconds=seconds)

    async def reset(self) -> None:
        """Forgets."""
        self.pauses = self.closings = 0

    async def consume(self, amount: int, limit: int) -> None:
        """Notes it; never waits."""
        self.spent.append((amount, limit))


@asynccontextmanager
async def http_server(handler: Handler) -> AsyncIterator[str]:
    """A server on loopback that answers everything by this handler; its URL."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def scripted_responses(*connections: list[bytes]) -> AsyncIterator[str]:
    """A server that sends bytes as they are: a list for each connection, one for each request.

    Empty bytes hang up instead of answering; after the last of a list it hangs up as well.
    """
    script = iter(connections)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in next(script, []):
            await read_request(reader)
            if not reply:
                return
            writer.write(reply)
            await writer.drain()

    async with scripted_server(serve) as address:
        yield f"http://{address}"


def open_client(
    url: str, lane: InMemoryLane, config: SourceSettings = SETTINGS, metrics: Metrics | None = None
) -> SourceClient:
    """A Site on that URL and that lane, to be entered."""
    return SourceClient("lichess", url, lane, config, metrics or Metrics())


async def fetch_body(site: SourceClient, path: str = "/", **options: Any) -> bytes:
    """The body of a reply."""
    async with site.request(options.pop("method", "GET"), path, **options) as response:
        return await read_body(response, 10**6)


def status_sequence(*replies: str | int, text: str = "ok") -> Handler:
    """Statuses one after the other (or "reset", "hang"), the last one for ever."""
    script = itertools.chain(replies, itertools.repeat(replies[-1]))

    async def handler(request: web.Request) -> web.StreamResponse:
        reply = next(script)
        if reply == "hang":
            await asyncio.sleep(60)
        if isinstance(reply, str):
            assert request.transport is not None
            request.transport.abort()
            raise ConnectionResetError
        return web.Response(status=reply, text=text)

    return handler


def chunked_response(*chunks: bytes, endless: bool = False) -> Handler:
    """A chunked reply in these pieces, each of which arrives by itself; or the last for ever."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_type = "application/x-ndjson"
        await response.prepare(request)
        for encode_chunk in chunks:
            await response.write(encode_chunk)
            await asyncio.sleep(0.005)
        while endless:
            await response.write(chunks[-1])
        await response.write_eof()
        return response

    return handler


def encode_chunk(data: bytes) -> bytes:
    """A chunk on the wire."""
    return b"%x\r\n%b\r\n" % (len(data), data)


# Who asks


async def test_every_request_says_who_we_are_and_whom_to_write_to() -> None:
    agents = []

    async def handler(request: web.Request) -> web.StreamResponse:
        agents.append(request.headers.getall("User-Agent"))
        return web.Response()

    async with http_server(handler) as url, open_client(url, InMemoryLane()) as site:
        await fetch_body(site)
        await fetch_body(site, method="POST", data="x")

    assert agents == [[f"chesscoach/{__version__} (contact: tests@example.org)"]] * 2


def test_without_a_contact_the_agent_is_the_product_alone() -> None:
    assert user_agent("") == f"chesscoach/{__version__}"


async def test_no_cookie_of_a_site_is_kept() -> None:
    cookies = []

    async def handler(request: web.Request) -> web.StreamResponse:
        cookies.append(request.headers.get("Cookie"))
        response = web.Response()
        response.set_cookie("track", "me")
        return response

    async with http_server(handler) as url, open_client(url, InMemoryLane()) as site:
        await fetch_body(site)
        await fetch_body(site)

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


async def test_concurrent_callers_of_the_months_have_one_request_in_flight(
    ctx: Context, sites: FakeSites
) -> None:
    sites.world.add_player("chess.com", "Ann", datetime.now(UTC))
    sites.chesscom.delay_s = 0.02

    async with ctx.leases.renewing(), ctx.chesscom.client.lane.acquire({}):
        await asyncio.gather(*(ctx.chesscom.month("ann", "2026-01", None) for _ in range(8)))

    assert sites.chesscom.violations == []
    assert sites.chesscom.max_in_flight == 1


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
        while not sites.lichess.in_flight:  # the server tells nobody
            await asyncio.sleep(0.001)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request

        await ctx.lichess.players(["ann"])

    assert sites.lichess.violations == []
    assert sites.lichess.in_flight == 0


async def test_a_request_that_runs_out_of_time_leaves_no_slot_taken(sites: FakeSites) -> None:
    sites.lichess.faults.append("hang")
    async with open_client(sites.lichess.url, InMemoryLane(), SHORT_TIMEOUT) as site:
        with pytest.raises(SourceError):
            await fetch_body(site, "/api/users", method="POST", data="ann")
        await fetch_body(site, "/api/users", method="POST", data="ann")

    assert sites.lichess.violations == []


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

    async def read(site: SourceClient) -> None:
        async with site.request("GET", "/") as response:
            async for _ in read_lines(response, 100 if how == "too long" else 10**6):
                begun.set()
                if how == "leave":
                    return
                if how == "raise":
                    raise LookupError

    lane = InMemoryLane()
    async with http_server(handler) as url, open_client(url, lane) as site:
        reading = asyncio.create_task(read(site))
        await begun.wait()
        if how == "cancel":
            reading.cancel()
        await asyncio.wait({reading})

        assert not lane.is_taken
        await asyncio.wait_for(gone.wait(), 5)
        if how == "too long":
            assert isinstance(reading.exception(), BadResponse)


async def test_a_redirect_is_not_followed() -> None:
    asked = []

    async def handler(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        raise web.HTTPFound("/elsewhere")

    async with (
        http_server(handler) as url,
        open_client(url, InMemoryLane()) as site,
        site.request("GET", "/here") as response,
    ):
        assert response.status == 302

    assert asked == ["/here"]


# 429: the lane pauses


class Approximately:
    """A pause: so long, or up to a tenth longer."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __eq__(self, other: object) -> bool:
        return isinstance(other, float) and self._seconds <= other <= 1.1 * self._seconds

    def __repr__(self) -> str:
        return f"{self._seconds} to {1.1 * self._seconds}"


async def test_after_a_429_the_same_request_is_sent_again_and_nothing_is_lost() -> None:
    asked = []

    async def handler(request: web.Request) -> web.StreamResponse:
        asked.append((request.method, request.path_qs, await request.text()))
        return web.Response(status=429 if len(asked) == 1 else 200, text="the games")

    lane = InMemoryLane()
    async with http_server(handler) as url, open_client(url, lane) as site:
        told = await fetch_body(site, "/x", method="POST", params={"since": "1"}, data="ann,bob")

    assert told == b"the games"
    assert asked == [("POST", "/x?since=1", "ann,bob")] * 2
    assert lane.paused == [Approximately(SETTINGS.first_pause_s)]
    assert lane.closed == []
    assert lane.pauses == 0, "a good reply forgets the pause"


async def test_the_second_429_in_a_row_pauses_twice_as_long() -> None:
    lane = InMemoryLane()
    async with http_server(status_sequence(429, 429, 200)) as url, open_client(url, lane) as site:
        assert await fetch_body(site) == b"ok"

    assert lane.paused == [
        Approximately(SETTINGS.first_pause_s),
        Approximately(2 * SETTINGS.first_pause_s),
    ]
    assert site.requests == 3


async def test_the_third_429_in_a_row_closes_the_site() -> None:
    lane = InMemoryLane()
    async with http_server(status_sequence(429)) as url, open_client(url, lane) as site:
        with pytest.raises(SourceUnavailable):
            await fetch_body(site)

    assert lane.paused == [
        Approximately(SETTINGS.first_pause_s),
        Approximately(2 * SETTINGS.first_pause_s),
    ]
    assert lane.closed == [SETTINGS.breaker_open_s]
    assert site.requests == 3


async def test_a_429_counts_on_from_the_pauses_of_whoever_had_the_lane_before() -> None:
    lane = InMemoryLane()
    lane.pauses = 2
    async with http_server(status_sequence(429)) as url, open_client(url, lane) as site:
        with pytest.raises(SourceUnavailable):
            await fetch_body(site)

    assert site.requests == 1


async def test_after_a_good_reply_the_pauses_are_counted_anew() -> None:
    lane = InMemoryLane()
    async with (
        http_server(status_sequence(429, 429, 200, 429, 429, 200)) as url,
        open_client(url, lane) as site,
    ):
        await fetch_body(site)
        await fetch_body(site)

    once = [Approximately(SETTINGS.first_pause_s), Approximately(2 * SETTINGS.first_pause_s)]
    assert lane.paused == once + once
    assert lane.closed == []


async def test_a_429_in_html_is_a_429() -> None:
    lane = InMemoryLane()
    page = "<!DOCTYPE html><html>slow down</html>"
    async with (
        http_server(status_sequence(429, 200, text=page)) as url,
        open_client(url, lane) as site,
    ):
        await fetch_body(site)

    assert len(lane.paused) == 1


async def test_the_real_lane_pauses_on_a_429_and_nothing_is_lost(
    ctx: Context, sites: FakeSites
) -> None:
    player = sites.world.add_player("lichess", "Ann", datetime.now(UTC))
    for _ in range(3):
        sites.world.add_game("lichess", "Ann", datetime.now(UTC), famous=FAMOUS)
    sites.lichess.faults.extend(["429", "429"])
    loop = asyncio.get_running_loop()
    begun = loop.time()

    async with ctx.leases.renewing(), ctx.lichess.client.lane.acquire({}):
        since = datetime.now(UTC) - timedelta(days=1)
        told = [line async for line in ctx.lichess.games_since("ann", since)]

    assert len(told) == len(player.games)
    assert [(seen.method, seen.path, seen.query) for seen in sites.lichess.requests[1:]] == [
        (seen.method, seen.path, seen.query) for seen in sites.lichess.requests[:-1]
    ]
    assert loop.time() - begun >= 3 * ctx.config.sources.first_pause_s
    assert sites.lichess.violations == []


# Closing


async def test_a_403_closes_the_site_at_once() -> None:
    lane = InMemoryLane()
    async with http_server(status_sequence(403)) as url, open_client(url, lane) as site:
        with pytest.raises(SourceUnavailable):
            await fetch_body(site)

    assert site.requests == 1
    assert lane.closed == [SETTINGS.breaker_open_s]


@pytest.mark.parametrize("before", range(5))
async def test_each_closing_in_a_row_lasts_longer_up_to_a_limit(before: int) -> None:
    lane = InMemoryLane()
    lane.closings = before
    async with http_server(status_sequence(403)) as url, open_client(url, lane) as site:
        with pytest.raises(SourceUnavailable):
            await fetch_body(site)

    assert lane.closed == [
        SETTINGS.breaker_open_s * [*BREAKER_ESCALATION, BREAKER_ESCALATION[-1]][before]
    ]


async def test_a_good_reply_forgets_past_closings() -> None:
    lane = InMemoryLane()
    lane.closings = 3
    async with http_server(status_sequence(200)) as url, open_client(url, lane) as site:
        await fetch_body(site)

    assert lane.closings == 0


async def test_whoever_holds_the_lane_of_a_closed_site_asks_it_nothing_more(
    ctx: Context, sites: FakeSites
) -> None:
    sites.lichess.faults.append("403")
    async with ctx.leases.renewing(), ctx.lichess.client.lane.acquire({}):
        with pytest.raises(SourceUnavailable):
            await ctx.lichess.players(["ann"])
        with pytest.raises(SourceUnavailable):
            await ctx.lichess.players(["ann"])

    assert len(sites.lichess.requests) == 1


async def test_a_closed_site_is_closed_for_other_processes_until_its_time_has_passed(
    settings: Settings, sites: FakeSites
) -> None:
    # Longer than a busy machine needs for the steps between.
    sources = replace(settings.config.sources, breaker_open_s=2.0)
    patient = replace(settings, config=replace(settings.config, sources=sources))
    sites.lichess.faults.append("403")
    async with open_context(patient) as ctx, open_context(patient) as other:
        async with ctx.leases.renewing(), ctx.lichess.client.lane.acquire({}):
            with pytest.raises(SourceUnavailable):
                await ctx.lichess.players(["ann"])

        with pytest.raises(SourceUnavailable):
            async with other.lichess.client.lane.acquire({}):
                pass
        await asyncio.sleep(sources.breaker_open_s)
        async with other.leases.renewing(), other.lichess.client.lane.acquire({}):
            await other.lichess.players(["ann"])

    assert len(sites.lichess.requests) == 2


async def test_one_site_that_is_closed_leaves_the_other_open(
    ctx: Context, sites: FakeSites
) -> None:
    sites.world.add_player("chess.com", "Ann", datetime.now(UTC))
    sites.lichess.faults.append("403")
    async with (
        ctx.leases.renewing(),
        ctx.lichess.client.lane.acquire({}),
        ctx.chesscom.client.lane.acquire({}),
    ):
        with pytest.raises(SourceUnavailable):
            await ctx.lichess.players(["ann"])
        assert (await ctx.chesscom.month("ann", "2026-01", None)).changed


# Failures of the site


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (500, BadResponse),
        (502, BadResponse),
        (503, BadResponse),
        ("reset", StreamTruncated),
        ("hang", SourceError),
    ],
)
async def test_a_failure_is_an_error_and_the_third_in_a_row_closes_the_site(
    reply: str | int, kind: type[SourceError]
) -> None:
    lane = InMemoryLane()
    async with (
        http_server(status_sequence(reply)) as url,
        open_client(url, lane, SHORT_TIMEOUT) as site,
    ):
        for _ in range(2):
            with pytest.raises(kind) as caught:
                await fetch_body(site, method="POST")
            assert not isinstance(caught.value, SourceUnavailable)
        with pytest.raises(SourceUnavailable):
            await fetch_body(site, method="POST")

    assert lane.closed == [SHORT_TIMEOUT.breaker_open_s]
    assert site.requests == 3


async def test_failures_of_different_kinds_count_together() -> None:
    lane = InMemoryLane()
    handler = status_sequence(500, "reset", "hang", 200)
    async with http_server(handler) as url, open_client(url, lane, SHORT_TIMEOUT) as site:
        for _ in range(2):
            with pytest.raises(SourceError):
                await fetch_body(site, method="POST")
        with pytest.raises(SourceUnavailable):
            await fetch_body(site, method="POST")


async def test_nobody_there_is_a_failure_of_the_site() -> None:
    async with http_server(status_sequence(200)) as url:
        pass
    lane = InMemoryLane()
    async with open_client(url, lane) as site:
        for _ in range(2):
            with pytest.raises(SourceError):
                await fetch_body(site)
        with pytest.raises(SourceUnavailable):
            await fetch_body(site)


@pytest.mark.parametrize("good", [200, 404])
async def test_after_a_good_reply_the_failures_are_counted_anew(good: int) -> None:
    lane = InMemoryLane()
    handler = status_sequence(500, 500, good, 500, 500, good)
    async with http_server(handler) as url, open_client(url, lane) as site:
        for _ in range(2):
            for _ in range(2):
                with pytest.raises(BadResponse):
                    await fetch_body(site)
            await fetch_body(site)

    assert lane.closed == []


async def test_a_closing_starts_the_count_of_failures_anew() -> None:
    lane = InMemoryLane()
    async with (
        http_server(status_sequence(403, 500, 500, 200)) as url,
        open_client(url, lane) as site,
    ):
        with pytest.raises(SourceUnavailable):
            await fetch_body(site)
        lane = InMemoryLane()
        site.lane = lane
        for _ in range(2):
            with pytest.raises(BadResponse):
                await fetch_body(site)
        await fetch_body(site)

    assert lane.closed == []


async def test_replies_that_are_cut_three_times_in_a_row_close_the_site() -> None:
    lane = InMemoryLane()
    cut = CHUNKED + encode_chunk(b'{"id":"a"}\n') + b"100\r\n{"
    async with scripted_responses([cut], [cut], [cut]) as url, open_client(url, lane) as site:
        for _ in range(2):
            with pytest.raises(StreamTruncated):
                await fetch_body(site)
        with pytest.raises(SourceUnavailable):
            await fetch_body(site)


async def test_streams_that_end_within_a_line_three_times_in_a_row_close_the_site() -> None:
    lane = InMemoryLane()
    async with http_server(chunked_response(b"a\n", b"b")) as url, open_client(url, lane) as site:
        for last in (False, False, True):
            with pytest.raises(SourceUnavailable if last else StreamTruncated) as caught:
                async with site.request("GET", "/") as response:
                    async for _ in read_lines(response, 1000):
                        pass
            assert last or caught.value.source_wide
        assert site.troubles == {"cut": 3}


async def test_what_a_reply_says_of_one_account_is_no_failure_of_the_site() -> None:
    async def asked(site: SourceClient, error: SourceError) -> None:
        async with site.request("GET", "/"):
            raise error

    async with http_server(status_sequence(200)) as url, open_client(url, InMemoryLane()) as site:
        for _ in range(4):
            for error in (BadResponse("no month"), AccountNotFound("nobody")):
                with pytest.raises(type(error)):
                    await asked(site, error)
                assert not error.source_wide
        assert site.troubles == {"unusable": 4}
        assert site.answered == 4, "that there is nobody is an answer"


async def test_replies_that_stall_three_times_in_a_row_close_the_site() -> None:
    async def stall(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"{")
        await asyncio.sleep(60)
        return response

    lane = InMemoryLane()
    async with http_server(stall) as url, open_client(url, lane, SHORT_TIMEOUT) as site:
        for _ in range(2):
            with pytest.raises(SourceError):
                await fetch_body(site)
        with pytest.raises(SourceUnavailable):
            await fetch_body(site)


async def test_a_reply_that_trickles_in_ends_at_its_deadline() -> None:
    async def trickle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.01)

    lane = InMemoryLane()
    async with http_server(trickle) as url, open_client(url, lane) as site:
        with pytest.raises(SourceError):
            await asyncio.wait_for(fetch_body(site, total_s=0.1), 10)
        assert not lane.is_taken


# Counting


async def test_requests_that_are_repeated_after_a_429_are_counted() -> None:
    metrics = Metrics()
    async with (
        http_server(status_sequence(429, 200)) as url,
        open_client(url, InMemoryLane(), SETTINGS, metrics) as s,
    ):
        await fetch_body(s)

    assert s.requests == 2
    assert requests_by_status(metrics) == {"429": 1, "200": 1}


async def test_a_request_that_the_client_repeats_by_itself_is_counted() -> None:
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    metrics = Metrics()
    async with (
        scripted_responses([ok, b""], [ok]) as url,
        open_client(url, InMemoryLane(), SETTINGS, metrics) as s,
    ):
        assert await fetch_body(s) == b"ok"
        assert await fetch_body(s) == b"ok"  # on the kept connection, which is dropped

    assert s.requests == 3
    assert requests_by_status(metrics) == {"200": 2, "repeated": 1}
    assert s.troubles == {"repeated": 1}


async def test_a_request_without_a_reply_is_counted() -> None:
    metrics = Metrics()
    async with (
        http_server(status_sequence("hang")) as url,
        open_client(url, InMemoryLane(), SHORT_TIMEOUT, metrics) as site,
    ):
        with pytest.raises(SourceError):
            await fetch_body(site)

    assert site.requests == 1
    assert requests_by_status(metrics) == {"error": 1}


def requests_by_status(metrics: Metrics) -> dict[str, float]:
    """The requests by status."""
    (family,) = metrics.upstream_requests.collect()
    samples = [sample for sample in family.samples if sample.name.endswith("_total")]
    return {sample.labels["status"]: sample.value for sample in samples}


# What is said


@pytest.mark.parametrize("reply", [403, 429, 500, "reset", "hang", "cut", "garbage", "nobody"])
async def test_no_error_and_no_log_tells_the_reply_or_the_credentials(
    reply: str | int, capsys: pytest.CaptureFixture[str]
) -> None:
    wires = {
        "cut": CHUNKED + b"fff\r\n" + ERROR_TEXT.encode(),
        "garbage": f"HTTP/1.1 {ERROR_TEXT} 200\r\n{ERROR_TEXT}\r\n\r\n".encode(),
        "nobody": b"",
    }
    if isinstance(reply, str) and reply in wires:
        server = scripted_responses(*[[wires[reply]]] * 8)
    else:
        server = http_server(status_sequence(reply, text=ERROR_TEXT))
    async with contextlib.AsyncExitStack() as stack:
        url = await stack.enter_async_context(server)
        if reply == "nobody":
            await stack.aclose()
        secret = url.replace("://", f"://ann:{PASSWORD}@") + "/base"
        site = await stack.enter_async_context(open_client(secret, InMemoryLane(), SHORT_TIMEOUT))
        told = []
        for _ in range(3):
            with pytest.raises(SourceError) as caught:
                await fetch_body(site, "/path", params={"token": PASSWORD})
            assert caught.value.__cause__ is None
            told += traceback.format_exception(caught.value)

    everything = "".join(told) + capsys.readouterr().out
    assert ERROR_TEXT not in everything
    assert PASSWORD not in everything


async def test_a_pause_and_a_closing_are_logged(capsys: pytest.CaptureFixture[str]) -> None:
    async with http_server(status_sequence(429)) as url, open_client(url, InMemoryLane()) as site:
        with pytest.raises(SourceUnavailable):
            await fetch_body(site)

    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    # On a busy machine asyncio has something to say, too.
    ours = [event for event in events if event["event"] != "library_log"]
    told = [(event["event"], event["platform"]) for event in ours]
    assert told == [("source_rate_limited", "lichess")] * 2 + [("source_breaker_opened", "lichess")]


# Lines of a stream


async def read_stream(handler: Handler, limit: int = 1000) -> tuple[list[bytes], Exception | None]:
    """The lines of a reply, and how it ended."""
    got: list[bytes] = []
    async with http_server(handler) as url, open_client(url, InMemoryLane()) as site:
        try:
            async with site.request("GET", "/") as response:
                async for line in read_lines(response, limit):
                    got.append(line)  # noqa: PERF401  # what came before an error counts
        except SourceError as error:
            return got, error
    return got, None


async def test_lines_are_whole_however_the_stream_is_split() -> None:
    text = 'a\n{"name":"Zürich ♞"}\nccc\n'.encode()
    for step in (1, 2, 3, 7, len(text)):
        parts = [text[at : at + step] for at in range(0, len(text), step)]
        assert await read_stream(chunked_response(*parts)) == (text.splitlines(), None)


async def test_empty_lines_are_no_lines() -> None:
    got, error = await read_stream(chunked_response(b"\n\na\n", b"\n", b" \r\n", b"b\n\n"))

    assert (got, error) == ([b"a", b"b"], None)


async def test_an_empty_stream_has_no_lines() -> None:
    assert await read_stream(chunked_response()) == ([], None)


async def test_crlf_ends_a_line() -> None:
    got, error = await read_stream(chunked_response(b'{"id":1}\r', b'\n{"id":2}\r\n'))

    assert [json.loads(line) for line in got] == [{"id": 1}, {"id": 2}]
    assert error is None


async def test_a_last_line_without_its_end_is_a_cut_after_the_whole_ones() -> None:
    got, error = await read_stream(chunked_response(b'{"a":1}\n{"b":2}\n', b'{"c":'))

    assert got == [b'{"a":1}', b'{"b":2}']
    assert isinstance(error, StreamTruncated)


@pytest.mark.parametrize("step", [400, 999, 1000, 1001, 5000])
async def test_a_line_longer_than_the_limit_is_an_empty_one_and_spoils_none_behind_it(
    step: int,
) -> None:
    text = b"a\n" + b"x" * 1000 + b"\n" + b"y" * 1001 + b"\nb\n" + b"z" * 9000 + b"\nc\n"
    parts = [text[at : at + step] for at in range(0, len(text), step)]

    got, error = await read_stream(chunked_response(*parts))

    assert got == [b"a", b"x" * 1000, b"", b"b", b"", b"c"]
    assert error is None


@pytest.mark.parametrize("length", [500, 1500])
async def test_a_line_that_is_cut_is_a_cut_however_long_it_has_become(length: int) -> None:
    got, error = await read_stream(chunked_response(b"a\n", b"x" * length))

    assert got == [b"a"]
    assert isinstance(error, StreamTruncated)


async def test_a_line_that_goes_on_and_on_is_given_up() -> None:
    got, error = await read_stream(chunked_response(b"x" * 65536, endless=True), limit=10**6)

    assert got == []
    assert type(error) is BadResponse


@pytest.mark.parametrize(
    "rest",
    [
        b"",  # at a line's end, between two chunks
        b"ff\r\n",  # within a chunk, at a line's end
        b'ff\r\n{"id":',  # within a line
    ],
)
async def test_a_chunked_reply_that_breaks_off_is_cut_and_its_whole_lines_stand(
    rest: bytes,
) -> None:
    head = CHUNKED + encode_chunk(b'{"id":"a"}\n{"id":"b"}\n')
    got: list[bytes] = []
    read = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(head)
        await read.wait()
        writer.write(rest)
        await writer.drain()

    async def consume(site: SourceClient) -> None:
        async with site.request("GET", "/") as response:
            async for line in read_lines(response, 1000):
                got.append(line)
                read.set()

    async with (
        scripted_server(serve) as address,
        open_client(f"http://{address}", InMemoryLane()) as site,
    ):
        with pytest.raises(StreamTruncated):
            await consume(site)

    assert got == [b'{"id":"a"}', b'{"id":"b"}']


# Whole replies


@pytest.mark.parametrize("limit", [4, 5])
async def test_a_body_has_at_most_its_limit(limit: int) -> None:
    async with (
        http_server(chunked_response(b"12", b"345")) as url,
        open_client(url, InMemoryLane()) as site,
        site.request("GET", "/") as response,
    ):
        if limit == 5:
            assert await read_body(response, limit) == b"12345"
        else:
            with pytest.raises(BadResponse):
                await read_body(response, limit)


async def test_an_endless_body_is_given_up_at_the_limit() -> None:
    handler = chunked_response(b"x" * 65536, endless=True)
    async with http_server(handler) as url, open_client(url, InMemoryLane()) as site:
        with pytest.raises(BadResponse):
            await fetch_body(site)


async def test_a_body_that_is_shorter_than_promised_is_cut() -> None:
    short = b'HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"games":[]}'
    async with scripted_responses([short]) as url, open_client(url, InMemoryLane()) as site:
        with pytest.raises(StreamTruncated):
            await fetch_body(site)


async def test_a_gzip_bomb_is_given_up_before_it_is_unpacked() -> None:
    bomb = gzip.compress(bytes(2**28), 9)

    async def handler(request: web.Request) -> web.StreamResponse:
        assert "gzip" in request.headers["Accept-Encoding"]
        return web.Response(body=bomb, headers={"Content-Encoding": "gzip"})

    async with http_server(handler) as url, open_client(url, InMemoryLane()) as site:
        tracemalloc.start()
        try:
            with pytest.raises(SourceError):
                await fetch_body(site)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert peak < 2**26


async def test_a_body_that_is_not_the_gzip_it_says_is_a_failure() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"not gzip at all", headers={"Content-Encoding": "gzip"})

    async with http_server(handler) as url, open_client(url, InMemoryLane()) as site:
        with pytest.raises(SourceError):
            await fetch_body(site)


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (b'{"code":0,"message":"User \\"x\\" not found."}', 'User "x" not found.'),
        (b'{"error":"Not found"}', "Not found"),
        (b"\xef\xbb\xbf" + b'{"message":"with a mark"}', "with a mark"),
        (b"<!DOCTYPE html><html></html>", ""),
        (b"", ""),
        (b'["message"]', ""),
        (b'{"message":null}', ""),
        (b"[" * 60_000, ""),
        (b'{"message":"' + b"x" * 70_000 + b'"}', ""),
        (b"\xff\xfe\xfd", ""),
    ],
)
async def test_a_complaint_is_read_out_of_json_alone(reply: bytes, told: str) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(body=reply, status=404)

    async with (
        http_server(handler) as url,
        open_client(url, InMemoryLane()) as site,
        site.request("GET", "/") as response,
    ):
        assert await error_message(response) == told
