"""`/emails`: the outbox by state, emails whose arrival is unknown, and suppressed addresses."""

from collections.abc import Iterator, Mapping
from datetime import timedelta

from aiohttp import web

from chesscoach.emails.store.outbox_overview import OutboxOverview
from chesscoach.emails.store.outbox_values import STATES
from chesscoach.schedules.iso_week import Week
from chesscoach.web.auth import operator_of
from chesscoach.web.dashboard.page import Layout, query_values
from chesscoach.web.login import read_form
from chesscoach.web.operations import emails as operations
from chesscoach.web.operations.admin import Admin
from chesscoach.web.pages import redirect
from chesscoach.web.problems import Problem
from chesscoach.web.routes import Route

_PAGE_SIZE = 50
_MAX_PAGES = 200
_WEEKS_COUNTED = 8
_UNKNOWN_SHOWN = 20
_SUPPRESSIONS_SHOWN = 20

_NOTICES = {
    "resend": "The email is pending again: the next run for unsent emails sends it.",
    "unsuppress": "The address gets email again, from the next week on. SendGrid keeps a list of "
    "its own: remove the address from that list, too.",
}


class EmailPages:
    """The page about emails."""

    def __init__(self, admin: Admin, layout: Layout) -> None:
        self._admin = admin
        self._ctx = admin.ctx
        self._layout = layout
        self._outbox = OutboxOverview(admin.ctx.mongo.database)

    def routes(self) -> Iterator[Route]:
        """The routes of the page and of its forms."""
        show = self._layout.answering(self._show)
        yield Route(method="GET", path="/emails", scope="read", handler=show)
        for path, act in (
            ("/emails/resend", self._resend),
            ("/emails/unsuppress", self._unsuppress),
        ):
            handler = self._layout.answering(act)
            yield Route(method="POST", path=path, scope="admin", handler=handler)

    async def _resend(self, request: web.Request) -> web.StreamResponse:
        email_id = (await read_form(request)).get("id", "")
        try:
            await operations.resend(self._admin, operator_of(request), email_id)
        except Problem as problem:
            return await self._page(request, problem)
        return redirect(f"{self._admin.base_path}/emails?done=resend")

    async def _unsuppress(self, request: web.Request) -> web.StreamResponse:
        address = (await read_form(request)).get("address", "")
        await operations.unsuppress(self._admin, operator_of(request), address)
        return redirect(f"{self._admin.base_path}/emails?done=unsuppress")

    async def _show(self, request: web.Request) -> web.Response:
        """The counts of the last weeks, and the emails that the filters leave."""
        return await self._page(request, None)

    async def _page(self, request: web.Request, problem: Problem | None) -> web.Response:
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
            "notice": _NOTICES.get(request.query.get("done", ""), ""),
            "problem": problem,
            "page": max(number, 1),
            "more": len(emails) == _PAGE_SIZE and number < _MAX_PAGES,
        }
        return self._layout.page(request, "emails", values, problem.status if problem else 200)


def _week(given: Mapping[str, str]) -> Week | None:
    try:
        return Week.parse(given["week"])
    except ValueError:
        return None
