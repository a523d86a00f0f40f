"""What is due, computed from the store and the clock, claimed in bulk and worked.

Each second the schedules in memory are compared with the clock; the store is read only when one is
due, or to look whether they have changed. Any number of daemons may do this on one database: who
inserts a slot's record works it. One that stands by sees a slot so much later, when others have
had their chance. A store that fails costs a tick and nothing else.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from datetime import datetime, timedelta

from chesscoach import log
from chesscoach.context import Context
from chesscoach.errors import ChesscoachError, StoreUnavailable
from chesscoach.jobs import catalog
from chesscoach.schedules import retention
from chesscoach.schedules.schedule import Schedule, Slot
from chesscoach.worker.job import Job, Stop
from chesscoach.worker.runner import attempts, bulk_claim
from chesscoach.worker.runner import runner as work
from chesscoach.worker.scheduler import recovery, schedule_admin
from chesscoach.worker.scheduler.schedule_cache import Entries, Entry
from chesscoach.worker.scheduler.ticker import Alarm, Watchdog
from chesscoach.worker.shard import WHOLE, Shard
from chesscoach.worker.store.lease import Holding

_REFRESH_S = 10.0
"""So often the store is asked whether schedules have changed, also while nothing is due."""

_PART = 250
"""Slots in one claim: daemons that share a second share its slots, too."""

_SLICE = 1000
"""Slots that are claimed before the first of them is begun."""

_SWEEP_S = 15.0
"""So often runs are looked for that nobody works: half the life of a lease."""

_FORGET_S = 3600.0
_RETRY_S = 5.0
_SECOND, _ODD = timedelta(seconds=1), timedelta(minutes=10)


class Scheduler:
    """Works the stored schedules from `__aenter__` on; `__aexit__` drains what runs."""

    def __init__(self, ctx: Context, stop: Stop, jobs: Mapping[str, Job] = catalog.JOBS) -> None:
        self._ctx = ctx
        self._stop = stop
        self._jobs = jobs
        self._entries = Entries(ctx, jobs, timedelta(seconds=ctx.config.runner.standby_s))
        self._looked_at = self._swept_at = self._forgot_at = float("-inf")
        self.running: dict[str, asyncio.Task[None]] = {}
        self._ticking = asyncio.Lock()
        self.alarm = Alarm(self.tick, ctx.metrics)
        self._watchdog = Watchdog(self.alarm)

    async def __aenter__(self) -> "Scheduler":
        await schedule_admin.lay(self._ctx)
        await self.look()
        await self.tick()
        self.alarm.start()
        self._watchdog.start()
        log.get_logger().info("scheduler_started", schedules=len(self._entries.by_id))
        return self

    async def __aexit__(self, *exc: object) -> None:
        if not self._stop.asked.is_set():  # a second wish would be an urgent one
            self._stop.ask()
        self._watchdog.stop()
        await self.alarm.stop()
        if self.running:
            log.get_logger().info("draining", runs=len(self.running))
            await asyncio.wait(self.running.values())
        log.get_logger().info("scheduler_stopped")

    async def tick(self) -> None:
        """Claims and starts what has fallen due; what a store error hinders is due again."""
        async with self._ticking:
            await self._tick()

    async def _tick(self) -> None:
        if self._stop.asked.is_set():
            return
        now = self._entries.now()
        try:
            if self._entries.due(now):
                if await self._entries.outdated():
                    await self.look(sweep=False)  # an operator's change counts at once
                await self._work_due(self._entries.due(now), now)
            now_s = asyncio.get_running_loop().time()
            if now_s - self._looked_at >= _REFRESH_S:
                sweep_s = min(_SWEEP_S, self._ctx.store.leases.ttl_s / 2)
                await self.look(sweep=now_s - self._swept_at >= sweep_s)
            self._entries.foresee(self._entries.now())
        except ChesscoachError as error:
            self._ctx.metrics.tick_errors.inc()
            log.get_logger().error("tick_failed", error=str(error))

    async def look(self, *, sweep: bool = True) -> None:
        """Reads the schedules if they have changed, and takes on runs that nobody works."""
        self._looked_at = asyncio.get_running_loop().time()
        await self._entries.refresh()
        if sweep:
            self._swept_at = self._looked_at
            stored = {key: entry.stored for key, entry in self._entries.by_id.items()}
            async for schedule, slot, shard in recovery.sweep(self._ctx, stored):
                self.begin(schedule, slot, shard)
        if self._looked_at - self._forgot_at >= _FORGET_S:
            self._forgot_at = self._looked_at
            await self._forget()

    async def _forget(self) -> None:
        """Deletes old run records, but none that a late slot could still be judged by."""
        known = [entry.stored.schedule for entry in self._entries.by_id.values()]
        kept_days = self._ctx.config.runner.keep_runs_days
        before = retention.runs_before(self._ctx.now(), kept_days, known)
        if count := await self._ctx.store.runs.forget(before):
            log.get_logger().info("runs_forgotten", count=count, before=before.isoformat())

    async def _work_due(self, entries: list[Entry], now: datetime) -> None:
        wanted = [found for entry in entries if (found := self._planned(entry, now)) is not None]
        random.shuffle(wanted)  # daemons that meet at the same second do not all begin alike
        wanted = await self._free(wanted, now)
        for start in range(0, len(wanted), _SLICE):
            won: list[bulk_claim.Won] = []
            try:
                await self._claim(wanted[start : start + _SLICE], won)
            finally:  # what is ours is worked, also if the store has failed since
                for each in won:
                    self._run(each.new.id, self._work_won(each))

    async def _claim(self, wanted: list[bulk_claim.Due], won: list[bulk_claim.Won]) -> None:
        """Claims in parts side by side, all before any is begun: work that ends needs the store."""
        if self._stop.asked.is_set():
            return
        parts = [wanted[start : start + _PART] for start in range(0, len(wanted), _PART)]
        ended = await asyncio.gather(
            *(self._claim_part(part, won) for part in parts), return_exceptions=True
        )
        for error in filter(None, ended):
            raise error

    async def _claim_part(self, part: list[bulk_claim.Due], won: list[bulk_claim.Won]) -> None:
        won += await bulk_claim.take(self._ctx, part, "daemon")
        for each in part:
            await self._entries.accounted(each)

    def _planned(self, entry: Entry, now: datetime) -> bulk_claim.Due | None:
        """What is to be done about a schedule; one whose slots cannot be computed hinders none."""
        try:
            return self._entries.plan(entry, now)
        except Exception as error:  # noqa: BLE001  # as it says
            entry.again_at = now + _ODD
            self._failed(entry.stored.id, error)
            return None

    async def _free(self, wanted: list[bulk_claim.Due], now: datetime) -> list[bulk_claim.Due]:
        """Without those that wait for a run of their own job to end before they are claimed."""
        patient = {
            each.schedule_id: bulk_claim.leases(self._ctx, each) for each in wanted if _waits(each)
        }
        if not patient:
            return wanted
        held = await self._ctx.store.leases.look_many(k for keys in patient.values() for k in keys)
        free, begun = [], Counter[str]()
        for each in wanted:
            keys = bulk_claim.leases(self._ctx, each)
            living = [found for key in keys if (found := held.get(key)) and found.alive]
            full = len(living) + begun[keys[0]] >= len(keys)
            if each.schedule_id in patient and full and _stands_back(each, living):
                self._entries.by_id[each.schedule_id].again_at = now + _SECOND
            else:
                begun[keys[0]] += 1
                free.append(each)
        return free

    def begin(self, schedule: Schedule, slot: Slot, shard: Shard = WHOLE) -> None:
        """Starts work on a slot that may be somebody's, unless it is our own already."""
        key = attempts.part_key(slot.key, shard)
        if key not in self.running:
            self._run(key, self._work_slot(schedule, slot, shard))

    def _run(self, key: str, work: Coroutine[None, None, None]) -> None:
        """Keeps a run's task until it ends."""
        task = asyncio.create_task(work, name=key)
        self.running[key] = task
        task.add_done_callback(lambda _: self._ended(key))

    def _ended(self, key: str) -> None:
        self.running.pop(key, None)
        self._entries.ended(key.partition(":")[0])

    async def _work_won(self, won: bulk_claim.Won) -> None:
        """Works a slot that is ours; its own trouble is no other's."""
        try:
            await work.of_claim(self._ctx, won, self._stop)
        except Exception as error:  # noqa: BLE001  # one schedule's trouble is no other's
            self._failed(won.new.id, error)

    async def _work_slot(self, schedule: Schedule, slot: Slot, shard: Shard) -> None:
        """Works an open slot; while the store is away it is tried again."""
        job = self._jobs[schedule.job]
        while not self._stop.asked.is_set():
            try:
                await work.of_slot(
                    self._ctx, job, schedule, slot, source="daemon", stop=self._stop, shard=shard
                )
            except StoreUnavailable as error:
                self._ctx.metrics.tick_errors.inc()
                log.get_logger().error("slot_waits", slot=slot.key, reason=str(error))
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.asked.wait(), _RETRY_S)
            except Exception as error:  # noqa: BLE001  # as above
                self._failed(slot.key, error)
                return
            else:
                return

    def _failed(self, key: str, error: Exception) -> None:
        self._ctx.metrics.tick_errors.inc()
        ours = isinstance(error, ChesscoachError)
        log.get_logger().error(
            "slot_failed",
            slot=key,
            reason=str(error) if ours else type(error).__name__,
            exc_info=None if ours else error,
        )


def _waits(each: bulk_claim.Due) -> bool:
    """Whether a slot may have to wait for a lease instead of being skipped for want of it."""
    patient = each.schedule.overlap == "queue_one" or not each.schedule.coalesce
    return patient and each.plan.work is not None


def _stands_back(each: bulk_claim.Due, living: list[Holding]) -> bool:
    """Whether it does: always with `queue_one`; else if it was due before those runs began."""
    if each.schedule.overlap == "queue_one":
        return True
    begun = [holding.holder.get("since") for holding in living]
    return each.plan.work is not None and any(at and each.plan.work.at <= at for at in begun)
