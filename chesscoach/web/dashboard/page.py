"""What the pages share: the viewer of a request, the layout, and error pages."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from typing import Any

from aiohttp import web

from chesscoach.errors import NotFound, StoreUnavailable
from chesscoach.web.auth import operator_of
from chesscoach.web.dashboard.rendering import Pages, Viewer
from chesscoach.web.operations.admin import Admin
from chesscoach.web.problems import Problem

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Layout:
    """Renders pages for the sender of a request.

    Templates are compiled for the first request: most processes never show a page.
    """

    def __init__(self, admin: Admin) -> None:
        self._admin = admin
        self._loading = asyncio.Lock()
        self._pages: Pages | None = None

    async def load(self) -> Pages:
        """Compiles the templates, once."""
        async with self._loading:
            if self._pages is None:
                self._pages = await asyncio.to_thread(Pages)
        return self._pages

    def viewer(self, request: web.Request) -> Viewer:
        """Who looks."""
        operator = operator_of(request)
        return Viewer(
            base=self._admin.base_path,
            may_act=operator.role == "admin",
            in_session=operator.via == "session",
        )

    def render(self, template: str, viewer: Viewer, here: str, values: Mapping[str, Any]) -> str:
        """A page as text; `here` is its path and query. The templates are loaded."""
        assert self._pages is not None  # noqa: S101  # `answering` loads them
        return self._pages.render(template, viewer, here, values)

    def page(
        self, request: web.Request, template: str, values: Mapping[str, Any], status: int = 200
    ) -> web.Response:
        """A page."""
        html = self.render(template, self.viewer(request), self.here(request), values)
        return web.Response(text=html, status=status, content_type="text/html")

    def message(
        self, request: web.Request, status: int, heading: str, *lines: str, failure: str = ""
    ) -> web.Response:
        """A page of a few sentences; `failure` says how the database did not answer."""
        values = {"heading": heading, "lines": lines, "failure": failure}
        return self.page(request, "message", values, status)

    async def serve_asset(self, request: web.Request) -> web.Response:
        """A file that pages load; with the hash in its name a browser may keep it for ever."""
        assets, name = (await self.load()).assets, request.match_info["name"]
        found = assets.find(name)
        if found is None:
            raise web.HTTPNotFound
        content, content_type = found
        kept = "public, max-age=31536000, immutable" if assets.is_hashed(name) else "no-cache"
        return web.Response(
            body=content,
            content_type=content_type,
            charset="utf-8",
            headers={"Cache-Control": kept},
        )

    def here(self, request: web.Request) -> str:
        """The path and the query of a request, without the base path."""
        path = request.rel_url.raw_path_qs
        base = self._admin.base_path
        return path[len(base) :] if base and path.startswith(f"{base}/") else path

    def answering(self, handler: Handler) -> Handler:
        """Wraps the handler of a page: a missing object or database becomes a page that says so."""

        @wraps(handler)
        async def answer(request: web.Request) -> web.StreamResponse:
            await self.load()
            try:
                return await handler(request)
            except StoreUnavailable as error:
                heading = "The database does not answer"
                return self.message(request, 503, heading, failure=str(error))
            except (NotFound, Problem) as error:
                if isinstance(error, Problem) and error.status != 404:
                    raise
                return self.message(request, 404, "Not found", f"{error}.")

        return answer


def query_values(request: web.Request, *names: str) -> dict[str, str]:
    """Some values of a request's query, without surrounding space; empty where they are missing."""
    return {name: request.query.get(name, "").strip() for name in names}
