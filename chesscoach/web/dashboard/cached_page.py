"""A page that one task reads, and that is rendered once for all who look."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from aiohttp import web

from chesscoach.mongo.deadline import operations_deadline
from chesscoach.web.dashboard import text
from chesscoach.web.dashboard.page import Layout, html_response
from chesscoach.web.dashboard.reading_cache import Reading, ReadingCache
from chesscoach.web.operations.admin import Admin

_READ_S = 3.0
_AGE_MARK = "<!--age-->"


class Dated(Protocol):
    """A value that says as of when it is."""

    @property
    def at(self) -> datetime:
        """When it was read."""


D = TypeVar("D", bound=Dated)


class CachedPage(Generic[D]):
    """A page of a template; `cache` has what it shows.

    The template gets `view`, `failure` and `failed_at`, besides the given values.
    """

    def __init__(
        self,
        admin: Admin,
        layout: Layout,
        template: str,
        read: Callable[[], Awaitable[D]],
        values: Mapping[str, Any],
    ) -> None:
        self._now = admin.ctx.now
        self._layout = layout
        self._template = template
        self._read = read
        self._constant = values
        self._rendered: dict[bool, tuple[Reading[D], str]] = {}
        self.cache = ReadingCache(self._read_in_time, admin.ctx.now)

    async def _read_in_time(self) -> D:
        with operations_deadline(_READ_S):
            return await self._read()

    async def show(self, request: web.Request) -> web.Response:
        """The page, a moment old at most; 503 while the database does not answer."""
        await self._layout.load()
        reading = await self.cache.get()
        may_act = self._layout.viewer(request).may_act
        known, html = self._rendered.get(may_act, (None, ""))
        if known is not reading:
            html = self._layout.html(request, self._template, self._values(reading))
            self._rendered[may_act] = (reading, html)
        if reading.value is not None:
            age = self._now() - reading.value.at
            html = html.replace(_AGE_MARK, text.span(age), 1)
        return html_response(html, 200 if reading.failure is None else 503)

    def _values(self, reading: Reading[D]) -> dict[str, Any]:
        return {
            **self._constant,
            "view": reading.value,
            "failure": reading.failure,
            "failed_at": reading.failed_at,
        }
