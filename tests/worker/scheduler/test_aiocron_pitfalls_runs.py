"""Pitfalls 11 to 22 of aiocron: errors of jobs, stops, restarts, and late slots."""

import asyncio
import re
import time
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

import chesscoach
from chesscoach.context import Context
from chesscoach.metrics import Metrics
from chesscoach.schedules.outcome import Counts
from chesscoach.schedules.schedule import Schedule
from chesscoach.worker.job import Job, Run
from chesscoach.worker.scheduler.recovery import RETRY_DELAY
from chesscoach.worker.scheduler.scheduler import Scheduler
from chesscoach.worker.scheduler.ticker import Ticker
from chesscoach.worker.shutdown import ShutdownRequest
from tests.conftest import NOON, Clock
from tests.support.recording_job import Args, RecordingJob
from tests.support.scheduling import (
    ManualClocks,
    RingCounter,
    hourly_schedule,
    make_scheduler,
    make_ticker,
    outcomes_by_hour,
    tick_after,
    wait_until,
    wait_until_idle,
)


async def test_pitfall_11_exception_of_a_job_is_recorded_and_the_slot_tried_again(
    contexts: Any, db: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    clock, chore = Clock(NOON), RecordingJob()
    chore.fail = ValueError("no")
    async with await make_scheduler(contexts, clock, chore, {"s": hourly_schedule()}) as scheduler:
        await tick_after(scheduler, clock, hours=1)
        assert outcomes_by_hour(db) == {"13": "failed"}
        clock.move(seconds=RETRY_DELAY.total_seconds() - 1)
        await scheduler.refresh()
        assert not scheduler.running
        chore.fail = None
        clock.move(seconds=1)
        await scheduler.refresh()
        await wait_until_idle(scheduler)

    row = db.job_runs.find_one()
    assert (row["outcome"], row["attempt"]) == ("succeeded", 2)
    assert "job_failed" in capsys.readouterr().out


async def test_pitfall_12_cancelled_error_of_a_job_is_recorded_as_its_failure(
    contexts: Any, db: Any
) -> None:
    """Nobody stopped it: left open as `cancelled` it would be begun again without end."""
    clock, chore = Clock(NOON), RecordingJob()
    chore.fail = asyncio.CancelledError()
    async with await make_scheduler(contexts, clock, chore, {"s": hourly_schedule()}) as scheduler:
        clock.move(hours=1)
        for _ in range(5):
            await scheduler.tick()
            await scheduler.refresh()
            await wait_until_idle(scheduler)
            clock.move(seconds=RETRY_DELAY.total_seconds())

    row = db.job_runs.find_one()
    assert (row["outcome"], row["attempt"]) == ("failed", 2)
    assert row["errors"] == [{"error": "CancelledError"}]
    assert len(chore.started) == 2


@pytest.mark.parametrize(
    ("where", "error"),
    [
        ("in the job", SystemExit(3)),
        ("concurrent", KeyboardInterrupt()),
        ("interruptible", SystemExit(3)),
    ],
)
async def test_pitfall_13_system_exit_in_a_job_fails_its_run_and_ends_nothing_else(
    contexts: Any, db: Any, error: BaseException, where: str
) -> None:
    clock, chore = Clock(NOON), RecordingJob(held=True)

    async def leave(ctx: Context, run: Run, args: Args) -> Counts:
        async def child() -> None:
            raise error

        if where == "concurrent":
            await run.run_concurrently(child())
        elif where == "interruptible":
            await run.run_interruptible(child())
        await child()
        return run.counts

    ctx = await contexts(clock)
    schedules = {"leaving": Schedule(job="leaving", cron="0 * * * *"), "s": hourly_schedule()}
    ctx = replace(ctx, config=replace(ctx.config, schedules=schedules))
    jobs = {"chore": chore.job, "leaving": Job(name="leaving", run=leave, args=Args, help="Goes.")}
    async with Scheduler(ctx.worker, ShutdownRequest(), jobs) as scheduler:
        clock.move(hours=1)
        await scheduler.tick()
        await wait_until(lambda: db.job_runs.count_documents({"outcome": "failed"}))
        chore.release.set()
        await wait_until_idle(scheduler)

    row = db.job_runs.find_one({"schedule": "leaving"})
    reason = f"the job tried to end the process ({type(error).__name__})"
    assert (row["outcome"], row["errors"]) == ("failed", [{"error": reason}])
    assert db.job_runs.find_one({"schedule": "s"})["outcome"] == "succeeded"


async def test_pitfall_14_stop_waits_for_what_runs_and_leaves_no_task(
    contexts: Any, db: Any
) -> None:
    clock, chore = Clock(NOON), RecordingJob(held=True)
    scheduler = await make_scheduler(contexts, clock, chore, {"s": hourly_schedule()})
    async with scheduler:
        clock.move(hours=1)
        await scheduler.tick()
        await wait_until(lambda: chore.started)
        leaving = asyncio.create_task(scheduler.__aexit__())
        done, _ = await asyncio.wait({leaving}, timeout=0.2)
        assert not done, "it waits"
        chore.release.set()
        await leaving
        names = {task.get_name() for task in asyncio.all_tasks()}

    assert not {name for name in names if name == "tick" or name.startswith("s:")}
    assert outcomes_by_hour(db) == {"13": "succeeded"}
    assert db.job_leases.count_documents({"owner": {"$ne": None}}) == 0


async def test_pitfall_15_stop_that_is_broken_off_breaks_no_tick() -> None:
    """Aiocron's `next()`, which is left waiting, is not used at all."""
    hands, go, done = ManualClocks(), asyncio.Event(), asyncio.Event()

    async def tick() -> None:
        await go.wait()
        done.set()

    clock = make_ticker(tick, hands)
    hands.advance(1)
    await clock.on_second()
    stopping = asyncio.create_task(clock.stop())
    await asyncio.sleep(0)
    stopping.cancel()
    await asyncio.wait({stopping})
    assert not done.is_set()
    go.set()
    await clock.stop()

    assert done.is_set()


async def test_pitfall_17_restarts_of_the_alarm_leave_one_timer() -> None:
    bell, moved = RingCounter(), 0.0
    clock = Ticker(bell.ring, Metrics(), wall=lambda: time.time() + moved)
    clock.start()
    await bell.wait_for_ring()
    for _ in range(3):  # each step restarts the cron
        moved += 100
        await bell.wait_for_ring()
    counted, begun = bell.count, time.monotonic()
    await bell.wait_for_ring()
    await bell.wait_for_ring()
    assert bell.count - counted <= time.monotonic() - begun + 1, "one ring a second"
    await clock.stop()
    counted = bell.count
    await asyncio.sleep(1.5)

    assert bell.count == counted, "no timer was left"


async def test_pitfall_18_exhausted_schedule_keeps_its_last_run_and_the_others(
    contexts: Any, db: Any
) -> None:
    clock, chore = Clock(NOON), RecordingJob()
    schedules = {
        "once": Schedule(job="chore", at=NOON + timedelta(hours=1), lock="once"),
        "s": hourly_schedule(),
    }
    async with await make_scheduler(contexts, clock, chore, schedules) as scheduler:
        for _ in range(3):
            await tick_after(scheduler, clock, hours=1)

    assert [row["slot"].hour for row in db.job_runs.find({"schedule": "once"})] == [13]
    assert db.job_runs.count_documents({"schedule": "s", "outcome": "succeeded"}) == 3


async def test_pitfalls_19_and_20_an_early_wake_begins_nothing_and_a_late_one_names_its_slot(
    contexts: Any, db: Any
) -> None:
    clock, chore = Clock(NOON), RecordingJob()
    async with await make_scheduler(contexts, clock, chore, {"s": hourly_schedule()}) as scheduler:
        clock.move(hours=1, milliseconds=-1)
        await scheduler.tick()
        assert not scheduler.running
        await tick_after(scheduler, clock, seconds=47.301)

    assert chore.started == ["2026-10-21T13:00:00Z"]
    assert db.job_runs.find_one()["lateness_s"] == pytest.approx(47.3)


async def test_pitfall_21_injected_clock_is_the_only_one_that_slots_go_by(
    contexts: Any, db: Any
) -> None:
    """A month of days, years from now, and no waiting for any of it."""
    clock, chore = Clock(datetime(2031, 3, 1, 11, 59, tzinfo=UTC)), RecordingJob()
    daily = {"s": Schedule(job="chore", cron="0 12 * * *")}
    async with await make_scheduler(contexts, clock, chore, daily) as scheduler:
        for _ in range(31):
            await tick_after(scheduler, clock, days=1)

    assert len(chore.started) == 31
    rows = list(db.job_runs.find({"outcome": "succeeded"}))
    assert {row["started_at"] - row["slot"] for row in rows} == {timedelta(hours=23, minutes=59)}


def test_pitfall_22_versions_are_pinned_and_what_cronsim_does_not_know_is_refused() -> None:
    """Aiocron 2 changed its parser: what it took before could silently never run."""
    root = Path(chesscoach.__file__).parent.parent
    pins = (root / "requirements" / "runtime.txt").read_text()
    for name, least in (("aiocron", (2, 1)), ("cronsim", (2, 8))):
        installed = version(name)
        assert re.search(rf"^{name}=={re.escape(installed)} ", pins, re.MULTILINE)
        assert tuple(int(part) for part in installed.split(".")[:2]) >= least
    for cron in ("@daily", "0 0 * * ?", "0 0 * * fri-mon", "H * * * *", "0 0"):
        with pytest.raises(ValueError, match="cron cannot be read"):
            Schedule(job="chore", cron=cron)
