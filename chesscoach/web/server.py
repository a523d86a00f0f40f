"""One listener: an address, its routes, and what holds for every request and every answer.

Nothing is written about requests but what goes wrong; they are counted by listener, route and
status. Heads and bodies are small, answers are not to be kept, and tell of no versions.
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
"""What is being answered when we close may take so much longer: more than a probe's limit."""

_HANDLER_OPTIONS: dict[str, Any] = {
    "access_log": None,
    "auto_decompress": False,
    "keepalive_timeout": 75.0,  # longer than the usual minute between two scrapes
    "lingering_time": 1.0,  # for a body that nobody has asked for
    "max_field_size": 4096,
    "max_headers": 64,
    "max_line_size": 2048,
}
_HEADERS = {
    "Cache-Control": "no-store",
    "Server": "chesscoach",  # else aiohttp tells its version and Python's
    "X-Content-Type-Options": "nosniff",
}
_BIND_ERRORS = {
    errno.EADDRINUSE: "is in use by another process",
    errno.EADDRNOTAVAIL: "is no address of this machine",
    errno.EACCES: "is one that this user may not listen on",
}


class QuietRequestHandler(web.RequestHandler):
    """aiohttp's, but for what it makes of a request that it cannot read."""

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
        """A short answer; a log line for each would be for whoever wants to fill our disk."""
        self._count("other", status)
        response = _error(status)
        response.headers.update(_HEADERS)
        response.force_close()
        return response


@asynccontextmanager
async def start_listener(
    listener: Listener, address: ListenAddress, routes: Sequence[web.RouteDef], metrics: Metrics
) -> AsyncIterator[str]:
    """Answers while it is entered; gives the URL.

    Raises:
        ListenError: the address cannot be had.
    """

    def count(path: str, status: int) -> None:
        metrics.http_requests.labels(listener, path, str(status)).inc()

    app = web.Application(middlewares=[_middleware(count)], client_max_size=_MAX_BODY_BYTES)
    app.on_response_prepare.append(_set_headers)
    app.add_routes(routes)
    runner = web.AppRunner(app, shutdown_timeout=_SHUTDOWN_TIMEOUT_S)
    await runner.setup()
    try:
        assert runner.server is not None  # noqa: S101  # it is set up
        server = await _bind(listener, address, partial(QuietRequestHandler, runner.server, count))
        try:
            urls = [f"http://{_bound_address(each)}" for each in server.sockets]
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
        why = (
            "has an unknown host"
            if unknown
            else _BIND_ERRORS.get(error.errno or 0, "cannot be had")
        )
        msg = (
            f"web.{listener}: {address} {why}; set [web] {listener} to another (port 0: any free "
            'one), or to "" for none'
        )
        raise ListenError(msg) from None


def _bound_address(listening: socket.socket) -> ListenAddress:
    host, port = listening.getsockname()[:2]
    return ListenAddress(host=host, port=port)


async def _set_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_HEADERS)


def _error(status: int) -> web.Response:
    return web.json_response({"error": HTTPStatus(status).phrase.lower()}, status=status)


def _middleware(count: RequestCounter) -> Middleware:
    @web.middleware
    async def watch(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Turns what is raised into JSON, and counts by route, never by what was asked for."""
        resource = request.match_info.route.resource
        response: web.StreamResponse
        try:
            response = await handler(request)
        except web.HTTPException as error:
            response = _error(error.status)
            if "Allow" in error.headers:
                response.headers["Allow"] = error.headers["Allow"]
        except Exception as error:  # noqa: BLE001  # one request's trouble is no other's
            log.get_logger().error("request_failed", error=type(error).__name__, exc_info=error)
            response = _error(500)
        count(resource.canonical if resource is not None else "other", response.status)
        return response

    return watch
