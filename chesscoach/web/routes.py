"""The route table of the admin listener: each path's handler, and who may use it.

A part of the web room (`api`, `dashboard`, `login`) offers its routes as a list of `Route`;
`admin_routes` joins them. Nothing else reaches the listener. `admin_middleware` lets a request
through only by the route's scope, so a path that is not in the table is closed.

Paths are written without `[web] base_path`; `page_url` adds it to a link.
"""

from collections.abc import Awaitable, Callable
from typing import Literal, TypeAlias

from aiohttp import web
from msgspec import Struct

Scope = Literal[
    "probe",  # open, under any Host: a kubelet or Prometheus sends the address of the pod
    "public",  # open: the login page, style sheets and scripts
    "read",  # for both tokens
    "admin",  # for the admin token: whatever changes something
]
RouteKind = Literal["page", "api", "plain"]
RequestHandler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

SAFE_METHODS = ("GET", "HEAD")


class Route(Struct, frozen=True, kw_only=True):
    """One row of the table.

    `kind` says how a refusal looks: a `page` leads to the login or shows a page, `api` gives a
    problem document, `plain` a short JSON object. A route that `streams` has no deadline and does
    not count against the requests that may query at a time; its handler has limits of its own.
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    scope: Scope
    handler: RequestHandler
    kind: RouteKind = "page"
    streams: bool = False

    def __post_init__(self) -> None:
        if self.method != "GET" and self.scope == "read":
            msg = f"{self.method} {self.path}: what changes something needs the scope admin"
            raise ValueError(msg)


def plain_routes(routes: list[web.RouteDef]) -> list[Route]:
    """The routes that probes and Prometheus use."""
    return [
        Route(method="GET", path=route.path, scope="probe", handler=route.handler, kind="plain")
        for route in routes
    ]
