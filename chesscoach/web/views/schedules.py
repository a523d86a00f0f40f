"""Schedules as operators see them: their state, their last and next slot, their history.

`list_schedules(admin)` has all of them in a fixed number of queries; `show_schedule(admin, id)` has
one with its fields and history; `next_slots(admin, id, count)` its slots to come, and
`slots_of(schedule, now, count)` those of a schedule that is not stored yet, for a preview.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct

from chesscoach.schedules import preview
from chesscoach.schedules.preview import UpcomingSlot
from chesscoach.schedules.schedule import Schedule, Slot
from chesscoach.web.operations.admin import Admin
from chesscoach.worker.scheduler import schedule_admin, upcoming
from chesscoach.worker.store.run_documents import RunRecord
from chesscoach.worker.store.schedules import ScheduleChange, StoredSchedule

_LATE_AFTER = timedelta(seconds=60)
"""How long a slot may be due without a record before its schedule is shown as late."""


class LastRun(Struct, frozen=True, kw_only=True):
    """The record of a schedule's newest slot."""

    run_id: str
    slot: datetime
    outcome: str
    started_at: datetime
    finished_at: datetime | None
    duration_s: float | None
    lateness_s: float | None


class ScheduleSummary(Struct, frozen=True, kw_only=True):
    """A schedule in a list.

    `words` says when it runs. `reason` is why it is paused or quarantined. `next` is the slot to
    come, None while it is not active; `next_local` is the same in `timezone`. `due` has come and is
    not recorded yet; it is `late` after a minute, or when its jitter is over. `revision` is 0 while
    the schedule is only in the configuration.
    """

    id: str
    job: str
    trigger: str
    words: str
    timezone: str
    state: str
    reason: str | None
    revision: int
    origin: str
    edited: bool
    next: datetime | None
    next_local: datetime | None
    due: datetime | None
    late: bool
    last: LastRun | None


class ScheduleDetail(ScheduleSummary, frozen=True, kw_only=True):
    """A schedule in full.

    `configured` is what the configuration says if an operator has edited it. Slots up to `since` do
    not run. `history` has the last 50 changes, the newest last.
    """

    spec: Schedule
    configured: Schedule | None
    since: datetime
    history: tuple[ScheduleChange, ...]


class SlotView(Struct, frozen=True, kw_only=True):
    """A slot to come: in UTC, in the schedule's zone, and what a change of clocks does to it.

    The run begins at `begins_at`, later than the slot by its jitter. `runs` is false while the
    schedule is not active. `clocks` is set on a day on which clocks change. Local times that clocks
    skip are `moved` to this slot or `left_out` before it. A local time that comes `twice` runs
    once, or this is the first or second of two.
    """

    slot: datetime
    local: datetime
    timezone: str
    begins_at: datetime
    runs: bool
    clocks: str | None
    moved: tuple[datetime, ...]
    left_out: tuple[datetime, ...]
    twice: str | None


async def list_schedules(admin: Admin) -> list[ScheduleSummary]:
    """All schedules by id, the stored ones and those that are only configured."""
    worker = admin.ctx.worker
    newest = await worker.runs.newest_slots()
    keys = [Slot(schedule=key, at=at).key for key, at in newest.items()]
    records = {r.schedule: r for r in (await worker.runs.find_many(keys)).values()}
    now = worker.now()
    return [
        ScheduleSummary(**_summary(admin, stored, newest, records.get(stored.id), now))
        for stored in await schedule_admin.all_schedules(worker)
    ]


async def show_schedule(admin: Admin, schedule_id: str) -> ScheduleDetail:
    """One schedule in full.

    Raises:
        NotFound: there is no such schedule.
    """
    stored = await schedule_admin.find_schedule(admin.ctx.worker, schedule_id)
    return await detail_of(admin, stored)


async def detail_of(admin: Admin, stored: StoredSchedule) -> ScheduleDetail:
    """A schedule that has been read, in full."""
    worker = admin.ctx.worker
    record = await worker.runs.newest(stored.id)
    newest = {stored.id: record.slot} if record is not None and record.slot is not None else {}
    return ScheduleDetail(
        **_summary(admin, stored, newest, record, worker.now()),
        spec=stored.schedule,
        configured=stored.configured,
        since=stored.effective_since,
        history=stored.history,
    )


async def next_slots(admin: Admin, schedule_id: str, count: int) -> list[SlotView]:
    """The next slots of a schedule, in order.

    Raises:
        NotFound: there is no such schedule.
    """
    worker = admin.ctx.worker
    stored = await schedule_admin.find_schedule(worker, schedule_id)
    record = await worker.runs.newest(schedule_id)
    newest = record.slot if record is not None else None
    coming = islice(upcoming.upcoming_slots(stored, newest, worker.now()), count)
    return [_slot_view(slot, runs=stored.is_active) for slot in coming]


def slots_of(schedule: Schedule, now: datetime, count: int) -> list[SlotView]:
    """The next slots of a schedule that is not stored, such as one that is being edited."""
    coming = islice(preview.upcoming_slots("", schedule, now), count)
    return [_slot_view(slot, runs=schedule.enabled) for slot in coming]


def _summary(
    admin: Admin,
    stored: StoredSchedule,
    newest: Mapping[str, datetime],
    record: RunRecord | None,
    now: datetime,
) -> dict[str, Any]:
    recorded = newest.get(stored.id)
    coming = (
        next(upcoming.upcoming_slots(stored, recorded, now), None) if stored.is_active else None
    )
    due = schedule_admin.unrecorded_slot_after(stored, recorded, now)
    grace = _LATE_AFTER + timedelta(seconds=stored.schedule.jitter_s)
    at = coming.slot.at if coming is not None else None
    return {
        "id": stored.id,
        "job": stored.schedule.job,
        "trigger": stored.schedule.trigger,
        "words": "It cannot be read" if stored.unreadable else preview.describe(stored.schedule),
        "timezone": stored.schedule.timezone,
        "state": stored.state,
        "reason": stored.reason,
        "revision": stored.revision,
        "origin": stored.origin,
        "edited": stored.edited,
        "next": at,
        "next_local": at.astimezone(ZoneInfo(stored.schedule.timezone)) if at else None,
        "due": due,
        "late": due is not None and now - due > grace,
        "last": _last_run(record),
    }


def _last_run(record: RunRecord | None) -> LastRun | None:
    if record is None or record.slot is None:
        return None
    return LastRun(
        run_id=record.id,
        slot=record.slot,
        outcome=record.outcome,
        started_at=record.started_at,
        finished_at=record.finished_at,
        duration_s=record.duration_s,
        lateness_s=record.lateness_s,
    )


def _slot_view(slot: UpcomingSlot, *, runs: bool) -> SlotView:
    return SlotView(
        slot=slot.slot.at,
        local=slot.local,
        timezone=str(slot.local.tzinfo),
        begins_at=slot.begins_at,
        runs=runs,
        clocks=slot.clocks,
        moved=slot.moved,
        left_out=slot.left_out,
        twice=slot.twice,
    )
