"""Pitfalls 1 to 10 of aiocron: overlap, bursts, clocks, downtime, and bad schedules."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from chesscoach import config
from chesscoach.context import Context
from chesscoach.errors import ConfigError
from chesscoach.metrics import Metrics
from chesscoach.schedules.outcome import Counts
from chesscoach.schedules.schedule import Schedule
from chesscoach.worker.job import Job, Run
from chesscoach.worker.scheduler.scheduler import Scheduler
from chesscoach.worker.scheduler.ticker import Ticker
from chesscoach.worker.shutdown import ShutdownRequest
from tests.conftest import NOON, Clock
from tests.support.recording_job import Args, RecordingJob
from tests.support.scheduling import (
    RingCounter,
    hourly_schedule,
    make_scheduler,
    outcomes_by_hour,
    tick_after,
    wait_until,
    wait_until_idle,
)

NEW_YORK = "America/New_York"


SECONDLY = Schedule(job="chore", cron="* * * * * *")


async def test_pitfall_01_overlap_a_long_run_is_not_joined_by_the_next(
    contexts: Any, db: Any
) -> None:
    clock, chore = Clock(NOON), RecordingJob(held=True)
    async with await make_scheduler(contexts, clock, chore, {"s": SECONDLY}) as scheduler:
        for _ in range(4):
            clock.move(seconds=1)
            await scheduler.tick()
        await wait_until(lambda: db.job_runs.count_documents({"outcome": "skipped_overlap"}) == 3)
        chore.release.set()

    assert (chore.max_running, len(chore.started)) == (1, 1)


async def test_pitfall_02_burst_ticks_that_pile_up_begin_one_run(contexts: Any, db: Any) -> None:
    clock, chore = Clock(NOON), RecordingJob()
    async with await make_scheduler(contexts, clock, chore, {"s": SECONDLY}) as scheduler:
        clock.move(seconds=5)
        await asyncio.gather(*(scheduler.ticker.on_second() for _ in range(5)))
        await wait_until(lambda: chore.ended)
        await wait_until_idle(scheduler)

    assert chore.started == ["2026-10-21T12:00:05Z"]
    assert db.job_runs.find_one({"outcome": "coalesced"})["count"] == 4


async def test_pitfall_03_blocking_job_leaves_no_backlog_of_the_others(
    contexts: Any, db: Any
) -> None:
    """It blocks the loop; the slots of another schedule that passed meanwhile are worked once."""
    clock, chore = Clock(NOON), RecordingJob()

    async def block(ctx: Context, run: Run, args: Args) -> Counts:
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            pass
        clock.move(seconds=5)
        return run.counts

    blocking = Job(name="blocking", run=block, args=Args, help="Blocks.")
    ctx = await contexts(clock)
    schedules = {
        "blocking": Schedule(job="blocking", at=NOON + timedelta(seconds=1)),
        "s": Schedule(job="chore", cron="*/2 * * * * *"),
    }
    ctx = replace(ctx, config=replace(ctx.config, schedules=schedules))
    jobs = {"chore": chore.job, "blocking": blocking}
    async with Scheduler(ctx.worker, ShutdownRequest(), jobs) as scheduler:
        await tick_after(scheduler, clock, seconds=1)
        await tick_after(scheduler, clock)

    assert chore.started == ["2026-10-21T12:00:06Z"]
    assert db.job_runs.find_one({"outcome": "coalesced"})["count"] == 2


@pytest.mark.parametrize("step", [-30.4, 3600.0])
async def test_pitfall_04_stepped_clock_is_noticed_and_the_ticks_continue(step: float) -> None:
    bell, metrics, moved = RingCounter(), Metrics(), 0.0
    clock = Ticker(bell.ring, metrics, wall=lambda: time.time() + moved)
    clock.start()
    await bell.wait_for_ring()
    moved = step
    await bell.wait_for_ring()
    await bell.wait_for_ring()
    await clock.stop()

    assert metrics.registry.get_sample_value("chesscoach_clock_steps_total") == 1


async def test_pitfall_04_stepped_clock_fires_nothing_before_its_time(
    contexts: Any, db: Any
) -> None:
    clock, chore = Clock(NOON + timedelta(minutes=59, seconds=50)), RecordingJob()
    async with await make_scheduler(contexts, clock, chore, {"s": hourly_schedule()}) as scheduler:
        clock.move(seconds=-30)
        for _ in range(39):
            clock.move(seconds=1)
            await scheduler.tick()
        assert not scheduler.running
        assert not chore.started
        await tick_after(scheduler, clock, seconds=1)

    assert chore.started == ["2026-10-21T13:00:00Z"]


@pytest.mark.parametrize(
    ("hours", "outcomes"),
    [
        ((8.1,), {"19": "coalesced x7", "20": "succeeded"}),
        ((1, 3.5, 0), {"13": "succeeded", "15": "coalesced x2", "16": "succeeded"}),
    ],
    ids=["05 suspend", "16 idle for hours"],
)
async def test_pitfalls_05_and_16_the_newest_slot_runs_once_on_waking(
    contexts: Any, db: Any, hours: tuple[float, ...], outcomes: dict[str, str]
) -> None:
    """Hours pass on the wall and none on the monotonic clock."""
    clock, chore = Clock(NOON), RecordingJob()
    async with await make_scheduler(contexts, clock, chore, {"s": hourly_schedule()}) as scheduler:
        for passed in hours:
            await tick_after(scheduler, clock, hours=passed)

    assert outcomes_by_hour(db) == outcomes


async def test_pitfall_06_downtime_a_start_just_after_a_slot_runs_it(
    contexts: Any, db: Any
) -> None:
    clock, chore = Clock(NOON + timedelta(minutes=59)), RecordingJob()
    async with await make_scheduler(contexts, clock, chore, {"s": hourly_schedule()}):
        pass
    clock.move(minutes=1, seconds=0.4)
    async with await make_scheduler(contexts, clock, chore, {"s": hourly_schedule()}) as scheduler:
        await wait_until_idle(scheduler)

    assert chore.started == ["2026-10-21T13:00:00Z"]


async def test_pitfall_07_fold_a_restart_in_its_second_pass_repeats_nothing(
    contexts: Any, db: Any
) -> None:
    nightly = {"s": Schedule(job="chore", cron="30 1 * * *", timezone=NEW_YORK)}
    clock, chore = Clock(datetime(2026, 11, 1, 5, 29, tzinfo=UTC)), RecordingJob()  # 01:29 EDT
    async with await make_scheduler(contexts, clock, chore, nightly) as scheduler:
        await tick_after(scheduler, clock, minutes=1)
    clock.now = datetime(2026, 11, 1, 6, 10, tzinfo=UTC)  # 01:10 EST
    async with await make_scheduler(contexts, clock, chore, nightly) as scheduler:
        for _ in range(12):
            await tick_after(scheduler, clock)
            clock.move(minutes=5)

    assert chore.started == ["2026-11-01T05:30:00Z"]


@pytest.mark.parametrize(
    ("name", "value", "key"),
    [
        ("CRON", "61 * * * *", "schedules.sync_games"),
        ("CRON", "0 0 31 2 *", "schedules.sync_games"),
        ("CRON", "every day", "schedules.sync_games"),
        ("TIMEZONE", "Europe/Atlantis", "schedules.sync_games"),
    ],
)
def test_pitfall_08_bad_spec_is_refused_by_name_at_start(name: str, value: str, key: str) -> None:
    with pytest.raises(ConfigError, match=key):
        config.load(None, {f"CHESSCOACH_SCHEDULES__SYNC_GAMES__{name}": value})


async def test_pitfall_09_default_timezone_is_utc_wherever_the_machine_is(
    contexts: Any, db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, chore = Clock(NOON), RecordingJob()
    monkeypatch.setenv("TZ", NEW_YORK)
    time.tzset()
    try:
        daily = {"s": Schedule(job="chore", cron="0 13 * * *")}
        async with await make_scheduler(contexts, clock, chore, daily) as scheduler:
            await tick_after(scheduler, clock, hours=1)
    finally:
        monkeypatch.undo()
        time.tzset()

    assert chore.started == ["2026-10-21T13:00:00Z"]


async def test_pitfall_10_import_binds_to_no_loop() -> None:
    """Each `asyncio.run` is a loop of its own, made long after our modules were imported."""

    async def ring() -> int:
        bell = RingCounter()
        clock = Ticker(bell.ring, Metrics())
        clock.start()
        await bell.wait_for_ring()
        await clock.stop()
        return bell.count

    for _ in range(2):
        assert await asyncio.to_thread(lambda: asyncio.run(ring())) == 1
