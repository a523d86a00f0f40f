"""One listener: an address, its routes, and the rules for every request and response.

Requests are counted by listener, route and status; only failures are logged. Headers and bodies are
limited; responses are not cached and name no version.
"""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from typing import Any, TypeAlias

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from chesscoach import log
from chesscoach.config import ListenAddress, Listener
from chesscoach.errors import ListenError
from chesscoach.metrics import Metrics

RequestCounter: TypeAlias = Callable[[str, int], None]

_MAX_BODY_BYTES = 2**16
_SHUTDOWN_TIMEOUT_S = 3.0
"""How long open requests may take after closing: longer than a probe's limit."""

_HANDLER_OPTIONS: dict[str, Any] = {
    "access_log": None,
    "auto_decompress": False,
    "keepalive_timeout": 75.0,  # longer than the usual minute between two scrapes
    "lingering_time": 1.0,  # to discard the body of a refused request
    "max_field_size": 4096,
    "max_headers": 64,
    "max_line_size": 2048,
}
_HEADERS = {
    "Cache-Control": "no-store",
    "Server": "chesscoach",  # else aiohttp names its version and Python's
    "X-Content-Type-Options": "nosniff",
}
_BIND_ERRORS = {
    errno.EADDRINUSE: "is in use by another process",
    errno.EADDRNOTAVAIL: "is not an address of this machine",
    errno.EACCES: "is not allowed for this user",
}


class QuietRequestHandler(web.RequestHandler):
    """aiohttp's handler with a short response to a request that cannot be parsed."""

    def __init__(self, server: web.Server, count: RequestCounter) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **_HANDLER_OPTIONS)
        self._count = count

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """A short response without a log line, which could fill the disk."""
        self._count("other", status)
        response = _error(status)
        response.headers.update(_HEADERS)
        response.force_close()
        return response


@asynccontextmanager
async def start_listener(
    listener: Listener,
    address: ListenAddress,
    routes: Sequence[web.RouteDef],
    metrics: Metrics,
    inner: Sequence[Middleware] = (),
) -> AsyncIterator[str]:
    """Serves the routes while the context is open; yields the URL.

    Requests pass the `inner` middlewares, if there are any, on their way to a route.

    Raises:
        ListenError: the address cannot be used.
    """

    def count(path: str, status: int) -> None:
        metrics.http_requests.labels(listener, path, str(status)).inc()

    app = web.Application(middlewares=[_middleware(count), *inner], client_max_size=_MAX_BODY_BYTES)
    app.on_response_prepare.append(_set_headers)
    app.add_routes(routes)
    runner = web.AppRunner(app, shutdown_timeout=_SHUTDOWN_TIMEOUT_S)
    await runner.setup()
    try:
        assert runner.server is not None  # noqa: S101  # set up above
        server = await _bind(listener, address, partial(QuietRequestHandler, runner.server, count))
        try:
            urls = [f"http://{_bound_address(listening)}" for listening in server.sockets]
            log.get_logger().info("web_listening", listener=listener, urls=urls)
            yield urls[0]
        finally:
            server.close()
    finally:
        await runner.cleanup()


async def _bind(
    listener: Listener, address: ListenAddress, connection: Callable[[], QuietRequestHandler]
) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    try:
        return await loop.create_server(connection, address.host, address.port)
    except OSError as error:
        unknown = isinstance(error, socket.gaierror)
        reason = (
            "has an unknown host"
            if unknown
            else _BIND_ERRORS.get(error.errno or 0, "cannot be used")
        )
        msg = (
            f"web.{listener}: {address} {reason}; set [web] {listener} to another address "
            '(port 0: any free port), or to "" for none'
        )
        raise ListenError(msg) from None


def _bound_address(listening: socket.socket) -> ListenAddress:
    host, port = listening.getsockname()[:2]
    return ListenAddress(host=host, port=port)


async def _set_headers(_: web.Request, response: web.StreamResponse) -> None:
    kept = response.headers.get("Cache-Control")  # what may be cached says so itself
    response.headers.update(_HEADERS)
    if kept is not None:
        response.headers["Cache-Control"] = kept


def _error(status: int) -> web.Response:
    return web.json_response({"error": HTTPStatus(status).phrase.lower()}, status=status)


def _middleware(count: RequestCounter) -> Middleware:
    @web.middleware
    async def watch(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Turns errors into JSON responses, and counts by route, never by the requested path."""
        resource = request.match_info.route.resource
        response: web.StreamResponse
        try:
            response = await handler(request)
        except web.HTTPException as error:
            response = _error(error.status)
            if "Allow" in error.headers:
                response.headers["Allow"] = error.headers["Allow"]
        except Exception as error:  # noqa: BLE001  # one request's failure must not stop others
            log.get_logger().error("request_failed", error=type(error).__name__, exc_info=error)
            response = _error(500)
        count(resource.canonical if resource is not None else "other", response.status)
        return response

    return watch
