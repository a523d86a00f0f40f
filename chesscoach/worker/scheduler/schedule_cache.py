"""The schedules in memory: what the store holds of them, and how far each is accounted for."""

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
    """All of them, by id; read from the store when it says that they have changed.

    All instants here are behind the clock by `standby`: what is due is so as seen from there.
    """

    def __init__(
        self, worker: Worker, jobs: Mapping[str, Job], standby: timedelta = timedelta()
    ) -> None:
        self._worker = worker
        self._jobs = jobs
        self._takeover_delay = standby
        self._refused: set[str] = set()
        self._changes = -1
        self.by_id: dict[str, CachedSchedule] = {}

    def now(self) -> datetime:
        """The instant as of which schedules are looked at."""
        return self._worker.now() - self._takeover_delay

    def due(self, now: datetime) -> list[CachedSchedule]:
        """Those that are to be looked at."""
        return [
            each for each in self.by_id.values() if each.next_check_at and each.next_check_at <= now
        ]

    async def is_outdated(self) -> bool:
        """Whether schedules have changed in the store since they were read."""
        return await self._worker.schedules.changes() != self._changes

    async def refresh(self) -> None:
        """Reads the schedules if they have changed; every one that is active is looked at then."""
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
        """Sets aside what no job would accept, and takes it back when one does.

        A daemon says so once. If another one, of a newer version, takes the schedule back, the
        older one leaves it to that: otherwise they would contradict each other without end.
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
        """What is to be done about a schedule; None if nothing but to wait."""
        ahead, entry.planned_ahead = entry.planned_ahead, None
        if ahead is not None:
            at, planned = ahead
            next_at, slot = planned.slots.next_check_at, planned.slots.slot
            late = slot is None or due.is_too_late(planned.schedule, slot, now)
            if at <= now and not late and (next_at is None or now < next_at):
                return planned
        return self._plan(entry, now)

    def plan_ahead(self, now: datetime) -> None:
        """Plans what falls due before the next tick: then many may do so, and each is late."""
        for entry in self.by_id.values():
            at = entry.next_check_at
            if entry.planned_ahead is not None or entry.pending_slot is not None:
                continue
            if at is not None and now < at <= now + _TICK_INTERVAL:
                with suppress(Exception):  # it is planned again in its time, and told of
                    if (planned := self._plan(entry, at)) is not None:
                        entry.planned_ahead = at, planned

    def _plan(self, entry: CachedSchedule, now: datetime) -> DueSchedule | None:
        stored = entry.stored
        found = due.due_slots(stored.id, stored.schedule, entry.last_recorded, now)
        if entry.pending_slot is not None:
            found = due.DueSlots(
                slot=Slot(schedule=stored.id, at=entry.pending_slot), next_check_at=now
            )
        if found.slot is None and found.missed is None and found.coalesced is None:
            entry.next_check_at = found.next_check_at
            return None
        return DueSchedule(
            job=self._jobs[stored.schedule.job],
            schedule_id=stored.id,
            schedule=stored.schedule,
            slots=found,
        )

    async def mark_recorded(self, done: DueSchedule) -> None:
        """What was planned is recorded: the next look is for what comes after it."""
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
        """A run of a schedule has ended: a slot may have waited for that."""
        entry = self.by_id.get(schedule_id)
        if entry is not None and entry.next_check_at is not None and entry.stored.is_active:
            entry.next_check_at = min(entry.next_check_at, self.now())
