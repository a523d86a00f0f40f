"""Servers on loopback that answer as a test says, and a client of them on a lane of memory."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from chesscoach.config import SourceSettings
from chesscoach.demo.world import historical_games
from chesscoach.errors import SourceUnavailable
from chesscoach.metrics import Metrics
from chesscoach.sources.client import SourceClient
from chesscoach.sources.response import read_body
from tests.support.scripted_server import read_request, scripted_server

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SETTINGS = SourceSettings(
    contact="tests@example.org", timeout_s=30, first_pause_s=0.01, breaker_open_s=900
)
SHORT_TIMEOUT = SourceSettings(
    contact="tests@example.org", timeout_s=1, first_pause_s=0.01, breaker_open_s=900
)
FAMOUS = historical_games()[0]  # read here, for reading a file would block a test's loop
PASSWORD = "hunter2"
ERROR_TEXT = "written by the source"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
)


class InMemoryLane:
    """A `Lane` of this process alone, which records how it was used."""

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
        """Whether a request is in flight."""
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


class RecordingLane(InMemoryLane):
    """A lane that records pauses and openings of the breaker and waits for neither."""

    async def pause(self, seconds: float) -> None:
        """Records it."""
        self.pauses += 1
        self.paused.append(seconds)

    async def open_breaker(self, seconds: float) -> datetime:
        """Records it."""
        self.pauses, self.closings = 0, self.closings + 1
        self.closed.append(seconds)
        return datetime.now(UTC) + timedelta(seconds=seconds)


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
        for response in next(script, []):
            await read_request(reader)
            if not response:
                return
            writer.write(response)
            await writer.drain()

    async with scripted_server(serve) as address:
        yield f"http://{address}"


def open_client(
    url: str, lane: InMemoryLane, config: SourceSettings = SETTINGS, metrics: Metrics | None = None
) -> SourceClient:
    """A client of that URL and that lane, to be entered."""
    return SourceClient("lichess", url, lane, config, metrics or Metrics())


@asynccontextmanager
async def client_of(
    handler: Handler, lane: InMemoryLane | None = None, config: SourceSettings = SETTINGS
) -> AsyncIterator[SourceClient]:
    """A client of a server that answers everything by this handler."""
    async with (
        http_server(handler) as url,
        open_client(url, lane or InMemoryLane(), config) as client,
    ):
        yield client


async def fetch_body(client: SourceClient, path: str = "/", **options: Any) -> bytes:
    """The body of a response."""
    async with client.request(options.pop("method", "GET"), path, **options) as response:
        return await read_body(response, 10**6)


def status_sequence(*responses: str | int, text: str = "ok") -> Handler:
    """Statuses one after the other (or "reset", "hang"), the last one for ever."""
    script = itertools.chain(responses, itertools.repeat(responses[-1]))

    async def handler(request: web.Request) -> web.StreamResponse:
        response = next(script)
        if response == "hang":
            await asyncio.sleep(60)
        if isinstance(response, str):
            assert request.transport is not None
            request.transport.abort()
            raise ConnectionResetError
        return web.Response(status=response, text=text)

    return handler


def chunked_response(*chunks: bytes, endless: bool = False) -> Handler:
    """A chunked response in these pieces, each of which arrives by itself; or the last for ever."""

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
