"""Checks each request to the admin listener before its handler runs, and answers its errors.

The checks, in their order:

1. The `Host` is one of ours. Otherwise a foreign name may have been pointed at this machine.
2. A request that changes something comes from our own pages, or from no page at all.
3. The sender has a role that the route's scope asks for.

The handler then has one deadline for all its queries. A path that is not in the table is refused
in the same way, so a stranger does not learn which paths exist.

`Origin` and `Host` are compared with our list and not with each other: after a DNS rebinding they
are equal.
"""

import asyncio
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from chesscoach import log
from chesscoach.config import WebSettings
from chesscoach.errors import (
    ChesscoachError,
    ConfigError,
    LeaseHeld,
    NotFound,
    RevisionConflict,
    StoreFailed,
    StoreUnavailable,
)
from chesscoach.mongo.deadline import operations_deadline
from chesscoach.web.auth import COOKIE, Access, Operator, set_operator
from chesscoach.web.pages import PAGE_HEADERS, redirect, render_problem
from chesscoach.web.problems import CONTENT_TYPE, Problem
from chesscoach.web.routes import SAFE_METHODS, Route, RouteKind

DEADLINE_S = 5.0
"""How long a request may take: its queries, and the wait for its turn."""

_QUERIES_SHARE = 0.8
"""The part of the deadline that the queries of a request may take, all together."""

_MAX_IN_PROGRESS = 4
"""Requests that may query at a time: the driver's threads are shared with the jobs."""

_LOGGED_REFUSALS_PER_MINUTE = 60
_STATUS_OF: Mapping[type[ConfigError], int] = {NotFound: 404, RevisionConflict: 412}


class AdminMiddleware:
    """The middleware for a table of routes."""

    def __init__(
        self,
        settings: WebSettings,
        access: Access,
        table: list[Route],
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._settings = settings
        self._deadline_s = deadline_s
        self._access = access
        self._table = table
        self._routes: dict[object, Route] = {}
        self._turns = asyncio.Semaphore(_MAX_IN_PROGRESS)
        self._logged = (0, 0)

    def route_defs(self) -> list[web.RouteDef]:
        """The table for aiohttp: under the base path, and without it for a proxy that cuts it.

        With GET, aiohttp adds HEAD.
        """
        defs = []
        for route in self._table:
            handler = _own_handler(route)
            self._routes[handler] = route
            defs += [
                web.route(route.method, f"{base}{route.path}", handler)
                for base in dict.fromkeys(("", self._settings.base_path))
            ]
        return defs

    @property
    def middleware(self) -> Middleware:
        """The checks and the answers to errors, as aiohttp calls them."""

        @web.middleware
        async def check_and_answer(request: web.Request, handler: Handler) -> web.StreamResponse:
            route = self._routes.get(request.match_info.handler)
            kind = route.kind if route is not None else self._kind_of_unknown(request)
            operator = None
            try:
                operator = self._check(request, route)
                response = await self._answer(request, handler, route)
            except Problem as problem:
                response = self._refuse(request, problem, kind, operator)
            except web.HTTPException as error:
                if kind == "plain" or error.status < 400:
                    raise
                detail = f"{request.method} {request.rel_url.path[:200]}: {error.reason.lower()}"
                refusal = Problem(error.status, detail, headers=_allow(error.headers))
                response = self._refuse(request, refusal, kind, operator)
            if kind == "page" and not response.prepared:
                for name, value in PAGE_HEADERS.items():
                    response.headers.setdefault(name, value)
            return response

        return check_and_answer

    def _check(self, request: web.Request, route: Route | None) -> Operator | None:
        """Lets a request through, or raises; the sender, where the route asks for one."""
        scope = route.scope if route is not None else "read"
        if scope != "probe":
            self._check_host(request)
        if request.method not in SAFE_METHODS:
            self._check_origin(request)
        if scope in ("probe", "public"):
            return None
        operator = self._access.identify(request)
        if operator is None:
            given = "Authorization" in request.headers or COOKIE in request.cookies
            detail = "the token or session is not valid" if given else "a token is needed"
            raise Problem(401, detail, headers={"WWW-Authenticate": "Bearer"})
        if scope == "admin" and operator.role != "admin":
            raise Problem(403, "the read-only token may change nothing")
        set_operator(request, operator)
        return operator

    def _own_hosts(self, request: web.Request) -> set[str]:
        """The values of `Host` and, after the scheme, of `Origin` that are ours."""
        assert request.transport is not None  # noqa: S101  # the request has just come in
        address, port = request.transport.get_extra_info("sockname")[:2]
        bound = f"[{address}]" if ":" in address else address
        names = {"127.0.0.1", "localhost", "[::1]", bound.lower()}
        hosts = {f"{name}:{port}" for name in names} | set(self._settings.host_names)
        return hosts | (names if port == 80 else set())

    def _check_host(self, request: web.Request) -> None:
        own = self._own_hosts(request)
        _, port = request.transport.get_extra_info("sockname")[:2]  # type: ignore[union-attr]  # as above
        own |= {f"{host}:{port}" for host in self._settings.host_names if not _has_port(host)}
        if request.headers.get("Host", "").lower() not in own:
            raise Problem(
                403, "the request names a Host that is not ours: add its name to [web] hosts"
            )

    def _check_origin(self, request: web.Request) -> None:
        origin = request.headers.get("Origin")
        if origin is not None:
            scheme, _, host = origin.lower().partition("://")
            if scheme not in ("http", "https") or host not in self._own_hosts(request):
                raise Problem(
                    403, "the request comes from a page that is not ours: see [web] hosts"
                )
        elif request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
            raise Problem(403, "the request comes from a page that is not ours")

    async def _answer(
        self, request: web.Request, handler: Handler, route: Route | None
    ) -> web.StreamResponse:
        """Runs the handler within the deadline; an error of the database becomes a problem."""
        try:
            if route is None or route.streams or route.kind == "plain":
                return await handler(request)
            async with asyncio.timeout(self._deadline_s), self._turns:
                with operations_deadline(self._deadline_s * _QUERIES_SHARE):
                    return await handler(request)
        except (TimeoutError, StoreUnavailable) as error:
            log.get_logger().warning("request_without_database", error=str(error))
            raise Problem(503, "the database does not answer: try again in a moment") from None
        except StoreFailed as error:
            log.get_logger().error("request_failed_in_database", error=str(error))
            raise Problem(500, "the database refused an operation: see the log") from None
        except ConfigError as error:
            status = _STATUS_OF.get(type(error), 422)
            raise Problem(status, str(error)) from None
        except LeaseHeld as error:
            raise Problem(409, str(error)) from None
        except ChesscoachError as error:
            log.get_logger().error("request_failed", error=str(error))
            raise Problem(500, "the request failed: see the log") from None
        except (Problem, web.HTTPException):
            raise
        except Exception as error:  # noqa: BLE001  # one request's failure must not stop others
            log.get_logger().error("request_failed", error=type(error).__name__, exc_info=error)
            raise Problem(500, "the request failed: see the log") from None

    def _refuse(
        self, request: web.Request, problem: Problem, kind: RouteKind, operator: Operator | None
    ) -> web.StreamResponse:
        if kind == "page" and problem.status == 401 and request.method in SAFE_METHODS:
            target = quote(self._path(request, query=True), safe="")
            return redirect(f"{self._settings.base_path}/login?next={target}")
        self._log(request, problem, operator)
        if kind == "plain":
            return web.json_response({"error": problem.title.lower()}, status=problem.status)
        if kind == "api":
            return web.Response(
                body=problem.encode(),
                status=problem.status,
                content_type=CONTENT_TYPE,
                headers=problem.headers,
            )
        return render_problem(problem, self._settings.base_path)

    def _log(self, request: web.Request, problem: Problem, operator: Operator | None) -> None:
        """Logs a problem under its id; strangers cannot fill the log."""
        if operator is None:
            minute = int(asyncio.get_running_loop().time() // 60)
            count = self._logged[1] + 1 if self._logged[0] == minute else 1
            self._logged = (minute, count)
            if count > _LOGGED_REFUSALS_PER_MINUTE:
                return
        resource = request.match_info.route.resource
        log.get_logger().info(
            "request_refused",
            problem=problem.id,
            status=problem.status,
            method=request.method,
            route=resource.canonical if resource is not None else "other",
            reason=problem.detail,
            address=request.remote,
        )

    def _path(self, request: web.Request, *, query: bool = False) -> str:
        """The path of a request without the base path."""
        path = request.rel_url.raw_path_qs if query else request.rel_url.raw_path
        base = self._settings.base_path
        return path[len(base) :] if base and path.startswith(f"{base}/") else path

    def _kind_of_unknown(self, request: web.Request) -> RouteKind:
        if self._path(request).startswith("/api/"):
            return "api"
        return "page" if "text/html" in request.headers.get("Accept", "") else "plain"


def safe_target(text: str) -> str:
    """A path to redirect to after the login; the overview if it would lead to another site."""
    inner = text.isprintable() and "\\" not in text and not any(map(str.isspace, text))
    if not inner or not text.startswith("/") or text.startswith("//"):
        return "/"
    parts = urlsplit(text)
    return "/" if parts.scheme or parts.netloc else text


def _own_handler(route: Route) -> Handler:
    """A handler of the route's own: the middleware finds the route by it."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return await route.handler(request)

    return handle


def _allow(headers: Mapping[str, str]) -> dict[str, str]:
    return {"Allow": headers["Allow"]} if "Allow" in headers else {}


def _has_port(host: str) -> bool:
    return ":" in host.rpartition("]")[2]
