"""`/emails`: the outbox by state, emails whose arrival is unknown, and suppressed addresses."""

from collections.abc import Iterator, Mapping
from datetime import timedelta

from aiohttp import web

from chesscoach.emails.store.outbox_overview import OutboxOverview
from chesscoach.emails.store.outbox_values import STATES
from chesscoach.schedules.iso_week import Week
from chesscoach.web.dashboard.page import Layout, query_values
from chesscoach.web.operations.admin import Admin
from chesscoach.web.routes import Route

_PAGE_SIZE = 50
_MAX_PAGES = 200
_WEEKS_COUNTED = 8
_UNKNOWN_SHOWN = 20
_SUPPRESSIONS_SHOWN = 20


class EmailPages:
    """The page about emails."""

    def __init__(self, admin: Admin, layout: Layout) -> None:
        self._admin = admin
        self._ctx = admin.ctx
        self._layout = layout
        self._outbox = OutboxOverview(admin.ctx.mongo.database)

    def routes(self) -> Iterator[Route]:
        """The route of the page."""
        show = self._layout.answering(self._show)
        yield Route(method="GET", path="/emails", scope="read", handler=show)

    async def _show(self, request: web.Request) -> web.Response:
        """The counts of the last weeks, and the emails that the filters leave."""
        given = query_values(request, "state", "week", "page")
        state = given["state"] if given["state"] in STATES else None
        number = min(int(given["page"]), _MAX_PAGES) if given["page"].isdecimal() else 1
        since = Week.containing((self._ctx.now() - timedelta(weeks=_WEEKS_COUNTED)).date())
        emails = await self._outbox.page(
            since, max(number - 1, 0), _PAGE_SIZE, state=state, week=_week(given)
        )
        unknown = await self._outbox.page(since, 0, _UNKNOWN_SHOWN, state="unknown", week=None)
        values = {
            "states": STATES,
            "counts": await self._outbox.counts(since),
            "filters": {"state": state or "", "week": given["week"]},
            "emails": emails,
            "unknown": unknown,
            "reasons": {
                entry.id: self._admin.scrub(entry.reason)
                for entry in (*emails, *unknown)
                if entry.reason
            },
            "suppressed": await self._ctx.emails.suppressions.list_newest(_SUPPRESSIONS_SHOWN),
            "suppressed_count": await self._ctx.emails.suppressions.count(),
            "page": max(number, 1),
            "more": len(emails) == _PAGE_SIZE and number < _MAX_PAGES,
        }
        return self._layout.page(request, "emails", values)


def _week(given: Mapping[str, str]) -> Week | None:
    try:
        return Week.parse(given["week"])
    except ValueError:
        return None
