"""Slots that are due while their job runs, or during downtime."""

import asyncio
from typing import Any

from tests.conftest import NOON, Clock
from tests.support.recording_job import RecordingJob
from tests.support.scheduling import (
    hourly_schedule,
    make_scheduler,
    outcomes_by_hour,
    tick_after,
    wait_until,
    wait_until_idle,
)


async def test_without_coalescing_slots_after_downtime_run_one_after_another(
    contexts: Any, db: Any
) -> None:
    clock, chore = Clock(NOON), RecordingJob()
    schedule = hourly_schedule(coalesce=False)
    async with await make_scheduler(contexts, clock, chore, {"s": schedule}) as scheduler:
        clock.move(hours=4, minutes=5)
        for _ in range(20):
            await tick_after(scheduler, clock)
            clock.move(seconds=1)

    assert outcomes_by_hour(db) == dict.fromkeys(["13", "14", "15", "16"], "succeeded")
    assert chore.started == [f"2026-10-21T{hour}:00:00Z" for hour in (13, 14, 15, 16)]
    assert chore.max_running == 1


async def test_without_coalescing_a_slot_that_falls_due_in_a_run_is_skipped_all_the_same(
    contexts: Any, db: Any
) -> None:
    clock, chore = Clock(NOON), RecordingJob(held=True)
    schedule = hourly_schedule(coalesce=False)
    async with await make_scheduler(contexts, clock, chore, {"s": schedule}) as scheduler:
        clock.move(hours=1)
        await scheduler.tick()
        await wait_until(lambda: chore.started)
        clock.move(hours=1)
        await scheduler.tick()
        await wait_until(lambda: outcomes_by_hour(db).get("14") == "skipped_overlap")
        chore.release.set()
        await wait_until_idle(scheduler)

    assert chore.max_running == 1


async def test_at_most_max_instances_run_at_a_time_across_daemons(contexts: Any, db: Any) -> None:
    clock, chore = Clock(NOON), RecordingJob(held=True)
    schedules = {f"s{n}": hourly_schedule(lock="shared", max_instances=2) for n in range(4)}
    one = await make_scheduler(contexts, clock, chore, schedules)
    two = await make_scheduler(contexts, clock, chore, schedules)
    async with one, two:
        clock.move(hours=1)
        await asyncio.gather(one.tick(), two.tick())
        await wait_until(lambda: len(chore.started) == 2)
        await wait_until(lambda: db.job_runs.count_documents({"outcome": "skipped_overlap"}) == 2)
        chore.release.set()
        await wait_until(lambda: not one.running and not two.running)

    assert chore.max_running == 2
    assert sorted(row["outcome"] for row in db.job_runs.find()) == [
        "skipped_overlap", "skipped_overlap", "succeeded", "succeeded",
    ]  # fmt: skip


async def test_two_schedules_with_one_lock_never_run_together(contexts: Any, db: Any) -> None:
    clock, chore = Clock(NOON), RecordingJob(held=True)
    schedules = {f"s{n}": hourly_schedule(lock="shared", overlap="queue_one") for n in range(2)}
    async with await make_scheduler(contexts, clock, chore, schedules) as scheduler:
        clock.move(hours=1)
        await scheduler.tick()
        await wait_until(lambda: chore.started)
        chore.release.set()
        await wait_until_idle(scheduler)
        await tick_after(scheduler, clock, seconds=1)

    assert chore.max_running == 1
    assert db.job_runs.count_documents({"outcome": "succeeded"}) == 2
