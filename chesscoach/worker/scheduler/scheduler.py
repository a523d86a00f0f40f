"""The daemon's scheduler: it finds what is due, claims it in bulk and runs it.

Each second it compares the schedules in memory with the clock. It reads the database only when a
schedule is due, or to see whether schedules have changed. Several daemons can do this on one
database: the one that inserts a slot's record runs it. A daemon with a takeover delay sees a slot
later, so that others can claim it first. A database error costs one tick.
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
from chesscoach.worker.runner import runner as runner_module
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
"""How often the scheduler checks whether schedules have changed, also while none is due."""

_CLAIM_BATCH = 250
"""Maximum number of slots in one claim, so that several daemons share the slots of a second."""

_CLAIM_CHUNK = 1000
"""Maximum number of slots that are claimed before the first of them starts."""

_RECOVERY_INTERVAL_S = 15.0
"""How often the scheduler looks for runs without a process: half the time of a lease."""

_RETENTION_INTERVAL_S = 3600.0
_RETRY_DELAY_S = 5.0
_ONE_SECOND, _BAD_SCHEDULE_RETRY = timedelta(seconds=1), timedelta(minutes=10)


class Scheduler:
    """Runs the stored schedules from `__aenter__` on; `__aexit__` drains the runs."""

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
        if not self._stop.requested.is_set():  # a second request would be an urgent one
            self._stop.request()
        self._watchdog.stop()
        await self.ticker.stop()
        if self.running:
            log.get_logger().info("draining", runs=len(self.running))
            await asyncio.wait(self.running.values())
        log.get_logger().info("scheduler_stopped")

    async def tick(self) -> None:
        """Claims and starts what is due; after a database error it is due again."""
        async with self._ticking:
            await self._tick()

    async def _tick(self) -> None:
        if self._stop.requested.is_set():
            return
        now = self._cache.now()
        try:
            if self._cache.due(now):
                if await self._cache.is_outdated():
                    await self.refresh(sweep=False)  # an operator's change takes effect at once
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
        """Reads the schedules if they have changed, and takes over runs that have no process."""
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
        """Deletes old run records, except those that decide about late slots."""
        known = [entry.stored.schedule for entry in self._cache.by_id.values()]
        kept_days = self._worker.config.runner.keep_runs_days
        before = retention.runs_before(self._worker.now(), kept_days, known)
        if count := await self._worker.runs.delete_older_than(before):
            log.get_logger().info("runs_deleted", count=count, before=before.isoformat())

    async def _run_due(self, entries: list[CachedSchedule], now: datetime) -> None:
        wanted = [plan for entry in entries if (plan := self._plan(entry, now)) is not None]
        random.shuffle(wanted)  # daemons of the same second do not all begin with the same slot
        wanted = await self._without_blocked(wanted, now)
        for start in range(0, len(wanted), _CLAIM_CHUNK):
            won: list[ClaimedRun] = []
            try:
                await self._claim(wanted[start : start + _CLAIM_CHUNK], won)
            finally:  # what is claimed runs, also if the database has failed since
                for claimed in won:
                    self._start_task(claimed.claim.run.id, self._run_claimed(claimed))

    async def _claim(self, wanted: list[DueSchedule], won: list[ClaimedRun]) -> None:
        """Claims batches concurrently, all before a run starts and uses the database."""
        if self._stop.requested.is_set():
            return
        batches = [
            wanted[start : start + _CLAIM_BATCH] for start in range(0, len(wanted), _CLAIM_BATCH)
        ]
        results = await asyncio.gather(
            *(self._claim_batch(batch, won) for batch in batches), return_exceptions=True
        )
        for error in filter(None, results):
            raise error

    async def _claim_batch(self, batch: list[DueSchedule], won: list[ClaimedRun]) -> None:
        won += await claim.claim_due(self._worker, batch, "daemon")
        for planned in batch:
            await self._cache.mark_recorded(planned)

    def _plan(self, entry: CachedSchedule, now: datetime) -> DueSchedule | None:
        """Returns what to do about a schedule; an error in one schedule does not affect others."""
        try:
            return self._cache.plan(entry, now)
        except Exception as error:  # noqa: BLE001  # as it says
            entry.next_check_at = now + _BAD_SCHEDULE_RETRY
            self._report_failure(entry.stored.id, error)
            return None

    async def _without_blocked(self, wanted: list[DueSchedule], now: datetime) -> list[DueSchedule]:
        """Leaves out slots that must wait for the end of another run before they are claimed."""
        patient = {
            planned.schedule_id: claim.leases_of(self._worker, planned)
            for planned in wanted
            if _may_wait(planned)
        }
        if not patient:
            return wanted
        held = await self._worker.leases.statuses(k for keys in patient.values() for k in keys)
        free, begun = [], Counter[str]()
        for planned in wanted:
            keys = claim.leases_of(self._worker, planned)
            living = [lease for key in keys if (lease := held.get(key)) and lease.alive]
            full = len(living) + begun[keys[0]] >= len(keys)
            if planned.schedule_id in patient and full and _must_wait(planned, living):
                self._cache.by_id[planned.schedule_id].next_check_at = now + _ONE_SECOND
            else:
                begun[keys[0]] += 1
                free.append(planned)
        return free

    def start_slot(self, schedule: Schedule, slot: Slot, shard: Shard = ALL_USERS) -> None:
        """Starts a slot that another process may hold, unless it runs here already."""
        key = attempts.shard_key(slot.key, shard)
        if key not in self.running:
            self._start_task(key, self._run_slot(schedule, slot, shard))

    def _start_task(self, key: str, run: Coroutine[None, None, None]) -> None:
        """Keeps a run's task until it ends."""
        task = asyncio.create_task(run, name=key)
        self.running[key] = task
        task.add_done_callback(lambda _: self._on_run_ended(key))

    def _on_run_ended(self, key: str) -> None:
        self.running.pop(key, None)
        self._cache.on_run_ended(key.partition(":")[0])

    async def _run_claimed(self, won: ClaimedRun) -> None:
        """Runs a claimed slot; an error in it does not affect others."""
        try:
            await runner_module.run_claimed(self._worker, won, self._stop)
        except Exception as error:  # noqa: BLE001  # an error in one schedule does not affect others
            self._report_failure(won.claim.run.id, error)

    async def _run_slot(self, schedule: Schedule, slot: Slot, shard: Shard) -> None:
        """Runs an open slot, and tries again while the database is unavailable."""
        job = self._jobs[schedule.job]
        while not self._stop.requested.is_set():
            try:
                await runner_module.run_slot(
                    self._worker, job, schedule, slot, source="daemon", stop=self._stop, shard=shard
                )
            except StoreUnavailable as error:
                self._worker.metrics.tick_errors.inc()
                log.get_logger().error("slot_delayed", slot=slot.key, reason=str(error))
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.requested.wait(), _RETRY_DELAY_S)
            except Exception as error:  # noqa: BLE001  # as above
                self._report_failure(slot.key, error)
                return
            else:
                return

    def _report_failure(self, key: str, error: Exception) -> None:
        self._worker.metrics.tick_errors.inc()
        ours = isinstance(error, ChesscoachError)
        log.get_logger().error(
            "slot_failed",
            slot=key,
            reason=str(error) if ours else type(error).__name__,
            exc_info=None if ours else error,
        )


def _may_wait(planned: DueSchedule) -> bool:
    """Whether a slot waits for a held lease instead of being skipped."""
    patient = planned.schedule.overlap == "queue_one" or not planned.schedule.coalesce
    return patient and planned.slots.slot is not None


def _must_wait(planned: DueSchedule, living: list[LeaseStatus]) -> bool:
    """Whether a patient slot waits for these runs: with `queue_one`, or if it came before them."""
    if planned.schedule.overlap == "queue_one":
        return True
    begun = [lease.holder.get("since") for lease in living]
    slot = planned.slots.slot
    return slot is not None and any(at and slot.at <= at for at in begun)
