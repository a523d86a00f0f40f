"""Scenarios 1 to 4 of scheduling: replicas, skewed clocks, and processes that die."""

import asyncio
import random
from collections import Counter
from datetime import timedelta
from typing import Any

from chesscoach.config import Settings
from chesscoach.context import Context, open_context
from chesscoach.jobs import sync_games
from chesscoach.jobs.catalog import JOBS
from chesscoach.schedules.schedule import Slot
from chesscoach.worker.runner import attempts, claim
from chesscoach.worker.runner import runner as runner_module
from chesscoach.worker.scheduler.scheduler import Scheduler
from chesscoach.worker.shutdown import ShutdownRequest
from tests.conftest import NOON, Clock, FakeSites
from tests.support.processes import kill, line_with, start
from tests.support.recording_job import RecordingJob
from tests.support.scheduling import (
    SkewedClock,
    expire_owner,
    expire_process,
    hourly_schedule,
    make_scheduler,
    refresh_until,
    run_slot,
    wait_until,
    wait_until_idle,
)
from tests.support.sync.sync_members import add_member, before_now

JOB = "chesscoach.jobs.sync_games"


async def test_scenario_01_two_replicas_run_each_of_200_slots_once(contexts: Any, db: Any) -> None:
    chance, chore = random.Random(), RecordingJob()
    base = Clock(NOON)
    clocks = [SkewedClock(base), SkewedClock(base)]
    schedules = {f"s{n}": hourly_schedule(lock=f"s{n}") for n in range(10)}
    pair = [await make_scheduler(contexts, clock, chore, schedules) for clock in clocks]

    async def tick(number: int) -> None:
        await asyncio.sleep(chance.uniform(0, 0.05))
        clocks[number].seconds = chance.uniform(-0.05, 0.05)
        await pair[number].tick()

    async with pair[0], pair[1]:
        for hour in range(1, 21):
            base.now = NOON + timedelta(hours=hour)
            while len(chore.started) < 10 * hour:
                await asyncio.gather(tick(0), tick(1))
            await wait_until_idle(*pair)

    assert set(Counter(chore.started).values()) == {10}
    assert db.job_runs.count_documents({"outcome": "succeeded", "attempt": 1}) == 200
    assert db.job_runs.count_documents({}) == 200


async def test_scenario_02_clock_skew_a_finished_slot_is_not_repeated_and_leases_ignore_it(
    contexts: Any, db: Any
) -> None:
    base, quick, long = Clock(NOON), RecordingJob(), RecordingJob(held=True)
    ahead, behind = SkewedClock(base, 90), SkewedClock(base, 0)
    schedules = {"s": hourly_schedule()}
    one = await make_scheduler(contexts, ahead, quick, schedules)
    two = await make_scheduler(contexts, behind, quick, schedules)
    async with one, two:
        base.now = NOON + timedelta(minutes=59)
        await one.tick()
        await wait_until_idle(one)
        assert db.job_runs.count_documents({"outcome": "succeeded"}) == 1
        base.move(minutes=2)
        await two.tick()
        assert not two.running
    other = await contexts(ahead)
    ctx = await contexts(behind)
    slot = Slot(schedule="s", at=NOON + timedelta(hours=2))
    base.now = slot.at + timedelta(seconds=1)
    at_work = asyncio.create_task(run_slot(ctx, long.job, hourly_schedule(), slot, "cli"))
    await wait_until(lambda: long.started)
    base.move(hours=1)  # far beyond the lease on either clock, but not on the server's
    late = Slot(schedule="s", at=NOON + timedelta(hours=3))
    ending = await run_slot(other, long.job, hourly_schedule(), late, "cli")
    long.release.set()

    assert quick.started == ["2026-10-21T13:00:00Z"]
    assert (ending.exit_code, ending.record["reason"][:15]) == (0, "skipped_overlap")
    assert (await at_work).record["outcome"] == "succeeded"


async def test_scenario_03_kill_9_in_a_run_is_run_again_by_the_daemon(
    environment: dict[str, str], ctx: Context, db: Any, sites: FakeSites
) -> None:
    for number in range(6):
        await add_member(ctx, db, sites, f"P{number}", "chess.com")
        sites.world.add_game("chess.com", f"P{number}", before_now(days=1))
    sites.chesscom.faults.extend([None, None, "hang"])
    process = await start(environment, JOB, "--scheduled")
    run_id = (await line_with(process, "job_started"))["run_id"]
    await kill(process)
    expire_process(db, run_id)
    sites.chesscom.faults.clear()

    async with Scheduler(ctx.worker, ShutdownRequest(), JOBS) as scheduler:
        await refresh_until(
            scheduler, lambda: db.job_runs.find_one({"_id": run_id})["outcome"] == "succeeded"
        )

    row = db.job_runs.find_one({"_id": run_id})
    assert (row["attempt"], row["source"]) == (2, "daemon")
    assert [old["outcome"] for old in row["earlier"]] == ["abandoned"]
    assert db.games.count_documents({}) == 6


async def test_scenario_04_crash_between_claim_and_lease_is_recovered(
    contexts: Any, db: Any
) -> None:
    clock, chore = Clock(NOON + timedelta(hours=1)), RecordingJob()
    dead = await contexts(clock)
    slot = Slot(schedule="s", at=clock())
    claimed = await claim.claim_slot(dead.worker, chore.job, hourly_schedule(), slot, "cli")
    assert isinstance(claimed, attempts.Attempt)
    await dead.leases.release(claimed.lease)
    async with await make_scheduler(contexts, clock, chore, {"s": hourly_schedule()}) as scheduler:
        await scheduler.refresh()
        assert not scheduler.running, "it may still be about to take its lease"
        expire_owner(db, slot.key)
        await scheduler.refresh()
        await wait_until_idle(scheduler)

    row = db.job_runs.find_one()
    assert (row["outcome"], row["attempt"]) == ("succeeded", 2)


async def test_scenario_04_crash_between_work_and_record_repeats_no_effect(
    long_lease_settings: Settings, db: Any, sites: FakeSites
) -> None:
    async with open_context(long_lease_settings) as ctx:
        for number in range(3):
            await add_member(ctx, db, sites, f"P{number}", "chess.com")
            sites.world.add_game("chess.com", f"P{number}", before_now(days=1))
        schedule = ctx.config.schedules["sync_games"]
        slot = Slot(
            schedule="sync_games", at=before_now(hours=1).replace(minute=0, second=0, microsecond=0)
        )
        slot = Slot(schedule="sync_games", at=slot.at.replace(hour=slot.at.hour // 6 * 6))
        job, stop = sync_games.JOB, ShutdownRequest()
        await runner_module.run_slot(
            ctx.worker, job, schedule, slot, source="kubernetes", stop=stop
        )
        before = list(db.games.find().sort("_id"))
        expire_owner(db, slot.key)

        async with Scheduler(ctx.worker, ShutdownRequest(), JOBS) as scheduler:
            await refresh_until(
                scheduler, lambda: db.job_runs.find_one({"_id": slot.key})["outcome"] == "succeeded"
            )

        assert db.job_runs.find_one({"_id": slot.key})["attempt"] == 2
        assert list(db.games.find().sort("_id")) == before
        assert len(before) == 3
