"""The schedules in memory, and the newest recorded slot of each."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from chesscoach import log
from chesscoach.errors import ConfigError
from chesscoach.schedules import due
from chesscoach.schedules.schedule import Slot
from chesscoach.worker.job import Job, job_of
from chesscoach.worker.runner.skipping import DueSchedule
from chesscoach.worker.store.schedules import StoredSchedule
from chesscoach.worker.worker import Worker

_TICK_INTERVAL = timedelta(seconds=1.1)
"""The next tick comes within this time."""


class CachedSchedule(Struct):
    """A schedule in memory.

    `last_recorded` is the newest slot with a record, `next_check_at` when to look again.
    `pending_slot` fell due before an edit and still has to run. `planned_ahead` is what will be
    due at an instant.
    """

    stored: StoredSchedule
    last_recorded: datetime
    next_check_at: datetime | None
    pending_slot: datetime | None = None
    planned_ahead: tuple[datetime, DueSchedule] | None = None


class ScheduleCache:
    """All schedules by id, read from the database when they have changed.

    All instants here are behind the clock by the takeover delay.
    """

    def __init__(
        self, worker: Worker, jobs: Mapping[str, Job], takeover_delay: timedelta = timedelta()
    ) -> None:
        self._worker = worker
        self._jobs = jobs
        self._takeover_delay = takeover_delay
        self._refused: set[str] = set()
        self._changes = -1
        self.by_id: dict[str, CachedSchedule] = {}

    def now(self) -> datetime:
        """Returns the instant for which slots are due."""
        return self._worker.now() - self._takeover_delay

    def due(self, now: datetime) -> list[CachedSchedule]:
        """Returns the schedules that must be checked."""
        entries = self.by_id.values()
        return [entry for entry in entries if entry.next_check_at and entry.next_check_at <= now]

    async def is_outdated(self) -> bool:
        """Whether schedules have changed in the database since they were read."""
        return await self._worker.schedules.changes() != self._changes

    async def refresh(self) -> None:
        """Reads the schedules if they have changed; every active one is then due for a check."""
        changes = await self._worker.schedules.changes()
        if changes != self._changes:
            await self._read()
            self._changes = changes

    async def _read(self) -> None:
        newest = await self._worker.runs.newest_slots()
        entries = {}
        for stored in await self._worker.schedules.all():
            recorded = newest.get(stored.id)
            last = max(stored.effective_since, recorded or stored.effective_since)
            stored = await self._quarantine(stored)
            entry = CachedSchedule(stored=stored, last_recorded=last, next_check_at=None)
            if stored.is_active:
                entry.next_check_at = self.now()
                if stored.pending_slot is not None and (
                    recorded is None or recorded < stored.pending_slot
                ):
                    entry.pending_slot = stored.pending_slot
                    entry.next_check_at = max(entry.next_check_at, stored.pending_slot)
            entries[stored.id] = entry
        self.by_id = entries

    async def _quarantine(self, stored: StoredSchedule) -> StoredSchedule:
        """Quarantines a schedule that no job accepts, and releases it when one does.

        A daemon logs and stores this once. If a daemon of a newer version then releases the
        schedule, the older one leaves it so: otherwise each would undo the other's change.
        """
        if stored.retired:
            return stored
        try:
            job_of(stored.id, stored.schedule, self._jobs)
        except ConfigError as error:
            reason = stored.quarantined or str(error)
            if stored.id not in self._refused:
                self._refused.add(stored.id)
                log.get_logger().error("schedule_quarantined", schedule=stored.id, reason=reason)
                if stored.quarantined is None:
                    await self._set_quarantine(stored, reason)
            return replace(stored, quarantined=reason)
        self._refused.discard(stored.id)
        return stored if stored.quarantined is None else await self._set_quarantine(stored, None)

    async def _set_quarantine(self, stored: StoredSchedule, reason: str | None) -> StoredSchedule:
        now = self._worker.now()
        note = stored.change_entry("quarantined" if reason else "released", now, quarantined=reason)
        fields = {"quarantined": reason, "effective_since": now}
        changed = await self._worker.schedules.change(stored.id, stored.revision, note, **fields)
        return changed or stored

    def plan(self, entry: CachedSchedule, now: datetime) -> DueSchedule | None:
        """Returns what to do about a schedule; None to wait."""
        ahead, entry.planned_ahead = entry.planned_ahead, None
        if ahead is not None:
            at, planned = ahead
            next_at, slot = planned.slots.next_check_at, planned.slots.slot
            late = slot is None or due.is_too_late(planned.schedule, slot, now)
            if at <= now and not late and (next_at is None or now < next_at):
                return planned
        return self._plan(entry, now)

    def plan_ahead(self, now: datetime) -> None:
        """Plans what is due before the next tick, so that many slots can start on time."""
        for entry in self.by_id.values():
            at = entry.next_check_at
            if entry.planned_ahead is not None or entry.pending_slot is not None:
                continue
            if at is not None and now < at <= now + _TICK_INTERVAL:
                with suppress(Exception):  # it is planned again when due, and logged then
                    if (planned := self._plan(entry, at)) is not None:
                        entry.planned_ahead = at, planned

    def _plan(self, entry: CachedSchedule, now: datetime) -> DueSchedule | None:
        stored = entry.stored
        plan = due.due_slots(stored.id, stored.schedule, entry.last_recorded, now)
        if entry.pending_slot is not None:
            plan = due.DueSlots(
                slot=Slot(schedule=stored.id, at=entry.pending_slot), next_check_at=now
            )
        if plan.slot is None and plan.missed is None and plan.coalesced is None:
            entry.next_check_at = plan.next_check_at
            return None
        return DueSchedule(
            job=self._jobs[stored.schedule.job],
            schedule_id=stored.id,
            schedule=stored.schedule,
            slots=plan,
        )

    async def mark_recorded(self, done: DueSchedule) -> None:
        """Moves a schedule on after its planned slots are recorded."""
        entry = self.by_id.get(done.schedule_id)
        plan = done.slots
        spans = [span.last for span in (plan.missed, plan.coalesced) if span is not None]
        newest = max(slot.at for slot in (*spans, *([plan.slot] if plan.slot else [])))
        if entry is None:
            return
        if entry.pending_slot is not None and entry.pending_slot == newest:
            await self._worker.schedules.clear_owed(done.schedule_id, entry.pending_slot)
            entry.pending_slot = None
        entry.last_recorded, entry.planned_ahead = max(entry.last_recorded, newest), None
        entry.next_check_at = plan.next_check_at

    def on_run_ended(self, schedule_id: str) -> None:
        """Checks a schedule again after a run, because a slot may have waited for its end."""
        entry = self.by_id.get(schedule_id)
        if entry is not None and entry.next_check_at is not None and entry.stored.is_active:
            entry.next_check_at = min(entry.next_check_at, self.now())
