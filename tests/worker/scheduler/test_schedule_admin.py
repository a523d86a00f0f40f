"""Stored schedules: what the configuration lays in, and what operators make of it."""

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
from tests.support.scheduling import DAILY, HOURLY, load_schedule, tick_after, with_schedules


async def test_a_configured_schedule_is_stored_once_and_counts_from_then(contexts: Any) -> None:
    clock = Clock(NOON)
    ctx = with_schedules(await contexts(clock), s=HOURLY)
    for _ in range(2):
        await schedule_admin.sync_from_config(ctx.worker)
        clock.move(hours=1)

    found = await load_schedule(ctx)
    assert (found.schedule, found.origin, found.revision) == (HOURLY, "config", 1)
    assert (found.effective_since, found.state) == (NOON, "active")


async def test_a_schedule_removed_from_the_configuration_is_retired_and_can_return(
    contexts: Any,
) -> None:
    clock = Clock(NOON)
    ctx = await contexts(clock)
    await schedule_admin.sync_from_config(with_schedules(ctx, s=HOURLY).worker)
    clock.move(hours=1)
    await schedule_admin.sync_from_config(with_schedules(ctx).worker)
    assert (await load_schedule(ctx)).state == "retired"
    clock.move(hours=5)

    await schedule_admin.sync_from_config(with_schedules(ctx, s=HOURLY).worker)

    found = await load_schedule(ctx)
    assert (found.state, found.effective_since) == ("active", NOON + timedelta(hours=6))


async def test_a_changed_schedule_counts_from_the_change_and_a_due_slot_stays_due(
    contexts: Any,
) -> None:
    clock = Clock(NOON)
    ctx = await contexts(clock)
    await schedule_admin.sync_from_config(with_schedules(ctx, s=HOURLY).worker)
    clock.move(hours=2, minutes=30)

    await schedule_admin.sync_from_config(with_schedules(ctx, s=DAILY).worker)

    found = await load_schedule(ctx)
    assert (found.schedule, found.revision) == (DAILY, 2)
    assert found.effective_since == NOON + timedelta(hours=2, minutes=30)
    assert found.pending_slot == NOON + timedelta(hours=2)


async def test_a_change_without_a_trigger_leaves_due_slots(contexts: Any) -> None:
    clock = Clock(NOON)
    ctx = await contexts(clock)
    await schedule_admin.sync_from_config(with_schedules(ctx, s=HOURLY).worker)
    clock.move(hours=2)

    await schedule_admin.sync_from_config(
        with_schedules(ctx, s=replace(HOURLY, misfire_grace_s=60.0)).worker
    )

    found = await load_schedule(ctx)
    assert (found.effective_since, found.pending_slot) == (NOON, None)


async def test_an_operators_pause_or_edit_survives_the_configuration(contexts: Any) -> None:
    ctx = await contexts(Clock(NOON))
    await schedule_admin.sync_from_config(with_schedules(ctx, a=HOURLY, b=HOURLY).worker)
    await schedule_admin.pause_schedule(ctx.worker, await load_schedule(ctx, "a"))
    configured = with_schedules(ctx, a=HOURLY, b=HOURLY)
    await schedule_admin.edit_schedule(
        configured.worker, JOBS, await load_schedule(ctx, "b"), DAILY
    )

    changed = replace(HOURLY, jitter_s=5.0)
    await schedule_admin.sync_from_config(with_schedules(ctx, a=HOURLY, b=changed).worker)

    assert (await load_schedule(ctx, "a")).state == "paused"
    found = await load_schedule(ctx, "b")
    assert (found.schedule, found.edited, found.configured) == (DAILY, True, changed)
    await schedule_admin.edit_schedule(
        with_schedules(ctx, a=HOURLY, b=changed).worker, JOBS, found, changed
    )
    assert not (await load_schedule(ctx, "b")).edited


async def test_slots_of_a_pause_do_not_run_after_it(contexts: Any) -> None:
    clock = Clock(NOON)
    ctx = with_schedules(await contexts(clock), s=HOURLY)
    await schedule_admin.sync_from_config(ctx.worker)
    await schedule_admin.pause_schedule(ctx.worker, await load_schedule(ctx))
    clock.move(hours=5)

    found = await schedule_admin.resume_schedule(ctx.worker, await load_schedule(ctx))

    assert (found.state, found.effective_since) == ("active", NOON + timedelta(hours=5))
    assert await schedule_admin.unrecorded_slot(ctx.worker, found) is None


async def test_the_second_change_of_a_revision_is_refused(contexts: Any) -> None:
    ctx = with_schedules(await contexts(Clock(NOON)), s=HOURLY)
    await schedule_admin.sync_from_config(ctx.worker)
    seen = await load_schedule(ctx)
    await schedule_admin.pause_schedule(ctx.worker, seen)

    with pytest.raises(ConfigError, match="s has changed meanwhile"):
        await schedule_admin.edit_schedule(ctx.worker, JOBS, seen, DAILY)
    mine = await schedule_admin.add_schedule(ctx.worker, JOBS, "mine", DAILY)
    await schedule_admin.pause_schedule(ctx.worker, mine)
    with pytest.raises(ConfigError, match="mine has changed meanwhile"):
        await schedule_admin.remove_schedule(ctx.worker, mine)


async def test_an_operators_schedule_can_be_removed_and_a_configured_one_cannot(
    contexts: Any,
) -> None:
    ctx = with_schedules(await contexts(Clock(NOON)), s=HOURLY)
    await schedule_admin.sync_from_config(ctx.worker)
    await schedule_admin.add_schedule(ctx.worker, JOBS, "mine", DAILY)

    with pytest.raises(ConfigError, match="s in the configuration already"):
        await schedule_admin.add_schedule(ctx.worker, JOBS, "s", DAILY)
    with pytest.raises(ConfigError, match="there is a schedule mine already"):
        await schedule_admin.add_schedule(ctx.worker, JOBS, "mine", HOURLY)
    with pytest.raises(ConfigError, match="s is in the configuration"):
        await schedule_admin.remove_schedule(ctx.worker, await load_schedule(ctx))
    await schedule_admin.sync_from_config(ctx.worker)
    assert (await load_schedule(ctx, "mine")).state == "active", "not retired: it is the operator's"
    await schedule_admin.remove_schedule(ctx.worker, await load_schedule(ctx, "mine"))
    assert [each.id for each in await ctx.worker.schedules.all()] == ["s"]


@pytest.mark.parametrize(
    ("fields", "field"), [({"job": "os.system"}, "x.job"), ({"args": {"user": 5}}, "x.args")]
)
async def test_what_no_job_accepts_is_not_stored(
    contexts: Any, fields: dict[str, Any], field: str
) -> None:
    ctx = with_schedules(await contexts(Clock(NOON)))

    with pytest.raises(ConfigError, match=field):
        await schedule_admin.add_schedule(ctx.worker, JOBS, "x", replace(HOURLY, **fields))

    assert await ctx.worker.schedules.all() == []


async def test_a_schedule_without_its_job_is_quarantined_until_the_job_returns(
    contexts: Any, db: Any
) -> None:
    clock, chore = Clock(NOON), RecordingJob()
    ctx = with_schedules(await contexts(clock), s=Schedule(job="chore", cron="0 * * * *"))
    async with Scheduler(ctx.worker, ShutdownRequest(), {"chore": chore.job}):
        pass
    clock.move(hours=3)
    async with Scheduler(ctx.worker, ShutdownRequest(), {}) as scheduler:
        assert not scheduler.running
    found = await load_schedule(ctx)
    assert found.state == "quarantined"
    assert "there is no job 'chore'" in str(found.quarantined)
    clock.move(minutes=30)

    async with Scheduler(ctx.worker, ShutdownRequest(), {"chore": chore.job}) as scheduler:
        await tick_after(scheduler, clock, hours=1)

    assert (await load_schedule(ctx)).state == "active"
    assert chore.started == ["2026-10-21T16:00:00Z"], "not what fell due meanwhile"


async def test_an_unreadable_schedule_does_not_affect_the_others(contexts: Any, db: Any) -> None:
    clock, chore = Clock(NOON), RecordingJob()
    ctx = with_schedules(await contexts(clock), s=Schedule(job="chore", cron="0 * * * *"))
    db.schedules.insert_one({"_id": "odd", "spec": {"job": "chore", "cron": "99 * * * *"}})

    async with Scheduler(ctx.worker, ShutdownRequest(), {"chore": chore.job}) as scheduler:
        await tick_after(scheduler, clock, hours=1)

    assert chore.started == ["2026-10-21T13:00:00Z"]
    assert "cannot be read" in str((await load_schedule(ctx, "odd")).quarantined)


async def test_an_edit_of_a_running_daemons_schedule_is_seen_and_loses_nothing(
    contexts: Any, db: Any
) -> None:
    clock, chore = Clock(NOON), RecordingJob()
    ctx = with_schedules(await contexts(clock), s=Schedule(job="chore", cron="0 * * * *"))
    async with Scheduler(ctx.worker, ShutdownRequest(), {"chore": chore.job}) as scheduler:
        clock.move(hours=1, seconds=1)  # due, and edited before the tick
        changed = await ctx.worker.schedules.change(
            "s",
            1,
            schedule=Schedule(job="chore", cron="15 * * * *"),
            since=clock(),
            pending_slot=await schedule_admin.unrecorded_slot(ctx.worker, await load_schedule(ctx)),
        )
        assert changed is not None
        await tick_after(scheduler, clock)
        await tick_after(scheduler, clock, minutes=15)

    assert chore.started == ["2026-10-21T13:00:00Z", "2026-10-21T13:15:00Z"]
