"""What the forms about schedules do; each ends with a redirect, or with its page and the reason."""

from collections.abc import Awaitable, Callable, Iterator, Mapping

from aiohttp import web

from chesscoach.errors import ConfigError, LeaseHeld, NotFound
from chesscoach.web.auth import Operator, operator_of
from chesscoach.web.dashboard import schedule_form
from chesscoach.web.dashboard.overview import Overview
from chesscoach.web.dashboard.page import Layout
from chesscoach.web.dashboard.reading_cache import ReadingCache
from chesscoach.web.dashboard.schedule_form import ParsedForm
from chesscoach.web.dashboard.schedule_pages import SchedulePages
from chesscoach.web.dashboard.text import path_segment
from chesscoach.web.login import read_form
from chesscoach.web.operations import schedules as operations
from chesscoach.web.operations.admin import Admin
from chesscoach.web.pages import redirect
from chesscoach.web.problems import Problem
from chesscoach.web.routes import Route

_Action = Callable[[Operator, str, int | None], Awaitable[object]]


class ScheduleActions:
    """The handlers of the forms."""

    def __init__(
        self, admin: Admin, layout: Layout, overview: ReadingCache[Overview], pages: SchedulePages
    ) -> None:
        self._admin = admin
        self._layout = layout
        self._overview = overview
        self._pages = pages

    def routes(self) -> Iterator[Route]:
        """The routes of the forms."""
        for path, act in (
            ("/schedules", self._create),
            ("/schedules/{id}", self._edit),
            ("/schedules/{id}/pause", self._pause),
            ("/schedules/{id}/resume", self._resume),
            ("/schedules/{id}/run", self._run),
            ("/schedules/{id}/delete", self._delete),
        ):
            handler = self._layout.answering(act)
            yield Route(method="POST", path=path, scope="admin", handler=handler)

    async def _create(self, request: web.Request) -> web.StreamResponse:
        given = await read_form(request)
        form = schedule_form.parse_new(given)
        if form.schedule is None:
            return await self._pages.list_page(request, given, form)
        schedule_id = given["id"].strip()
        try:
            await operations.create(self._admin, operator_of(request), schedule_id, form.schedule)
        except (Problem, ConfigError) as error:
            return await self._pages.list_page(request, given, form, _problem(error))
        return self._done(f"/schedules/{path_segment(schedule_id)}?done=created")

    async def _edit(self, request: web.Request) -> web.StreamResponse:
        given = await read_form(request)
        form = schedule_form.parse_form(given)
        schedule = form.schedule
        if schedule is None:
            return await self._pages.schedule_page(request, await self._pages.find(request), form)

        async def edit(operator: Operator, schedule_id: str, revision: int | None) -> None:
            await operations.edit(self._admin, operator, schedule_id, schedule, revision)

        return await self._act(request, given, edit, "saved", form)

    async def _pause(self, request: web.Request) -> web.StreamResponse:
        given = await read_form(request)

        async def pause(operator: Operator, schedule_id: str, revision: int | None) -> None:
            reason = given.get("reason", "")
            await operations.pause(self._admin, operator, schedule_id, revision, reason)

        return await self._act(request, given, pause, "paused")

    async def _resume(self, request: web.Request) -> web.StreamResponse:
        async def resume(operator: Operator, schedule_id: str, revision: int | None) -> None:
            await operations.resume(self._admin, operator, schedule_id, revision)

        return await self._act(request, await read_form(request), resume, "resumed")

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        async def delete(operator: Operator, schedule_id: str, revision: int | None) -> None:
            await operations.delete(self._admin, operator, schedule_id, revision)

        return await self._act(request, await read_form(request), delete, "deleted")

    async def _run(self, request: web.Request) -> web.StreamResponse:
        """Starts a manual run, and leads to it."""
        schedule_id = request.match_info["id"]
        try:
            run_id = await operations.run_now(self._admin, operator_of(request), schedule_id)
        except (Problem, LeaseHeld) as error:
            stored = await self._pages.find(request)
            return await self._pages.schedule_page(request, stored, None, _problem(error))
        return self._done(f"/runs/{path_segment(run_id)}")

    async def _act(
        self,
        request: web.Request,
        given: Mapping[str, str],
        action: _Action,
        done: str,
        form: ParsedForm | None = None,
    ) -> web.StreamResponse:
        """Acts on the revision that the page showed; if it has changed, the page says how."""
        schedule_id, revision = request.match_info["id"], given.get("revision", "")
        try:
            number = int(revision) if revision.isdecimal() and len(revision) < 16 else None
            await action(operator_of(request), schedule_id, number)
        except NotFound:
            raise
        except (Problem, ConfigError) as error:
            stored = await self._pages.find(request)
            return await self._pages.schedule_page(request, stored, form, _problem(error))
        where = "" if done == "deleted" else f"/{path_segment(schedule_id)}"
        return self._done(f"/schedules{where}?done={done}")

    def _done(self, path: str) -> web.Response:
        self._overview.expire()
        return redirect(f"{self._admin.base_path}{path}")


def _problem(error: Exception) -> Problem:
    if isinstance(error, Problem):
        return error
    return Problem(409 if isinstance(error, LeaseHeld) else 422, str(error))
