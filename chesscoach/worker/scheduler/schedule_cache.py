"""The schedules in memory: what the store holds of them, and how far each is accounted for."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from chesscoach import log
from chesscoach.context import Context
from chesscoach.errors import ConfigError
from chesscoach.jobs import catalog
from chesscoach.schedules import due
from chesscoach.schedules.schedule import Slot
from chesscoach.worker.job import Job
from chesscoach.worker.runner import bulk_claim
from chesscoach.worker.store.schedules import Stored

_TICK = timedelta(seconds=1.1)
"""The next tick comes within this time."""


class Entry(Struct):
    """A schedule in memory.

    `last` is the newest slot that is accounted for, `again_at` when to look again, `owed` a slot
    of before an edit that is still to be worked. `ahead` is what will be planned at an instant.
    """

    stored: Stored
    last: datetime
    again_at: datetime | None
    owed: datetime | None = None
    ahead: tuple[datetime, bulk_claim.Due] | None = None


class Entries:
    """All of them, by id; read from the store when it says that they have changed.

    All instants here are behind the clock by `standby`: what is due is so as seen from there.
    """

    def __init__(
        self, ctx: Context, jobs: Mapping[str, Job], standby: timedelta = timedelta()
    ) -> None:
        self._ctx = ctx
        self._jobs = jobs
        self._standby = standby
        self._refused: set[str] = set()
        self._changes = -1
        self.by_id: dict[str, Entry] = {}

    def now(self) -> datetime:
        """The instant as of which schedules are looked at."""
        return self._ctx.now() - self._standby

    def due(self, now: datetime) -> list[Entry]:
        """Those that are to be looked at."""
        return [each for each in self.by_id.values() if each.again_at and each.again_at <= now]

    async def outdated(self) -> bool:
        """Whether schedules have changed in the store since they were read."""
        return await self._ctx.store.schedules.changes() != self._changes

    async def refresh(self) -> None:
        """Reads the schedules if they have changed; every one that is active is looked at then."""
        changes = await self._ctx.store.schedules.changes()
        if changes != self._changes:
            await self._read()
            self._changes = changes

    async def _read(self) -> None:
        newest = await self._ctx.store.runs.newest_slots()
        entries = {}
        for stored in await self._ctx.store.schedules.all():
            recorded = newest.get(stored.id)
            last = max(stored.since, recorded or stored.since)
            stored = await self._quarantine(stored)
            entry = Entry(stored=stored, last=last, again_at=None)
            if stored.active:
                entry.again_at = self.now()
                if stored.owed is not None and (recorded is None or recorded < stored.owed):
                    entry.owed = stored.owed
                    entry.again_at = max(entry.again_at, stored.owed)
            entries[stored.id] = entry
        self.by_id = entries

    async def _quarantine(self, stored: Stored) -> Stored:
        """Sets aside what no job would accept, and takes it back when one does.

        A daemon says so once. If another one, of a newer version, takes the schedule back, the
        older one leaves it to that: otherwise they would contradict each other without end.
        """
        if stored.retired:
            return stored
        try:
            catalog.accept(stored.id, stored.schedule, self._jobs)
        except ConfigError as error:
            reason = stored.quarantined or str(error)
            if stored.id not in self._refused:
                self._refused.add(stored.id)
                log.get_logger().error("schedule_quarantined", schedule=stored.id, reason=reason)
                if stored.quarantined is None:
                    await self._set_aside(stored, reason)
            return replace(stored, quarantined=reason)
        self._refused.discard(stored.id)
        return stored if stored.quarantined is None else await self._set_aside(stored, None)

    async def _set_aside(self, stored: Stored, reason: str | None) -> Stored:
        now = self._ctx.now()
        note = stored.noted("quarantined" if reason else "released", now, quarantined=reason)
        fields = {"quarantined": reason, "since": now}
        changed = await self._ctx.store.schedules.change(stored.id, stored.revision, note, **fields)
        return changed or stored

    def plan(self, entry: Entry, now: datetime) -> bulk_claim.Due | None:
        """What is to be done about a schedule; None if nothing but to wait."""
        ahead, entry.ahead = entry.ahead, None
        if ahead is not None:
            at, planned = ahead
            next_at, slot = planned.plan.again_at, planned.plan.work
            late = slot is None or due.too_late(planned.schedule, slot, now)
            if at <= now and not late and (next_at is None or now < next_at):
                return planned
        return self._plan(entry, now)

    def foresee(self, now: datetime) -> None:
        """Plans what falls due before the next tick: then many may do so, and each is late."""
        for entry in self.by_id.values():
            at = entry.again_at
            if entry.ahead is not None or entry.owed is not None:
                continue
            if at is not None and now < at <= now + _TICK:
                with suppress(Exception):  # it is planned again in its time, and told of
                    if (planned := self._plan(entry, at)) is not None:
                        entry.ahead = at, planned

    def _plan(self, entry: Entry, now: datetime) -> bulk_claim.Due | None:
        stored = entry.stored
        found = due.plan(stored.id, stored.schedule, entry.last, now)
        if entry.owed is not None:
            found = due.Plan(work=Slot(schedule=stored.id, at=entry.owed), again_at=now)
        if found.work is None and found.missed is None and found.coalesced is None:
            entry.again_at = found.again_at
            return None
        return bulk_claim.Due(
            job=self._jobs[stored.schedule.job],
            schedule_id=stored.id,
            schedule=stored.schedule,
            plan=found,
        )

    async def accounted(self, done: bulk_claim.Due) -> None:
        """What was planned is recorded: the next look is for what comes after it."""
        entry = self.by_id.get(done.schedule_id)
        plan = done.plan
        spans = [span.last for span in (plan.missed, plan.coalesced) if span is not None]
        newest = max(slot.at for slot in (*spans, *([plan.work] if plan.work else [])))
        if entry is None:
            return
        if entry.owed is not None and entry.owed == newest:
            await self._ctx.store.schedules.settle(done.schedule_id, entry.owed)
            entry.owed = None
        entry.last, entry.ahead = max(entry.last, newest), None
        entry.again_at = plan.again_at

    def ended(self, schedule_id: str) -> None:
        """A run of a schedule has ended: a slot may have waited for that."""
        entry = self.by_id.get(schedule_id)
        if entry is not None and entry.again_at is not None and entry.stored.active:
            entry.again_at = min(entry.again_at, self.now())
