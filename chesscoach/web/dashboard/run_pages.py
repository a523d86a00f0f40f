"""`/runs` and `/runs/{id}`: the runs by job, schedule and outcome, and one of them in full."""

from collections.abc import Iterator

from aiohttp import web

from chesscoach.errors import ConfigError, StoreFailed
from chesscoach.jobs.catalog import JOBS
from chesscoach.schedules.outcome import RUN_OUTCOMES, SKIP_OUTCOMES, Outcome
from chesscoach.web.auth import operator_of
from chesscoach.web.dashboard.page import Layout, query_values
from chesscoach.web.dashboard.rendering import Viewer
from chesscoach.web.dashboard.text import path_segment
from chesscoach.web.operations import runs
from chesscoach.web.operations.admin import Admin
from chesscoach.web.pages import redirect
from chesscoach.web.problems import Problem, not_found
from chesscoach.web.routes import Route
from chesscoach.worker.scheduler import explanation, schedule_admin
from chesscoach.worker.store.run_documents import RunRecord
from chesscoach.worker.store.run_history import RunHistory

_PAGE_SIZE = 50
_MAX_PAGES = 200
_OUTCOMES: tuple[Outcome, ...] = ("running", *RUN_OUTCOMES, *SKIP_OUTCOMES)


class RunPages:
    """The pages about runs."""

    def __init__(self, admin: Admin, layout: Layout) -> None:
        self._admin = admin
        self._worker = admin.ctx.worker
        self._layout = layout
        self._history = RunHistory(admin.ctx.mongo.database)

    def routes(self) -> Iterator[Route]:
        """The routes of the pages."""
        for path, handler in (("/runs", self.list_runs), ("/runs/{id}", self.show_run)):
            answering = self._layout.answering(handler)
            yield Route(method="GET", path=path, scope="read", handler=answering)
        cancel = self._layout.answering(self.cancel_run)
        yield Route(method="POST", path="/runs/{id}/cancel", scope="admin", handler=cancel)

    async def list_runs(self, request: web.Request) -> web.Response:
        """The runs that the filters leave, the newest first; an unknown outcome is ignored."""
        given = query_values(request, "job", "schedule", "outcome", "page")
        outcome = next((known for known in _OUTCOMES if known == given["outcome"]), None)
        number = min(int(given["page"]), _MAX_PAGES) if given["page"].isdecimal() else 1
        found = await self._history.page(
            max(number - 1, 0),
            _PAGE_SIZE,
            job=given["job"] or None,
            schedule=given["schedule"] or None,
            outcome=outcome,
        )
        filters = {"job": given["job"], "schedule": given["schedule"], "outcome": outcome or ""}
        values = {
            "runs": found.runs,
            "unreadable": found.unreadable,
            "filters": filters,
            "jobs": sorted(JOBS),
            "outcomes": _OUTCOMES,
            "page": number,
            "more": len(found.runs) + found.unreadable == _PAGE_SIZE and number < _MAX_PAGES,
        }
        return self._layout.page(request, "runs", values)

    async def show_run(self, request: web.Request) -> web.Response:
        """A run in full; 404 if it does not exist."""
        return await self._run_page(request, None)

    async def cancel_run(self, request: web.Request) -> web.StreamResponse:
        """Asks the run's process to end it; the page says so, or why not."""
        run_id = request.match_info["id"]
        try:
            await runs.cancel(self._admin, operator_of(request), run_id)
        except Problem as problem:
            return await self._run_page(request, problem)
        return redirect(f"{self._admin.base_path}/runs/{path_segment(run_id)}?done=cancel")

    async def _run_page(self, request: web.Request, problem: Problem | None) -> web.Response:
        run_id = request.match_info["id"]
        try:
            record = await self._worker.runs.find(run_id)
        except StoreFailed as error:
            return self._layout.message(request, 200, "A run that cannot be read", str(error))
        if record is None:
            raise not_found(f"run {run_id[:120]!r}")
        values = {
            "run": record,
            "zone": await self._zone(record),
            "errors": [
                {name: self._admin.scrub(str(value)) for name, value in error.items()}
                for error in record.errors
            ],
            "reason": self._admin.scrub(record.reason) if record.reason else "",
            "sentences": await self._explain(record),
            "may_cancel": self._may_cancel(self._layout.viewer(request), record),
            "cancelling": request.query.get("done") == "cancel" and record.outcome == "running",
            "problem": problem,
        }
        return self._layout.page(request, "run", values, problem.status if problem else 200)

    async def _zone(self, record: RunRecord) -> str:
        if record.schedule is None:
            return "UTC"
        try:
            stored = await schedule_admin.find_schedule(self._worker, record.schedule)
        except ConfigError:
            return "UTC"
        return stored.schedule.timezone

    async def _explain(self, record: RunRecord) -> list[str]:
        """Why the run is as it is, in sentences, without secrets."""
        if record.schedule is None or record.slot is None:
            return ["This is a manual run: it belongs to no slot.", *await self._holder(record)]
        found = await explanation.explain_slot(self._worker, record.schedule, record.slot)
        return [self._admin.scrub(sentence) for sentence in found.sentences]

    async def _holder(self, record: RunRecord) -> list[str]:
        if record.outcome != "running":
            return []
        lease = await self._worker.leases.status(record.lease)
        if lease is not None and lease.owner == record.claim and lease.alive:
            return ["Its process holds the lease: the run is in progress."]
        return ["Its process does not hold the lease: it has died, or begins or ends just now."]

    @staticmethod
    def _may_cancel(viewer: Viewer, record: RunRecord) -> bool:
        return viewer.may_act and record.outcome == "running"
