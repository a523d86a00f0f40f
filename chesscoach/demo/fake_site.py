"""What both stand-ins share: who asked for what, how many at a time, and faults on demand."""

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
_PATIENCE = 3
_CHALLENGE_PAGE = (
    '<!DOCTYPE html><html lang="en-US"><head><title>Just a moment...</title></head></html>'
)


class RecordedRequest(Struct, kw_only=True):
    """A request that came in at `at`, in Unix seconds.

    `status` is 0 while, or if, it was not answered.
    """

    method: str
    path: str
    query: dict[str, str]
    agent: str
    body: str = ""
    status: int = 0
    at: float = 0.0


class FakeSite:
    """A site on loopback.

    `seen` is every request, `violations` each breach of the site's rules, `most_in_flight` the
    largest number of requests at a time. `faults` are used up one a request; one that is a handler
    answers it instead. `ailing` strikes every request whose path has that word in it; `delay_s` is
    what each reply takes. After a 429 nobody may ask for `pause_s`, after a 403 or a third 429 in a
    row for `breaker_s`.
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
        """The site's own handlers."""
        raise NotImplementedError

    def concurrency_error(self) -> web.Response:
        """The site's answer to a second request in flight."""
        raise NotImplementedError

    @asynccontextmanager
    async def serve(self, port: int = 0) -> AsyncIterator[None]:
        """Answers on 127.0.0.1 while it is entered; `url` tells where."""
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
            self.violations.append(f"{seen.at:.3f} not left alone: {request.path}")
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
        """Whoever was refused last has died, perhaps before he could note it."""
        self._refusals, self._quiet_until = 0, 0.0

    def advance_time(self, seconds: float) -> None:
        """Lets so much time seem to have passed."""
        self._quiet_until -= seconds

    def _set_penalty(self, status: int) -> None:
        """For how long nobody may ask after a reply."""
        if status not in (429, 403):
            self._refusals = 0
            return
        self._refusals += 1
        closed = status == 403 or self._refusals >= _PATIENCE
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
        if refused := _fault_response(fault):
            return refused
        if fault == "hang":
            await asyncio.sleep(3600)
        if fault == "reset":
            _reset_connection(request)
        return await handler(request)

    async def stream(
        self, request: web.Request, chunks: list[bytes], content_type: str
    ) -> web.StreamResponse:
        """A chunked reply; "cut" breaks it off within a line of its last chunk, "short" ends it."""
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
