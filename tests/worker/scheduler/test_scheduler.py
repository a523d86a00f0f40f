from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from chesscoach.jobs.catalog import JOBS
from chesscoach.schedules.schedule import Schedule
from chesscoach.worker.scheduler import schedule_admin
from chesscoach.worker.scheduler.scheduler import Scheduler
from chesscoach.worker.shutdown import ShutdownRequest
from tests.conftest import NOON, Clock
from tests.support.scheduling import wait_until_idle, with_schedules

DAILY = Schedule(job="cleanup", cron="0 3 * * *")
SIX_HOURLY = Schedule(job="sync_games", cron="0 */6 * * *")


async def test_a_slot_runs_once_when_it_is_due(contexts: Any, db: Any) -> None:
    clock = Clock(NOON - timedelta(seconds=2))
    ctx = with_schedules(await contexts(clock), sync_games=SIX_HOURLY)
    async with Scheduler(ctx.worker, ShutdownRequest(), JOBS) as scheduler:
        await scheduler.tick()
        assert not scheduler.running
        clock.move(seconds=3)
        await scheduler.tick()
        await scheduler.tick()
        await wait_until_idle(scheduler)

    (row,) = db.job_runs.find()
    assert (row["_id"], row["source"], row["outcome"]) == (
        "sync_games:2026-10-21T12:00:00Z",
        "daemon",
        "succeeded",
    )


async def test_a_disabled_schedule_does_not_run(contexts: Any, db: Any) -> None:
    clock = Clock(NOON - timedelta(seconds=2))
    ctx = with_schedules(await contexts(clock), sync_games=replace(SIX_HOURLY, enabled=False))
    async with Scheduler(ctx.worker, ShutdownRequest(), JOBS) as scheduler:
        clock.move(seconds=3)
        await scheduler.tick()
        assert not scheduler.running

    assert db.job_runs.count_documents({}) == 0


async def test_a_schedule_that_cannot_run_is_logged_and_others_continue(
    contexts: Any, db: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = Clock(NOON - timedelta(seconds=2))
    odd = replace(SIX_HOURLY, args={"bogus": True}, lock="other")
    ctx = with_schedules(await contexts(clock), odd=odd, sync_games=SIX_HOURLY)
    async with Scheduler(ctx.worker, ShutdownRequest(), JOBS) as scheduler:
        clock.move(seconds=3)
        await scheduler.tick()
        await wait_until_idle(scheduler)

    assert [row["schedule"] for row in db.job_runs.find()] == ["sync_games"]
    assert "schedule_quarantined" in capsys.readouterr().out
    assert db.schedules.find_one({"_id": "odd"})["quarantined"].startswith("odd.args: ")


async def test_a_standby_daemon_runs_a_slot_only_after_its_delay(contexts: Any, db: Any) -> None:
    clock = Clock(NOON - timedelta(seconds=2))
    prompt = with_schedules(await contexts(clock), sync_games=SIX_HOURLY)
    runner = replace(prompt.config.runner, takeover_delay_s=300.0)
    patient = replace(prompt, config=replace(prompt.config, runner=runner))
    async with Scheduler(patient.worker, ShutdownRequest(), JOBS) as standby:
        clock.move(seconds=300)
        await standby.tick()
        assert not standby.running
        clock.move(seconds=3)
        await standby.tick()
        await wait_until_idle(standby)
        assert [row["source"] for row in db.job_runs.find()] == ["daemon"]

        clock.now = NOON + timedelta(hours=6)
        await standby.tick()
        async with Scheduler(prompt.worker, ShutdownRequest(), JOBS) as other:
            await wait_until_idle(other)
        clock.move(seconds=301)
        await standby.tick()
        await wait_until_idle(standby)
    assert db.job_runs.count_documents({}) == 2


async def test_restarts_and_edits_do_not_lengthen_a_standbys_delay(contexts: Any, db: Any) -> None:
    clock = Clock(NOON - timedelta(seconds=2))
    ctx = with_schedules(await contexts(clock), cleanup=DAILY, sync_games=SIX_HOURLY)
    runner = replace(ctx.config.runner, takeover_delay_s=300.0)
    ctx = replace(ctx, config=replace(ctx.config, runner=runner))
    async with Scheduler(ctx.worker, ShutdownRequest(), JOBS):
        clock.move(seconds=200)
    async with Scheduler(ctx.worker, ShutdownRequest(), JOBS) as standby:
        clock.move(seconds=100)
        for changed in (schedule_admin.pause_schedule, schedule_admin.resume_schedule):
            await changed(ctx.worker, await schedule_admin.find_schedule(ctx.worker, "cleanup"))
            await standby.refresh()
            await standby.tick()
        assert not standby.running

        clock.move(seconds=3)
        await standby.tick()
        await wait_until_idle(standby)

    assert [row["schedule"] for row in db.job_runs.find()] == ["sync_games"]


async def test_a_slot_owed_from_before_an_edit_is_left_to_others_for_as_long(
    contexts: Any, db: Any
) -> None:
    clock = Clock(NOON - timedelta(seconds=2))
    ctx = with_schedules(await contexts(clock), sync_games=SIX_HOURLY)
    runner = replace(ctx.config.runner, takeover_delay_s=300.0)
    ctx = replace(ctx, config=replace(ctx.config, runner=runner))
    async with Scheduler(ctx.worker, ShutdownRequest(), JOBS) as standby:
        clock.move(seconds=200)
        stored = await schedule_admin.find_schedule(ctx.worker, "sync_games")
        await schedule_admin.edit_schedule(
            ctx.worker, JOBS, stored, replace(stored.schedule, cron="30 */6 * * *")
        )
        clock.move(seconds=102)
        for moved_s, worked in ((-3, 0), (4, 1)):
            clock.move(seconds=moved_s)
            await standby.refresh()
            await standby.tick()
            await wait_until_idle(standby)
            assert db.job_runs.count_documents({"slot": NOON}) == worked
