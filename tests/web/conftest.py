"""Listeners on loopback, and a mongod of a test's own that it may stop and kill."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import aiohttp
import pytest
from msgspec import Struct
from msgspec.structs import replace

from chesscoach import config
from chesscoach.config import Listener, Settings, WebSettings
from chesscoach.context import Context, open_context
from chesscoach.metrics import Metrics
from chesscoach.mongo.embedded import EmbeddedServer
from chesscoach.web.listeners import open_web
from chesscoach.worker.scheduler.ticker import Ticker
from chesscoach.worker.shutdown import ShutdownRequest
from tests.support.web.admin_client import OPEN, AdminClient

PATIENT_S = 120.0
"""The deadline of a request, where a busy machine must not cause a 503."""

BOTH_LISTENERS = WebSettings(admin="127.0.0.1:0", public="127.0.0.1:0")


class Answer(Struct, kw_only=True):
    """What came back; `took_s` is how long that took."""

    status: int
    body: Any
    text: str
    headers: dict[str, str]
    took_s: float


class HttpClient:
    """Asks listeners by their names."""

    def __init__(self, session: aiohttp.ClientSession, urls: dict[Listener, str]) -> None:
        self._session = session
        self.urls = urls

    async def __call__(
        self, path: str, listener: Listener = "admin", method: str = "GET", **given: Any
    ) -> Answer:
        """One request; the body is read as JSON where it is."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        async with self._session.request(method, self.urls[listener] + path, **given) as reply:
            text = await reply.text()
            return Answer(
                status=reply.status,
                body=await reply.json() if reply.content_type == "application/json" else None,
                text=text,
                headers=dict(reply.headers),
                took_s=loop.time() - begun,
            )


async def wait_until_ready(ask: HttpClient, listener: Listener = "admin") -> Answer:
    """Asks until the process is ready: on a busy machine MongoDB may take over two seconds."""
    async with asyncio.timeout(30):
        while (answer := await ask("/readyz", listener)).status != 200:
            await asyncio.sleep(0.1)
    return answer


OpenWeb: TypeAlias = Callable[..., Any]


@pytest.fixture
async def open_web_server() -> AsyncIterator[OpenWeb]:
    """Opens the listeners of a context, and closes them at the end."""
    async with AsyncExitStack() as stack:

        async def make(
            ctx: Context,
            stop: ShutdownRequest | None = None,
            alarm: Ticker | None = None,
            web: WebSettings = BOTH_LISTENERS,
            deadline_s: float = PATIENT_S,
        ) -> HttpClient:
            ctx = replace(ctx, config=replace(ctx.config, web=web))
            listening = open_web(ctx, stop or ShutdownRequest(), alarm, deadline_s=deadline_s)
            urls = await stack.enter_async_context(listening)
            session = await stack.enter_async_context(aiohttp.ClientSession())
            return HttpClient(session, dict(urls))

        yield make


OpenAdmin: TypeAlias = Callable[..., Any]


@pytest.fixture
async def open_admin(open_web_server: OpenWeb) -> AsyncIterator[OpenAdmin]:
    """Opens the admin listener of a context; yields clients of it."""
    async with AsyncExitStack() as stack:

        async def make(
            ctx: Context,
            web: WebSettings = OPEN,
            stop: ShutdownRequest | None = None,
            token: str | None = None,
            deadline_s: float = PATIENT_S,
        ) -> AdminClient:
            listeners = await open_web_server(ctx, stop, web=web, deadline_s=deadline_s)
            jar = aiohttp.DummyCookieJar()
            session = await stack.enter_async_context(aiohttp.ClientSession(cookie_jar=jar))
            return AdminClient(session, listeners.urls["admin"], token)

        yield make


class ManualClock:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Where it stands."""
        return self.now


async def _do_nothing() -> None:
    """Nothing is due."""


def make_ticker(
    hands: ManualClock, *, ringing: bool = True, tick: Callable[[], Awaitable[Any]] = _do_nothing
) -> Ticker:
    """An alarm that is to ring, but that only a test rings."""
    alarm = Ticker(tick, Metrics(), wall=hands, mono=hands)
    alarm.running = ringing
    return alarm


class OwnMongod:
    """A mongod that nobody else uses."""

    def __init__(self, folder: Path, url: str) -> None:
        self._folder = folder
        self.url = url

    def send(self, number: int) -> None:
        """Sends it a signal; if that stops it, it answers nothing from then on."""
        pid = int((self._folder / "mongod.lock").read_text())
        os.kill(pid, number)
        while number == signal.SIGSTOP and _state(pid) != "T":
            time.sleep(0.01)


def _state(pid: int) -> str:
    """The state of a process: T if it is stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.fixture
async def own_mongod(tmp_path: Path) -> AsyncIterator[OwnMongod]:
    """It goes on, if it was stopped, and ends with the test."""
    embedded = EmbeddedServer(tmp_path / "own")
    url = await asyncio.to_thread(embedded.start_or_join)
    mongod = OwnMongod(tmp_path / "own", url)
    try:
        yield mongod
    finally:
        await asyncio.to_thread(_release, mongod)
        await asyncio.to_thread(embedded.leave)


def _release(mongod: OwnMongod) -> None:
    try:
        mongod.send(signal.SIGCONT)
    except (ProcessLookupError, ValueError):
        return


@pytest.fixture
def own_settings(own_mongod: OwnMongod, environment: dict[str, str]) -> Settings:
    """The settings of a process on it."""
    return config.load(None, {**environment, "MONGO_URL": own_mongod.url})


@asynccontextmanager
async def open_context_on(settings: Settings, mongod: OwnMongod) -> AsyncIterator[Context]:
    """A context on it; it goes on before the context is closed, which would wait for it."""
    async with open_context(settings) as ctx:
        await ctx.indexes.create()
        try:
            yield ctx
        finally:
            await asyncio.to_thread(_release, mongod)
