"""Scenarios 14 and 15 of scheduling: edits, several configurations, and bad schedules."""

import asyncio
import json
import time
from typing import Any

import pytest
from msgspec.structs import replace

from chesscoach.config import Config
from chesscoach.schedules.schedule import Schedule, Slot
from chesscoach.worker.runner import runner
from chesscoach.worker.scheduler import schedule_admin
from chesscoach.worker.scheduler.scheduler import Scheduler
from chesscoach.worker.shutdown import ShutdownRequest
from tests.conftest import NOON, Clock
from tests.support.recording_job import Args, RecordingJob
from tests.support.scheduling import (
    hourly_schedule,
    load_schedule,
    make_scheduler,
    outcomes_by_hour,
    run_slot,
    tick_after,
    wait_until,
    wait_until_idle,
    with_schedules,
)


async def test_scenario_14_edit_or_pause_races_two_who_click_run_now(
    contexts: Any, db: Any
) -> None:
    chore = RecordingJob(held=True)
    admins = [await contexts(Clock(NOON)) for _ in range(2)]

    async def click(ctx: Any) -> int:
        ending = await runner.run_manually(ctx.worker, chore.job, Args(), ShutdownRequest())
        if ending.exit_code:
            assert "chore is already running: run chore:manual:" in ending.record["reason"]
            chore.release.set()
        return ending.exit_code

    assert sorted(await asyncio.gather(*map(click, admins))) == [0, 75]
    assert len(chore.started) == 1


async def test_scenario_14_pause_in_a_run_lets_it_end_and_is_not_made_up_for(
    contexts: Any, db: Any
) -> None:
    clock, chore = Clock(NOON), RecordingJob(held=True)
    ctx = with_schedules(await contexts(clock), s=hourly_schedule())
    async with Scheduler(ctx.worker, ShutdownRequest(), {"chore": chore.job}) as scheduler:
        clock.move(hours=1)
        await scheduler.tick()
        await wait_until(lambda: chore.started)
        paused = await schedule_admin.pause_schedule(ctx.worker, await load_schedule(ctx))
        chore.release.set()
        await wait_until_idle(scheduler)
        for _ in range(3):
            clock.move(hours=1)
            await scheduler.tick()
            await scheduler.refresh()
        clock.move(minutes=30)
        await schedule_admin.resume_schedule(ctx.worker, paused)
        await scheduler.refresh()
        await wait_until_idle(scheduler)
        await tick_after(scheduler, clock, minutes=30)

    assert outcomes_by_hour(db) == {"13": "succeeded", "17": "succeeded"}


async def test_scenario_14_edit_while_due_of_expression_and_timezone_loses_and_doubles_nothing(
    contexts: Any, db: Any
) -> None:
    clock, chore = Clock(NOON), RecordingJob()
    daily = Schedule(job="chore", cron="0 13 * * *")
    async with await make_scheduler(contexts, clock, chore, {"s": daily}):
        pass
    clock.move(hours=1, minutes=20)
    # 13:30 here is 15:30 in Athens; 13:00 of before the edit is due.
    changed = replace(daily, cron="30 16 * * *", timezone="Europe/Athens")
    async with await make_scheduler(contexts, clock, chore, {"s": changed}) as scheduler:
        await wait_until_idle(scheduler)
        for _ in range(2):
            clock.now = clock.now.replace(minute=30)
            await tick_after(scheduler, clock)
            clock.move(days=1)

    assert sorted(f"{row['slot']:%d %H:%M}" for row in db.job_runs.find()) == [
        "21 13:00", "21 13:30", "22 13:30",
    ]  # fmt: skip
    assert db.schedules.find_one({"_id": "s"})["owed"] is None


async def test_scenario_14_two_daemons_with_different_configurations_run_the_newest(
    contexts: Any, db: Any
) -> None:
    clock, chore = Clock(NOON), RecordingJob()
    half_past = replace(hourly_schedule(), cron="30 * * * *")
    one = await make_scheduler(contexts, clock, chore, {"s": hourly_schedule(), "gone": half_past})
    two = await make_scheduler(contexts, clock, chore, {"s": half_past})
    async with one, two:
        for _ in range(4):
            clock.move(minutes=30)
            await asyncio.gather(one.tick(), two.tick())
            await wait_until_idle(one, two)

    assert chore.started == ["2026-10-21T12:30:00Z", "2026-10-21T13:30:00Z"]
    assert db.schedules.find_one({"_id": "gone"})["retired"]


async def test_scenario_14_renamed_job_is_quarantined_once_and_left_to_the_daemon_that_has_it(
    contexts: Any, db: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two versions side by side, as in a deploy; neither contradicts the other without end."""
    clock, chore = Clock(NOON), RecordingJob()
    old = Scheduler((await contexts(clock)).worker, ShutdownRequest(), {})
    async with old, await make_scheduler(contexts, clock, chore, {"s": hourly_schedule()}) as new:
        for _ in range(4):
            await old.refresh()
            await new.refresh()
            clock.move(seconds=5)
        changes = db.schedules.find_one({"_id": "#changes"})["count"]
        clock.now = NOON.replace(hour=13)
        for each in (old, new, old, new):
            await each.tick()
            await each.refresh()
        await wait_until_idle(new)

    assert chore.started == ["2026-10-21T13:00:00Z"]
    assert db.schedules.find_one({"_id": "#changes"})["count"] == changes
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    quarantined = [line["schedule"] for line in lines if line["event"] == "schedule_quarantined"]
    assert sorted(quarantined) == sorted(["s", *Config().schedules]), (
        "each once, its own and the other's"
    )
    assert db.schedules.find_one({"_id": "s"})["quarantined"] is None


async def test_scenario_15_poison_schedule_or_job_does_not_affect_others(
    contexts: Any, db: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """One whose next slot cannot be worked out, and one whose job fails each time."""
    clock, chore, poor = Clock(NOON), RecordingJob(), RecordingJob("poor")
    poor.fail = OSError()
    minutely = Schedule(job="poor", cron="* * * * *")
    ctx = with_schedules(
        await contexts(clock), s=hourly_schedule(), poor=minutely, odd=replace(minutely, job="odd")
    )
    jobs = {"chore": chore.job, "poor": poor.job, "odd": poor.job}
    async with Scheduler(ctx.worker, ShutdownRequest(), jobs) as scheduler:
        del jobs["odd"]
        for _ in range(4):
            await tick_after(scheduler, clock, minutes=15)

    assert len(poor.started) == 4
    assert chore.started == ["2026-10-21T13:00:00Z"]
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    failed = [line for line in lines if line["event"] == "slot_failed"]
    assert {line["slot"] for line in failed} == {"odd"}
    assert db.job_runs.count_documents({"schedule": "odd"}) == 0


async def test_scenario_15_poison_load_a_blocked_loop_keeps_the_scheduler_alive(
    contexts: Any, db: Any
) -> None:
    clock, chore = Clock(NOON), RecordingJob()
    async with await make_scheduler(contexts, clock, chore, {"s": hourly_schedule()}) as scheduler:
        end = time.monotonic() + 3
        while time.monotonic() < end:
            pass
        blocked = scheduler.ticker.last_wake
        clock.move(hours=1)
        await wait_until(lambda: chore.ended)
        await wait_until_idle(scheduler)
        assert scheduler.ticker.last_wake > blocked

    assert outcomes_by_hour(db) == {"13": "succeeded"}


async def test_scenario_15_duplicates_cronjob_daemon_and_person_make_one_run(
    contexts: Any, db: Any
) -> None:
    clock, chore = Clock(NOON), RecordingJob(held=True)
    pod, person = await contexts(clock), await contexts(clock)
    slot = Slot(schedule="s", at=NOON.replace(hour=13))
    async with await make_scheduler(contexts, clock, chore, {"s": hourly_schedule()}) as scheduler:
        clock.move(hours=1)
        await scheduler.tick()
        await wait_until(lambda: chore.started)

        async def of_slot() -> Any:
            return await run_slot(pod, chore.job, hourly_schedule(), slot, "kubernetes")

        beside, by_hand = await asyncio.gather(
            of_slot(), runner.run_manually(person.worker, chore.job, Args(), ShutdownRequest())
        )
        chore.release.set()
        await wait_until_idle(scheduler)
        after = await of_slot()

    assert (beside.exit_code, beside.record["reason"][:8]) == (0, "running:")
    assert by_hand.exit_code == 75
    assert (after.exit_code, after.record["reason"]) == (0, "closed: succeeded")
    assert len(chore.started) == 1
