"""The values of the overview: each schedule's state, and the timeline of all runs."""

import asyncio
from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from msgspec import Struct

from chesscoach.schedules.outcome import FAILED_OUTCOMES
from chesscoach.web.dashboard.drawing.strip import LENGTH, Strip, draw_strip
from chesscoach.web.dashboard.drawing.timeline import PAST, Timeline, draw_timeline
from chesscoach.web.dashboard.slot_status import SlotStatus, SlotStatusCache
from chesscoach.worker.scheduler import schedule_admin
from chesscoach.worker.store.run_history import RunHistory, RunSummaries, RunSummary
from chesscoach.worker.store.schedules import StoredSchedule
from chesscoach.worker.worker import Worker

Level = Literal["bad", "warn", "run", "off", "ok"]
_MAX_RUNS_DRAWN = 3000
_MAX_RUNNING = 50
_NO_RUNS = RunSummaries(runs=[], unreadable=0)


class Health(Struct, frozen=True, kw_only=True):
    """How a schedule is, in a word, and how much it needs attention."""

    level: Level
    word: str


class ScheduleRow(Struct, frozen=True, kw_only=True):
    """A schedule on the overview; `unreadable` counts those of its last records."""

    stored: StoredSchedule
    health: Health
    slot_status: SlotStatus
    last: RunSummary | None
    strip: Strip
    unreadable: int


class Matter(Struct, frozen=True, kw_only=True):
    """Something that needs an operator: its page, its name, what it is, and the reason."""

    path: str
    name: str
    word: str
    reason: str


class Overview(Struct, frozen=True, kw_only=True):
    """Everything on the overview as of an instant.

    `drawn_since` is later than the timeline's begin if there are too many runs to draw.
    `matters_left_out` is the number of further schedules that need an operator.
    """

    at: datetime
    rows: tuple[ScheduleRow, ...]
    running: tuple[RunSummary, ...]
    timeline: Timeline
    drawn_since: datetime | None
    matters: tuple[Matter, ...] = ()
    matters_left_out: int = 0

    def named(self, word: str) -> list[str]:
        """The schedules with a word for their health."""
        return [row.stored.id for row in self.rows if row.health.word == word]


async def read_overview(worker: Worker, history: RunHistory, cache: SlotStatusCache) -> Overview:
    """Reads the overview, with a number of queries that does not depend on the schedules."""
    now = worker.now()
    schedules = await schedule_admin.all_schedules(worker)
    last = await history.last_runs([stored.id for stored in schedules], LENGTH)
    recent = (await history.since(now - PAST, _MAX_RUNS_DRAWN)).runs
    running = (await history.page(0, _MAX_RUNNING, outcome="running")).runs
    # In a thread: it takes longer than a request may wait.
    return await asyncio.to_thread(_build, schedules, last, recent, running, cache, now)


def _build(
    schedules: list[StoredSchedule],
    last: dict[str, RunSummaries],
    recent: list[RunSummary],
    running: list[RunSummary],
    cache: SlotStatusCache,
    now: datetime,
) -> Overview:
    cache.forget({stored.id for stored in schedules})
    rows = [_row(stored, last.get(stored.id, _NO_RUNS), cache, now) for stored in schedules]
    older = [run for run in running if run.started_at < now - PAST]
    coming = {row.stored.id: row.slot_status.coming for row in rows}
    cut = len(recent) == _MAX_RUNS_DRAWN
    return Overview(
        at=now,
        rows=tuple(rows),
        running=tuple(running),
        timeline=draw_timeline([*recent, *older], coming, now),
        drawn_since=recent[-1].started_at if cut else None,
    )


def _row(
    stored: StoredSchedule, runs: RunSummaries, cache: SlotStatusCache, now: datetime
) -> ScheduleRow:
    newest = runs.runs[0] if runs.runs else None
    slot_status = cache.find(stored, newest.slot if newest is not None else None, now)
    return ScheduleRow(
        stored=stored,
        health=schedule_health(stored, slot_status, runs.runs),
        slot_status=slot_status,
        last=newest,
        strip=draw_strip(runs.runs),
        unreadable=runs.unreadable,
    )


def schedule_health(
    stored: StoredSchedule, slot_status: SlotStatus, runs: Iterable[RunSummary]
) -> Health:
    """How a schedule is; `runs` are its last ones, the newest first."""
    last = next(iter(runs), None)
    if stored.quarantined is not None:
        return Health(level="bad", word="quarantined")
    if not stored.is_active:
        return Health(level="off", word=stored.state)
    if slot_status.late_since is not None:
        return Health(level="bad", word="late")
    if last is None:
        return Health(level="ok", word="active")
    if last.outcome == "running":
        return Health(level="run", word="running")
    if last.outcome in FAILED_OUTCOMES:
        return Health(level="bad", word="failing")
    if last.outcome in ("partial", "missed", "skipped_overlap", "abandoned", "cancelled"):
        return Health(level="warn", word=last.outcome.replace("_", " "))
    return Health(level="ok", word="active")
