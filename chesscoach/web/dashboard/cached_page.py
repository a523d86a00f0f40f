"""A page whose data one task reads, rendered once for all viewers."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from aiohttp import web
from msgspec import Struct

from chesscoach.errors import StoreUnavailable
from chesscoach.mongo.deadline import operations_deadline
from chesscoach.web.dashboard import text
from chesscoach.web.dashboard.page import Layout
from chesscoach.web.dashboard.reading_cache import Reading, ReadingCache
from chesscoach.web.dashboard.rendering import Viewer
from chesscoach.web.operations.admin import Admin

_READ_SHARE = 0.6
"""The part of a request's deadline that reading may take: a request may wait for two."""

_AGE_MARK = "<!--age-->"


class Dated(Protocol):
    """A value that knows the instant at which it was read."""

    @property
    def at(self) -> datetime:
        """When it was read."""


D = TypeVar("D", bound=Dated)


class _Rendered(Struct, frozen=True, kw_only=True):
    """A page of a value, in two parts: between them is its age."""

    value: object
    before: bytes
    after: bytes


class CachedPage(Generic[D]):
    """A page of a template; `cache` has what it shows.

    The template gets `view`, `failure` and `failed_at`, besides the given values. It is rendered in
    a thread, for those who may act and those who may not, as far as such a viewer has come.
    """

    def __init__(
        self,
        admin: Admin,
        layout: Layout,
        path: str,
        template: str,
        read: Callable[[], Awaitable[D]],
        values: Mapping[str, Any],
        deadline_s: float,
    ) -> None:
        self._now = admin.ctx.now
        self._layout = layout
        self._path = path
        self._template = template
        self._read = read
        self._constant = values
        self._read_s = deadline_s * _READ_SHARE
        self._rendered: dict[Viewer, _Rendered] = {}
        self.cache = ReadingCache(self._read_and_render, admin.ctx.now)

    async def _read_and_render(self) -> D:
        try:
            # Queries may wait for a thread of the driver, where their own deadline does not run.
            async with asyncio.timeout(self._read_s):
                with operations_deadline(self._read_s):
                    value = await self._read()
        except TimeoutError:
            msg = f"MongoDB did not answer within {self._read_s:g} s"
            raise StoreUnavailable(msg) from None
        reading = Reading(value=value, failure=None, failed_at=None)
        for viewer in list(self._rendered):
            self._rendered[viewer] = await asyncio.to_thread(self._render, viewer, reading)
        return value

    async def show(self, request: web.Request) -> web.Response:
        """The page, a moment old at most; 503 while the database does not answer."""
        await self._layout.load()
        reading, viewer = await self.cache.get(), self._layout.viewer(request)
        page = self._rendered.get(viewer)
        if page is None or page.value is not reading.value or reading.failure is not None:
            page = await asyncio.to_thread(self._render, viewer, reading)
            if reading.failure is None:
                self._rendered.setdefault(viewer, page)
        age = text.span(self._now() - reading.value.at) if reading.value is not None else ""
        return web.Response(
            body=b"".join((page.before, age.encode(), page.after)),
            status=200 if reading.failure is None else 503,
            content_type="text/html",
            charset="utf-8",
        )

    def _render(self, viewer: Viewer, reading: Reading[D]) -> _Rendered:
        values = {
            **self._constant,
            "view": reading.value,
            "failure": reading.failure,
            "failed_at": reading.failed_at,
        }
        html = self._layout.render(self._template, viewer, self._path, values)
        before, _, after = html.partition(_AGE_MARK)
        return _Rendered(value=reading.value, before=before.encode(), after=after.encode())
