"""Changes of schedules at awkward moments: nothing due is lost, nothing is due that was not."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from chesscoach.errors import ConfigError
from chesscoach.jobs.catalog import JOBS
from chesscoach.schedules.schedule import Schedule
from chesscoach.worker.scheduler import schedule_admin
from chesscoach.worker.scheduler.scheduler import Scheduler
from chesscoach.worker.shutdown import ShutdownRequest
from tests.conftest import NOON, Clock
from tests.support.recording_job import RecordingJob
from tests.support.scheduling import (
    DAILY,
    HOURLY,
    load_schedule,
    outcomes_by_hour,
    refresh_until,
    tick_after,
    with_schedules,
)

HOURLY_RECORDING = Schedule(job="chore", cron="0 * * * *")


async def test_a_slot_that_waits_for_its_jitter_survives_an_edit(contexts: Any) -> None:
    clock = Clock(NOON)
    ctx = with_schedules(await contexts(clock), s=replace(HOURLY, jitter_s=3000.0))
    await schedule_admin.sync_from_config(ctx.worker)
    clock.move(hours=1, seconds=1)

    found = await schedule_admin.edit_schedule(ctx.worker, JOBS, await load_schedule(ctx), DAILY)

    assert found.pending_slot == NOON + timedelta(hours=1)


async def test_a_failed_slot_of_before_an_edit_is_tried_again(contexts: Any, db: Any) -> None:
    clock, chore = Clock(NOON), RecordingJob()
    chore.fail = RuntimeError("at first")
    ctx = with_schedules(await contexts(clock), s=HOURLY_RECORDING)
    async with Scheduler(ctx.worker, ShutdownRequest(), {"chore": chore.job}) as scheduler:
        await tick_after(scheduler, clock, hours=1)
        assert outcomes_by_hour(db) == {"13": "failed"}
        chore.fail = None
        changed = replace(HOURLY_RECORDING, cron="15 * * * *")
        assert await ctx.worker.schedules.change("s", 1, schedule=changed, since=clock())
        clock.move(seconds=61)
        await refresh_until(scheduler, lambda: outcomes_by_hour(db) == {"13": "succeeded"})

    assert chore.started == ["2026-10-21T13:00:00Z"] * 2


async def test_scenario_14_unreadable_document_is_logged_once_and_left_as_it_is(
    contexts: Any, db: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    ctx = with_schedules(await contexts(Clock(NOON)))
    odd = {"_id": "odd", "spec": {"job": "chore", "cron": "99 * * * *"}, "revision": 3}
    db.schedules.insert_one(odd)
    async with Scheduler(ctx.worker, ShutdownRequest(), {}) as scheduler:
        for _ in range(3):
            await scheduler.refresh()

    assert list(db.schedules.find()) == [odd], "no process has to read it again"
    assert capsys.readouterr().out.count('"schedule_quarantined"') == 1


async def test_an_unreadable_schedule_of_the_configuration_is_stored_again(
    contexts: Any, db: Any
) -> None:
    ctx = with_schedules(await contexts(Clock(NOON)), s=HOURLY)
    await schedule_admin.sync_from_config(ctx.worker)
    db.schedules.update_one({"_id": "s"}, {"$set": {"spec.cron": "99 * * * *"}})
    assert (await load_schedule(ctx)).state == "quarantined"

    await schedule_admin.sync_from_config(ctx.worker)

    found = await load_schedule(ctx)
    assert (found.state, found.schedule, found.origin) == ("active", HOURLY, "config")


async def test_a_slot_due_before_a_retirement_does_not_run(contexts: Any) -> None:
    clock = Clock(NOON)
    ctx = await contexts(clock)
    await schedule_admin.sync_from_config(with_schedules(ctx, s=HOURLY).worker)
    clock.move(hours=2)
    await schedule_admin.sync_from_config(with_schedules(ctx, s=DAILY).worker)
    await schedule_admin.sync_from_config(with_schedules(ctx).worker)
    clock.move(days=5)

    await schedule_admin.sync_from_config(with_schedules(ctx, s=DAILY).worker)

    assert (await load_schedule(ctx)).pending_slot is None


async def test_slots_of_a_quarantine_do_not_run_after_an_edit_ends_it(
    contexts: Any,
) -> None:
    clock = Clock(NOON)
    ctx = with_schedules(await contexts(clock), s=HOURLY)
    await schedule_admin.sync_from_config(ctx.worker)
    await ctx.worker.schedules.change("s", 1, quarantined="its arguments are refused")
    clock.move(days=3)

    found = await schedule_admin.edit_schedule(
        ctx.worker, JOBS, await load_schedule(ctx), replace(HOURLY, args={"all": True})
    )

    assert (found.state, found.effective_since, found.pending_slot) == ("active", clock(), None)


async def test_what_is_not_paused_is_not_resumed(contexts: Any) -> None:
    clock = Clock(NOON)
    ctx = with_schedules(await contexts(clock), s=HOURLY)
    await schedule_admin.sync_from_config(ctx.worker)
    clock.move(hours=1)

    found = await schedule_admin.resume_schedule(ctx.worker, await load_schedule(ctx))

    assert (found.effective_since, found.revision) == (NOON, 1), "the slot of 13:00 stays due"
    paused = await schedule_admin.pause_schedule(ctx.worker, found)
    assert await schedule_admin.pause_schedule(ctx.worker, paused) == paused


async def test_an_edit_is_compared_with_what_the_daemon_stored(
    contexts: Any,
) -> None:
    ctx = await contexts(Clock(NOON))
    await schedule_admin.sync_from_config(with_schedules(ctx, s=HOURLY).worker)
    elsewhere = with_schedules(ctx, s=DAILY)

    edited = await schedule_admin.edit_schedule(
        elsewhere.worker, JOBS, await load_schedule(ctx), replace(HOURLY, jitter_s=5.0)
    )
    assert (edited.edited, edited.configured) == (True, HOURLY)

    back = await schedule_admin.edit_schedule(elsewhere.worker, JOBS, edited, HOURLY)
    assert (back.edited, back.configured) == (False, None)


async def test_a_schedule_that_is_only_configured_is_stored_when_it_is_changed(
    contexts: Any,
) -> None:
    ctx = with_schedules(await contexts(Clock(NOON)), s=HOURLY)
    found = await schedule_admin.find_schedule(ctx.worker, "s")
    assert (found.revision, found.schedule) == (0, HOURLY)
    assert await ctx.worker.schedules.all() == []

    paused = await schedule_admin.pause_schedule(ctx.worker, found)

    assert (paused.state, paused.origin, paused.revision) == ("paused", "config", 2)
    await schedule_admin.sync_from_config(ctx.worker)
    assert (await load_schedule(ctx)).state == "paused"
    with pytest.raises(ConfigError, match="schedule 't' does not exist; there are: s"):
        await schedule_admin.find_schedule(ctx.worker, "t")


async def test_changes_of_a_schedule_are_kept_in_its_history(contexts: Any) -> None:
    clock = Clock(NOON)
    ctx = await contexts(clock)
    await schedule_admin.sync_from_config(with_schedules(ctx, s=HOURLY).worker)
    clock.move(hours=1)
    await schedule_admin.edit_schedule(ctx.worker, JOBS, await load_schedule(ctx), DAILY)
    clock.move(hours=1)
    await schedule_admin.pause_schedule(ctx.worker, await load_schedule(ctx))
    clock.move(hours=1)
    found = await schedule_admin.resume_schedule(ctx.worker, await load_schedule(ctx))

    assert [(each.what, each.state, each.trigger) for each in found.history] == [
        ("added", "active", "0 * * * * (UTC)"),
        ("edited", "active", "0 3 * * * (UTC)"),
        ("paused", "paused", "0 3 * * * (UTC)"),
        ("resumed", "active", "0 3 * * * (UTC)"),
    ]
    states = [found.state_at(NOON + timedelta(hours=hours)) for hours in (-1, 0, 2, 3)]
    assert states == [None, "active", "paused", "active"]
    for _ in range(30):
        await schedule_admin.pause_schedule(ctx.worker, await load_schedule(ctx))
        found = await schedule_admin.resume_schedule(ctx.worker, await load_schedule(ctx))
    assert len(found.history) == 50


async def test_a_stored_schedule_of_an_earlier_version_is_read_without_the_removed_fields(
    contexts: Any, db: Any
) -> None:
    ctx = await contexts(Clock(NOON))
    await schedule_admin.sync_from_config(ctx.worker)
    before = await schedule_admin.all_schedules(ctx.worker)
    removed = {"gap": "skip", "fold": "both"}
    document = db.schedules.find_one({"_id": before[0].id})
    db.schedules.update_one(
        {"_id": before[0].id},
        {"$set": {"spec": document["spec"] | removed, "configured": document["spec"] | removed}},
    )

    after = await schedule_admin.all_schedules(ctx.worker)

    assert after[0] == replace(before[0], configured=before[0].schedule)
    assert after[0].state == "active"
