"""What both fakes share: recorded requests, the rules of the sources, and faults on demand."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Literal

from aiohttp import web
from msgspec import Struct

SiteFault = Literal["429", "500", "503", "reset", "hang", "cut", "short", "internal", "403", "html"]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
FAULT = web.RequestKey("fault", str)
_MAX_REFUSALS = 3
_CHALLENGE_PAGE = (
    '<!DOCTYPE html><html lang="en-US"><head><title>Just a moment...</title></head></html>'
)


class RecordedRequest(Struct, kw_only=True):
    """A request that came in at `at`, in Unix seconds.

    `status` is 0 until it is answered.
    """

    method: str
    path: str
    query: dict[str, str]
    agent: str
    body: str = ""
    status: int = 0
    at: float = 0.0


class FakeSite:
    """A source on loopback.

    - `requests`: every request; `violations`: each breach of the source's rules
    - `max_in_flight`: the largest number of requests at a time
    - `faults`: each request uses one up; a handler among them answers the request
    - `ailing`: faults of every request whose path contains a word
    - `delay_s`: how long a response takes
    - `pause_s`: how long no request may come after a 429
    - `breaker_s`: the same after a 403, or after a third 429 in a row
    """

    def __init__(self, *, delay_s: float = 0.0) -> None:
        self.requests: list[RecordedRequest] = []
        self.violations: list[str] = []
        self.faults: deque[SiteFault | Handler | None] = deque()
        self.ailing: dict[str, SiteFault] = {}
        self.delay_s = delay_s
        self.pause_s = 0.0
        self.breaker_s = 0.0
        self.in_flight = 0
        self.max_in_flight = 0
        self.url = ""
        self._refusals = 0
        self._quiet_until = 0.0

    def routes(self) -> list[web.RouteDef]:
        """The source's handlers."""
        raise NotImplementedError

    def concurrency_error(self) -> web.Response:
        """The source's response to a second request in flight."""
        raise NotImplementedError

    @asynccontextmanager
    async def serve(self, port: int = 0) -> AsyncIterator[None]:
        """Serve on 127.0.0.1 while it is entered, at `url`."""
        app = web.Application(middlewares=[self._record_request], client_max_size=2**22)
        app.add_routes(self.routes())
        runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1
        )
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield
        finally:
            await runner.cleanup()

    @web.middleware
    async def _record_request(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        seen = RecordedRequest(
            method=request.method,
            path=request.path,
            query=dict(request.query),
            agent=request.headers.get("User-Agent", ""),
            at=time.time(),
        )
        if seen.at < self._quiet_until:
            self.violations.append(f"{seen.at:.3f} within a pause: {request.path}")
        self.requests.append(seen)
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        try:
            if request.can_read_body:
                seen.body = await request.text()
            response = await self._answer(request, handler)
            seen.status = response.status
            return response
        finally:
            self._set_penalty(seen.status)
            self.in_flight -= 1

    def clear_penalty(self) -> None:
        """End the pause: the process that was refused has died, perhaps before it noted that."""
        self._refusals, self._quiet_until = 0, 0.0

    def advance_time(self, seconds: float) -> None:
        """Move the clock of the pause forward."""
        self._quiet_until -= seconds

    def _set_penalty(self, status: int) -> None:
        """Set how long no request may come after a status."""
        if status not in (429, 403):
            self._refusals = 0
            return
        self._refusals += 1
        closed = status == 403 or self._refusals >= _MAX_REFUSALS
        self._refusals = 0 if closed else self._refusals
        self._quiet_until = time.time() + (self.breaker_s if closed else self.pause_s)

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self.in_flight > 1:
            self.violations.append(f"{time.time():.3f} {self.in_flight} in flight: {request.path}")
            return self.concurrency_error()
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        fault = self.faults.popleft() if self.faults else None
        fault = next((self.ailing[word] for word in self.ailing if word in request.path), fault)
        if callable(fault):
            return await fault(request)
        request[FAULT] = fault or ""
        if fault == "429":
            return self.concurrency_error()
        if error := _fault_response(fault):
            return error
        if fault == "hang":
            await asyncio.sleep(3600)
        if fault == "reset":
            _reset_connection(request)
        return await handler(request)

    async def stream(
        self, request: web.Request, chunks: list[bytes], content_type: str
    ) -> web.StreamResponse:
        """Stream a response; "cut" resets it within its last line, "short" ends it there."""
        response = web.StreamResponse()
        response.content_type = content_type
        await response.prepare(request)
        *whole, last = chunks or [b""]
        for chunk in whole:
            await response.write(chunk)
        if request[FAULT] in ("cut", "short"):
            last = last[: len(last) // 2].rstrip(b"\n")
        if last:
            await response.write(last)
        if request[FAULT] == "cut":
            _reset_connection(request)
        await response.write_eof()
        return response


def _fault_response(fault: SiteFault | None) -> web.Response | None:
    if fault == "500":
        return web.Response(status=500, text="oops")
    if fault in ("403", "503", "html"):
        status = 200 if fault == "html" else int(fault)
        return web.Response(status=status, text=_CHALLENGE_PAGE, content_type="text/html")
    if fault == "internal":
        message = "An internal error has occurred. Please contact the developers' forum."
        return web.json_response({"code": 0, "message": message}, status=404)
    return None


def _reset_connection(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
    raise ConnectionResetError
