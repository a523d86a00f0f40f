"""`/schedules` and `/schedules/{id}`: what a schedule is, did and will do, with its forms."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from aiohttp import web

from chesscoach.jobs.catalog import JOBS
from chesscoach.schedules import preview
from chesscoach.schedules.schedule import Slot
from chesscoach.web.dashboard import schedule_form
from chesscoach.web.dashboard.drawing.strip import draw_strip
from chesscoach.web.dashboard.overview import Overview, schedule_health
from chesscoach.web.dashboard.page import Layout
from chesscoach.web.dashboard.reading_cache import ReadingCache
from chesscoach.web.dashboard.schedule_form import ParsedForm
from chesscoach.web.dashboard.slot_status import SlotStatusCache
from chesscoach.web.operations.admin import Admin
from chesscoach.web.problems import Problem
from chesscoach.web.routes import Route
from chesscoach.worker.scheduler import explanation, schedule_admin
from chesscoach.worker.store.run_history import RunHistory, RunSummaries
from chesscoach.worker.store.schedules import StoredSchedule

_HISTORY_LENGTH = 30
_NOTICES = {
    "created": "The schedule is created.",
    "saved": "The change is saved and in effect.",
    "paused": "The schedule is paused: no further slot runs.",
    "resumed": "The schedule runs again, from now on.",
    "deleted": "The schedule is deleted; its run records stay.",
}


class SchedulePages:
    """The pages about schedules; `schedule_actions` has what their forms do."""

    def __init__(self, admin: Admin, layout: Layout, overview: ReadingCache[Overview]) -> None:
        self._admin = admin
        self._worker = admin.ctx.worker
        self._layout = layout
        self._overview = overview
        self._history = RunHistory(admin.ctx.mongo.database)

    def routes(self) -> Iterator[Route]:
        """The routes of the pages."""
        for path, show in (("/schedules", self._list), ("/schedules/{id}", self._show)):
            handler = self._layout.answering(show)
            yield Route(method="GET", path=path, scope="read", handler=handler)

    async def _list(self, request: web.Request) -> web.Response:
        """All schedules, and the form for a new one."""
        if schedule_form.SUBMITTED not in request.query:
            return await self.list_page(request, {}, None)
        return await self.list_page(request, request.query, schedule_form.parse_new(request.query))

    async def list_page(
        self,
        request: web.Request,
        given: Mapping[str, str],
        form: ParsedForm | None,
        problem: Problem | None = None,
    ) -> web.Response:
        """The page of all schedules with a form as it was given, and why it was refused."""
        reading = await self._overview.get()
        values = {
            "view": reading.value,
            "failure": reading.failure,
            "failed_at": reading.failed_at,
            "describe": preview.describe,
            "new_id": given.get("id", "").strip(),
            **self._form_values("new", form or ParsedForm(texts=schedule_form.empty_texts())),
            "notice": _NOTICES.get(request.query.get("done", ""), ""),
            "problem": problem,
        }
        status = 503 if reading.failure is not None else _status(form, problem)
        return self._layout.page(request, "schedules", values, status)

    async def _show(self, request: web.Request) -> web.Response:
        """A schedule; a form in the query is shown with its next dates and changes nothing."""
        stored = await self.find(request)
        if schedule_form.SUBMITTED not in request.query:
            return await self.schedule_page(request, stored, None)
        return await self.schedule_page(request, stored, schedule_form.parse_form(request.query))

    async def find(self, request: web.Request) -> StoredSchedule:
        """The schedule that a request names."""
        return await schedule_admin.find_schedule(self._worker, request.match_info["id"])

    async def schedule_page(
        self,
        request: web.Request,
        stored: StoredSchedule,
        form: ParsedForm | None,
        problem: Problem | None = None,
    ) -> web.Response:
        """The page of a schedule with a form as it was given, and why it was refused."""
        runs = (await self._history.last_runs([stored.id], _HISTORY_LENGTH)).get(
            stored.id, RunSummaries(runs=[], unreadable=0)
        )
        newest = runs.runs[0].slot if runs.runs else None
        slot_status = SlotStatusCache().find(stored, newest, self._worker.now())
        shown = form or ParsedForm(
            texts=schedule_form.form_texts(stored.schedule), schedule=stored.schedule
        )
        values = {
            "stored": stored,
            "words": preview.describe(stored.schedule) if not stored.unreadable else "",
            "health": schedule_health(stored, slot_status, runs.runs),
            "slot_status": slot_status,
            "runs": runs,
            "strip": draw_strip(runs.runs),
            "late": await self._explain_late(stored, newest),
            "now": self._worker.now(),
            **self._form_values(stored.id, shown),
            "previewed": form is not None,
            "notice": _NOTICES.get(request.query.get("done", ""), ""),
            "problem": problem,
            "may_delete": stored.origin == "user" or stored.retired,
        }
        status = _status(form, problem)
        return self._layout.page(request, "schedule", values, status)

    def _form_values(self, schedule_id: str, form: ParsedForm) -> dict[str, Any]:
        now, schedule = self._worker.now(), form.schedule
        return {
            "form": form,
            "jobs": JOBS,
            "overlaps": schedule_form.OVERLAPS,
            "argument_help": schedule_form.argument_help,
            "described": preview.describe(schedule) if schedule is not None else "",
            "dates": schedule_form.next_dates(schedule_id, schedule, now) if schedule else [],
            "slot_notes": preview.slot_notes,
        }

    async def _explain_late(self, stored: StoredSchedule, newest: datetime | None) -> list[str]:
        """Why the slot that is due has not begun."""
        due = await schedule_admin.unrecorded_slot(self._worker, stored)
        if due is None:
            return []
        slot = Slot(schedule=stored.id, at=due)
        found = await explanation.explain_slot(self._worker, slot.schedule, slot.at)
        return [self._admin.scrub(sentence) for sentence in found.sentences]


def _status(form: ParsedForm | None, problem: Problem | None) -> int:
    if problem is not None:
        return problem.status
    return 422 if form is not None and form.errors else 200
