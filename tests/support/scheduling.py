"""Schedulers on a test's clock, and what tests wait for and read of them."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from bson import Timestamp
from msgspec.structs import replace

from chesscoach.context import Context
from chesscoach.metrics import Metrics
from chesscoach.schedules.schedule import Schedule, Slot
from chesscoach.worker.job import Job
from chesscoach.worker.runner import runner
from chesscoach.worker.runner.result import RunResult
from chesscoach.worker.scheduler.scheduler import Scheduler
from chesscoach.worker.scheduler.ticker import Ticker
from chesscoach.worker.shard import ALL_USERS, Shard
from chesscoach.worker.shutdown import ShutdownRequest
from chesscoach.worker.store.schedules import StoredSchedule
from tests.conftest import Clock
from tests.support.recording_job import RecordingJob

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EVERY_TWO_SECONDS = {"CHESSCOACH_SCHEDULES__SYNC_GAMES__CRON": "*/2 * * * * *"}
"""The environment of a process whose sync is due that often."""

HOURLY = Schedule(job="sync_games", cron="0 * * * *")
DAILY = Schedule(job="sync_games", cron="0 3 * * *")


class ManualClocks:
    """A wall clock and a monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.wall_time = 1_795_000_000.0
        self.monotonic = 1000.0

    def advance(self, seconds: float, step: float = 0.0) -> None:
        """Moves both clocks, and steps the wall clock."""
        self.monotonic += seconds
        self.wall_time += seconds + step


class SkewedClock(Clock):
    """A clock that is some seconds ahead of or behind another."""

    def __init__(self, base: Clock, seconds: float = 0.0) -> None:
        self.base = base
        self.seconds = seconds

    def __call__(self) -> datetime:
        """Returns the instant of the clock."""
        return self.base() + timedelta(seconds=self.seconds)


class RingCounter:
    """A tick of a real timer: it counts, and sets `rung`."""

    def __init__(self) -> None:
        self.count = 0
        self.rung = asyncio.Event()

    async def ring(self) -> None:
        """Counts a wake-up."""
        self.count += 1
        self.rung.set()

    async def wait_for_ring(self) -> None:
        """Waits for the next wake-up."""
        self.rung.clear()
        await asyncio.wait_for(self.rung.wait(), 30)


def make_ticker(tick: Any, hands: ManualClocks, metrics: Metrics | None = None) -> Ticker:
    return Ticker(tick, metrics or Metrics(), lambda: hands.wall_time, lambda: hands.monotonic)


def hourly_schedule(**fields: Any) -> Schedule:
    return Schedule(job="chore", cron="0 * * * *", **fields)


def with_schedules(ctx: Context, **schedules: Schedule) -> Context:
    return replace(ctx, config=replace(ctx.config, schedules=schedules))


async def make_scheduler(
    contexts: Any, clock: Clock, chore: RecordingJob, schedules: dict[str, Schedule]
) -> Scheduler:
    ctx: Context = await contexts(clock)
    ctx = replace(ctx, config=replace(ctx.config, schedules=schedules))
    return Scheduler(ctx.worker, ShutdownRequest(), {"chore": chore.job})


async def run_slot(
    ctx: Context,
    job: Job,
    schedule: Schedule,
    slot: Slot,
    source: str = "cli",
    *,
    shard: Shard = ALL_USERS,
    stop: ShutdownRequest | None = None,
) -> RunResult:
    """Runs a slot as a process of that source does."""
    stop = stop or ShutdownRequest()
    return await runner.run_slot(
        ctx.worker, job, schedule, slot, source=source, stop=stop, shard=shard
    )


async def load_schedule(ctx: Context, schedule_id: str = "s") -> StoredSchedule:
    stored = await ctx.worker.schedules.get(schedule_id)
    assert stored is not None
    return stored


async def wait_until(condition: Any) -> None:
    """Waits until a condition holds."""
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


async def wait_until_idle(*schedulers: Scheduler) -> None:
    """Waits until no run is in progress."""
    await wait_until(lambda: not any(scheduler.running for scheduler in schedulers))


async def tick_after(scheduler: Scheduler, clock: Clock, **delta: float) -> None:
    """Moves the clock by the arguments of a timedelta, ticks, and waits until no run is left."""
    clock.move(**delta)
    await scheduler.tick()
    await wait_until_idle(scheduler)


async def refresh_until(scheduler: Scheduler, condition: Any) -> None:
    """Refreshes a scheduler, as its tick does every few seconds, until a condition holds."""
    async with asyncio.timeout(60):
        while not condition():
            await scheduler.refresh()
            await wait_until_idle(scheduler)
            await asyncio.sleep(0.1)


def outcomes_by_hour(db: Any) -> dict[str, str]:
    """Returns the outcome of each slot by hour, with the count of a range."""
    rows = db.job_runs.find({"schedule": {"$ne": None}}).sort("slot")
    return {
        f"{row['slot']:%H}": row["outcome"] + (f" x{row['count']}" if row.get("count") else "")
        for row in rows
    }


def expire_owner(db: Any, run_id: str) -> None:
    """Makes a run's owner a process that died an hour ago: its claim is old, its lease expired."""
    hour_ago = Timestamp(int(datetime.now(UTC).timestamp()) - 3600, 1)
    row = db.job_runs.find_one_and_update(
        {"_id": run_id}, {"$set": {"claimed_at": hour_ago, "outcome": "running"}}
    )
    db.job_leases.update_one({"_id": row["lease"]}, {"$set": {"expires_at": EPOCH}})


def expire_process(db: Any, run_id: str) -> None:
    """Makes the process that held all leases one that died an hour ago in a run."""
    expire_owner(db, run_id)
    db.job_leases.update_many({"owner": {"$ne": None}}, {"$set": {"expires_at": EPOCH}})
