"""All calls of the API, in one list, and the document that describes them."""

from functools import cache

import msgspec
from aiohttp import web

from chesscoach.web.api import accounts, emails, players, runs, schedules, training
from chesscoach.web.api.endpoint import PREFIX, Endpoint
from chesscoach.web.api.openapi import openapi_document
from chesscoach.web.operations.admin import Admin
from chesscoach.web.routes import Route

ENDPOINTS: tuple[Endpoint, ...] = (
    *schedules.ENDPOINTS,
    *runs.ENDPOINTS,
    *accounts.ENDPOINTS,
    *emails.ENDPOINTS,
    *training.ENDPOINTS,  # before the players: their ids may contain slashes
    *players.ENDPOINTS,
)


def api_routes(admin: Admin) -> list[Route]:
    """The routes of the API and of its document, which is made when it is first asked for."""

    async def show_document(_: web.Request) -> web.StreamResponse:
        return web.Response(body=_document(admin.base_path), content_type="application/json")

    described = Route(
        method="GET",
        path=f"{PREFIX}/openapi.json",
        scope="read",
        handler=show_document,
        kind="api",
    )
    return [described, *(endpoint.route(admin) for endpoint in ENDPOINTS)]


@cache
def _document(base_path: str) -> bytes:
    return msgspec.json.encode(openapi_document(ENDPOINTS, base_path))
