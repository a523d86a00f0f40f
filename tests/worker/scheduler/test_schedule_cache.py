from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from chesscoach.jobs.catalog import JOBS
from chesscoach.schedules import due
from chesscoach.schedules.schedule import Schedule
from chesscoach.worker.scheduler import schedule_admin
from chesscoach.worker.scheduler.schedule_cache import CachedSchedule, ScheduleCache
from tests.conftest import NOON, Clock

BEFORE_NOON = NOON - timedelta(seconds=0.5)


@pytest.fixture
async def schedule_cache(contexts: Any) -> ScheduleCache:
    """Of one schedule, due at noon and every six hours, half a second before; planned ahead."""
    ctx = await contexts(Clock(BEFORE_NOON))
    schedule = Schedule(job="sync_games", cron="0 */6 * * *", misfire_grace_s=86_400.0)
    ctx = replace(ctx, config=replace(ctx.config, schedules={"s": schedule}))
    await schedule_admin.sync_from_config(ctx.worker)
    found = ScheduleCache(ctx.worker, JOBS)
    await found.refresh()
    assert found.plan(found.by_id["s"], BEFORE_NOON) is None
    found.plan_ahead(BEFORE_NOON)
    assert found.by_id["s"].planned_ahead is not None
    return found


@pytest.fixture
def cached_schedule(schedule_cache: ScheduleCache) -> CachedSchedule:
    return schedule_cache.by_id["s"]


async def test_a_planned_slot_is_not_planned_again(
    schedule_cache: ScheduleCache, cached_schedule: CachedSchedule, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(due, "due_slots", lambda *_: pytest.fail("it was planned again"))

    planned = schedule_cache.plan(cached_schedule, NOON + timedelta(seconds=0.01))

    assert planned is not None
    assert planned.slots.slot is not None
    assert planned.slots.slot.at == NOON


async def test_a_planned_slot_does_not_hide_a_newer_due_one(
    schedule_cache: ScheduleCache, cached_schedule: CachedSchedule
) -> None:
    planned = schedule_cache.plan(cached_schedule, NOON + timedelta(hours=13))

    assert planned is not None
    assert planned.slots.slot is not None
    assert planned.slots.slot.at == NOON + timedelta(hours=12)
    assert planned.slots.coalesced is not None
    assert planned.slots.coalesced.count == 2


async def test_a_planned_slot_does_not_run_once_it_is_too_late(
    schedule_cache: ScheduleCache, cached_schedule: CachedSchedule
) -> None:
    strict = replace(cached_schedule.stored.schedule, misfire_grace_s=60.0)
    cached_schedule.stored, cached_schedule.planned_ahead = (
        replace(cached_schedule.stored, schedule=strict),
        None,
    )
    schedule_cache.plan_ahead(BEFORE_NOON)

    planned = schedule_cache.plan(cached_schedule, NOON + timedelta(minutes=2))

    assert planned is not None
    assert planned.slots.slot is None
    assert planned.slots.missed is not None


async def test_a_planned_slot_does_not_run_after_the_clock_was_set_back(
    schedule_cache: ScheduleCache, cached_schedule: CachedSchedule
) -> None:
    assert schedule_cache.plan(cached_schedule, NOON - timedelta(hours=1)) is None
    assert cached_schedule.next_check_at == NOON
