"""`/events`: notifies open pages of changes by server-sent events.

An event is sent after the overview has been read again, so that a page that is fetched because of
it shows what it announces. It has no content: a page fetches itself. One task looks for changes,
while at least one stream is open.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from contextvars import Context

from aiohttp import web

from chesscoach.errors import ChesscoachError
from chesscoach.mongo.deadline import operations_deadline
from chesscoach.web.problems import Problem
from chesscoach.worker.shutdown import ShutdownRequest

MAX_STREAMS = 50
"""Streams of all tabs of all operators; further tabs fetch their page every ten seconds."""

_LOOK_EVERY_S = 1.0
_LOOK_LIMIT_S = 3.0
_MAX_SILENCE_LOOKS = 15
"""Looks without a change after which a stream gets a comment, or a proxy would close it."""

_FORCED_LOOKS = 30
"""Looks after which a page is announced to have changed, since time has passed."""

_MAX_STREAM_LOOKS = 600
"""Looks after which a stream ends; the browser opens another one if it still may."""

_HEADERS = {"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}


class Events:
    """The open streams; `state` is a value that changes with the data, `refresh` reads pages."""

    def __init__(
        self,
        stop: ShutdownRequest,
        state: Callable[[], Awaitable[object]],
        refresh: Callable[[], Awaitable[object]],
    ) -> None:
        self._stop = stop
        self._state = state
        self._refresh = refresh
        self._streams: set[asyncio.Event] = set()
        self._new: set[asyncio.Event] = set()
        self._watcher: asyncio.Task[None] | None = None

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """A stream that ends when its browser leaves, after ten minutes, or as this process stops.

        Raises:
            Problem: too many streams are open, or the process stops (503).
        """
        if len(self._streams) >= MAX_STREAMS or self._stop.requested.is_set():
            raise Problem(503, "too many streams are open", headers={"Retry-After": "10"})
        response = web.StreamResponse(headers=_HEADERS)
        changed = asyncio.Event()
        self._streams.add(changed)
        self._new.add(changed)
        try:
            self._start()
            await response.prepare(request)
            with suppress(ConnectionError):
                await response.write(b"retry: 3000\n\n")
                await self._send(request, response, changed)
        finally:
            self._streams.discard(changed)
            self._new.discard(changed)
        return response

    async def close(self) -> None:
        """Ends the watching."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.wait({self._watcher})

    async def _send(
        self, request: web.Request, response: web.StreamResponse, changed: asyncio.Event
    ) -> None:
        silent = 0
        for _ in range(_MAX_STREAM_LOOKS):
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY_S):
                    await changed.wait()
            if request.transport is None or request.transport.is_closing():
                return
            if self._stop.requested.is_set():
                await response.write(b"event: end\ndata: stopping\n\n")
                return
            if changed.is_set():
                changed.clear()
                silent = 0
                await response.write(b"event: changed\ndata: now\n\n")
            elif (silent := silent + 1) >= _MAX_SILENCE_LOOKS:
                silent = 0
                await response.write(b": nothing has changed\n\n")

    def _start(self) -> None:
        if self._watcher is None or self._watcher.done():
            # An empty context: it does not inherit what belongs to the request that began it.
            self._watcher = asyncio.create_task(self._watch(), name="events", context=Context())

    async def _watch(self) -> None:
        """Announces changes until no stream is open.

        A new stream hears of one at once: something may have changed since its page was rendered.
        """
        known, looks = await self._look(), 0
        while self._streams and not self._stop.requested.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY_S):
                    await self._stop.requested.wait()
            state, looks = await self._look(), looks + 1
            new = set(self._new)
            self._new.clear()
            if state != known or looks >= _FORCED_LOOKS:
                known, looks, new = state, 0, self._streams
            if new:
                await self._refresh()
                self._announce(new)
        self._announce(self._streams)

    async def _look(self) -> object:
        """The state of the data, or why the database does not answer."""
        try:
            async with asyncio.timeout(_LOOK_LIMIT_S):
                with operations_deadline(_LOOK_LIMIT_S):
                    return await self._state()
        except (ChesscoachError, TimeoutError) as error:
            return str(error)

    @staticmethod
    def _announce(streams: Collection[asyncio.Event]) -> None:
        for changed in list(streams):
            changed.set()
