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
from chesscoach.errors import ChesscoachError, StoreUnavailable
from chesscoach.schedules import retention
from chesscoach.schedules.schedule import Schedule, Slot
from chesscoach.worker.job import Job
from chesscoach.worker.runner import attempts, claim
from chesscoach.worker.runner import runner as work
from chesscoach.worker.runner.acquisition import ClaimedRun
from chesscoach.worker.runner.skipping import DueSchedule
from chesscoach.worker.scheduler import recovery, schedule_admin
from chesscoach.worker.scheduler.schedule_cache import CachedSchedule, ScheduleCache
from chesscoach.worker.scheduler.ticker import Ticker, Watchdog
from chesscoach.worker.shard import ALL_USERS, Shard
from chesscoach.worker.shutdown import ShutdownRequest
from chesscoach.worker.store.lease import LeaseStatus
from chesscoach.worker.worker import Worker

_REFRESH_INTERVAL_S = 10.0
"""So often the store is asked whether schedules have changed, also while nothing is due."""

_CLAIM_BATCH = 250
"""Slots in one claim: daemons that share a second share its slots, too."""

_CLAIM_CHUNK = 1000
"""Slots that are claimed before the first of them is begun."""

_RECOVERY_INTERVAL_S = 15.0
"""So often runs are looked for that nobody works: half the life of a lease."""

_RETENTION_INTERVAL_S = 3600.0
_RETRY_DELAY_S = 5.0
_ONE_SECOND, _BAD_SCHEDULE_RETRY = timedelta(seconds=1), timedelta(minutes=10)


class Scheduler:
    """Works the stored schedules from `__aenter__` on; `__aexit__` drains what runs."""

    def __init__(self, worker: Worker, stop: ShutdownRequest, jobs: Mapping[str, Job]) -> None:
        self._worker = worker
        self._stop = stop
        self._jobs = jobs
        self._cache = ScheduleCache(
            worker, jobs, timedelta(seconds=worker.config.runner.takeover_delay_s)
        )
        self._refreshed_at = self._recovered_at = self._retention_at = float("-inf")
        self.running: dict[str, asyncio.Task[None]] = {}
        self._ticking = asyncio.Lock()
        self.ticker = Ticker(self.tick, worker.metrics)
        self._watchdog = Watchdog(self.ticker)

    async def __aenter__(self) -> "Scheduler":
        await schedule_admin.sync_from_config(self._worker)
        await self.refresh()
        await self.tick()
        self.ticker.start()
        self._watchdog.start()
        log.get_logger().info("scheduler_started", schedules=len(self._cache.by_id))
        return self

    async def __aexit__(self, *exc: object) -> None:
        if not self._stop.requested.is_set():  # a second wish would be an urgent one
            self._stop.request()
        self._watchdog.stop()
        await self.ticker.stop()
        if self.running:
            log.get_logger().info("draining", runs=len(self.running))
            await asyncio.wait(self.running.values())
        log.get_logger().info("scheduler_stopped")

    async def tick(self) -> None:
        """Claims and starts what has fallen due; what a store error hinders is due again."""
        async with self._ticking:
            await self._tick()

    async def _tick(self) -> None:
        if self._stop.requested.is_set():
            return
        now = self._cache.now()
        try:
            if self._cache.due(now):
                if await self._cache.is_outdated():
                    await self.refresh(sweep=False)  # an operator's change counts at once
                await self._run_due(self._cache.due(now), now)
            now_s = asyncio.get_running_loop().time()
            if now_s - self._refreshed_at >= _REFRESH_INTERVAL_S:
                sweep_s = min(_RECOVERY_INTERVAL_S, self._worker.leases.ttl_s / 2)
                await self.refresh(sweep=now_s - self._recovered_at >= sweep_s)
            self._cache.plan_ahead(self._cache.now())
        except ChesscoachError as error:
            self._worker.metrics.tick_errors.inc()
            log.get_logger().error("tick_failed", error=str(error))

    async def refresh(self, *, sweep: bool = True) -> None:
        """Reads the schedules if they have changed, and takes on runs that nobody works."""
        self._refreshed_at = asyncio.get_running_loop().time()
        await self._cache.refresh()
        if sweep:
            self._recovered_at = self._refreshed_at
            stored = {key: entry.stored for key, entry in self._cache.by_id.items()}
            async for schedule, slot, shard in recovery.open_slots(self._worker, stored):
                self.start_slot(schedule, slot, shard)
        if self._refreshed_at - self._retention_at >= _RETENTION_INTERVAL_S:
            self._retention_at = self._refreshed_at
            await self._delete_old_runs()

    async def _delete_old_runs(self) -> None:
        """Deletes old run records, but none that a late slot could still be judged by."""
        known = [entry.stored.schedule for entry in self._cache.by_id.values()]
        kept_days = self._worker.config.runner.keep_runs_days
        before = retention.runs_before(self._worker.now(), kept_days, known)
        if count := await self._worker.runs.delete_older_than(before):
            log.get_logger().info("runs_deleted", count=count, before=before.isoformat())

    async def _run_due(self, entries: list[CachedSchedule], now: datetime) -> None:
        wanted = [found for entry in entries if (found := self._plan(entry, now)) is not None]
        random.shuffle(wanted)  # daemons that meet at the same second do not all begin alike
        wanted = await self._without_blocked(wanted, now)
        for start in range(0, len(wanted), _CLAIM_CHUNK):
            won: list[ClaimedRun] = []
            try:
                await self._claim(wanted[start : start + _CLAIM_CHUNK], won)
            finally:  # what is ours is worked, also if the store has failed since
                for each in won:
                    self._start_task(each.claim.run.id, self._run_claimed(each))

    async def _claim(self, wanted: list[DueSchedule], won: list[ClaimedRun]) -> None:
        """Claims in parts side by side, all before any is begun: work that ends needs the store."""
        if self._stop.requested.is_set():
            return
        parts = [
            wanted[start : start + _CLAIM_BATCH] for start in range(0, len(wanted), _CLAIM_BATCH)
        ]
        ended = await asyncio.gather(
            *(self._claim_batch(part, won) for part in parts), return_exceptions=True
        )
        for error in filter(None, ended):
            raise error

    async def _claim_batch(self, part: list[DueSchedule], won: list[ClaimedRun]) -> None:
        won += await claim.claim_due(self._worker, part, "daemon")
        for each in part:
            await self._cache.mark_recorded(each)

    def _plan(self, entry: CachedSchedule, now: datetime) -> DueSchedule | None:
        """What is to be done about a schedule; one whose slots cannot be computed hinders none."""
        try:
            return self._cache.plan(entry, now)
        except Exception as error:  # noqa: BLE001  # as it says
            entry.next_check_at = now + _BAD_SCHEDULE_RETRY
            self._failed(entry.stored.id, error)
            return None

    async def _without_blocked(self, wanted: list[DueSchedule], now: datetime) -> list[DueSchedule]:
        """Without those that wait for a run of their own job to end before they are claimed."""
        patient = {
            each.schedule_id: claim.leases_of(self._worker, each)
            for each in wanted
            if _may_wait(each)
        }
        if not patient:
            return wanted
        held = await self._worker.leases.statuses(k for keys in patient.values() for k in keys)
        free, begun = [], Counter[str]()
        for each in wanted:
            keys = claim.leases_of(self._worker, each)
            living = [found for key in keys if (found := held.get(key)) and found.alive]
            full = len(living) + begun[keys[0]] >= len(keys)
            if each.schedule_id in patient and full and _must_wait(each, living):
                self._cache.by_id[each.schedule_id].next_check_at = now + _ONE_SECOND
            else:
                begun[keys[0]] += 1
                free.append(each)
        return free

    def start_slot(self, schedule: Schedule, slot: Slot, shard: Shard = ALL_USERS) -> None:
        """Starts work on a slot that may be somebody's, unless it is our own already."""
        key = attempts.shard_key(slot.key, shard)
        if key not in self.running:
            self._start_task(key, self._run_slot(schedule, slot, shard))

    def _start_task(self, key: str, work: Coroutine[None, None, None]) -> None:
        """Keeps a run's task until it ends."""
        task = asyncio.create_task(work, name=key)
        self.running[key] = task
        task.add_done_callback(lambda _: self._on_run_ended(key))

    def _on_run_ended(self, key: str) -> None:
        self.running.pop(key, None)
        self._cache.on_run_ended(key.partition(":")[0])

    async def _run_claimed(self, won: ClaimedRun) -> None:
        """Works a slot that is ours; its own trouble is no other's."""
        try:
            await work.run_claimed(self._worker, won, self._stop)
        except Exception as error:  # noqa: BLE001  # one schedule's trouble is no other's
            self._failed(won.claim.run.id, error)

    async def _run_slot(self, schedule: Schedule, slot: Slot, shard: Shard) -> None:
        """Works an open slot; while the store is away it is tried again."""
        job = self._jobs[schedule.job]
        while not self._stop.requested.is_set():
            try:
                await work.run_slot(
                    self._worker, job, schedule, slot, source="daemon", stop=self._stop, shard=shard
                )
            except StoreUnavailable as error:
                self._worker.metrics.tick_errors.inc()
                log.get_logger().error("slot_delayed", slot=slot.key, reason=str(error))
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.requested.wait(), _RETRY_DELAY_S)
            except Exception as error:  # noqa: BLE001  # as above
                self._failed(slot.key, error)
                return
            else:
                return

    def _failed(self, key: str, error: Exception) -> None:
        self._worker.metrics.tick_errors.inc()
        ours = isinstance(error, ChesscoachError)
        log.get_logger().error(
            "slot_failed",
            slot=key,
            reason=str(error) if ours else type(error).__name__,
            exc_info=None if ours else error,
        )


def _may_wait(each: DueSchedule) -> bool:
    """Whether a slot may have to wait for a lease instead of being skipped for want of it."""
    patient = each.schedule.overlap == "queue_one" or not each.schedule.coalesce
    return patient and each.slots.slot is not None


def _must_wait(each: DueSchedule, living: list[LeaseStatus]) -> bool:
    """Whether it does: always with `queue_one`; else if it was due before those runs began."""
    if each.schedule.overlap == "queue_one":
        return True
    begun = [holding.holder.get("since") for holding in living]
    return each.slots.slot is not None and any(at and each.slots.slot.at <= at for at in begun)
