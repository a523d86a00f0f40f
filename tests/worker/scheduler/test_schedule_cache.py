from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from chesscoach.jobs.catalog import JOBS
from chesscoach.schedules import due
from chesscoach.schedules.schedule import Schedule
from chesscoach.worker.scheduler import schedule_admin
from chesscoach.worker.scheduler.schedule_cache import Entries, Entry
from tests.conftest import NOON, Clock

BEFORE = NOON - timedelta(seconds=0.5)


@pytest.fixture
async def entries(contexts: Any) -> Entries:
    """Of one schedule, due at noon and every six hours, half a second before; planned ahead."""
    ctx = await contexts(Clock(BEFORE))
    schedule = Schedule(job="sync_games", cron="0 */6 * * *", misfire_grace_s=86_400.0)
    ctx = replace(ctx, config=replace(ctx.config, schedules={"s": schedule}))
    await schedule_admin.lay(ctx)
    found = Entries(ctx, JOBS)
    await found.refresh()
    assert found.plan(found.by_id["s"], BEFORE) is None
    found.foresee(BEFORE)
    assert found.by_id["s"].ahead is not None
    return found


@pytest.fixture
def entry(entries: Entries) -> Entry:
    return entries.by_id["s"]


async def test_what_was_foreseen_is_not_planned_again(
    entries: Entries, entry: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(due, "plan", lambda *_: pytest.fail("it was planned again"))

    planned = entries.plan(entry, NOON + timedelta(seconds=0.01))

    assert planned is not None
    assert planned.plan.work is not None
    assert planned.plan.work.at == NOON


async def test_what_was_foreseen_does_not_hide_what_has_fallen_due_since(
    entries: Entries, entry: Entry
) -> None:
    planned = entries.plan(entry, NOON + timedelta(hours=13))

    assert planned is not None
    assert planned.plan.work is not None
    assert planned.plan.work.at == NOON + timedelta(hours=12)
    assert planned.plan.coalesced is not None
    assert planned.plan.coalesced.count == 2


async def test_what_was_foreseen_is_not_worked_when_it_has_become_too_late(
    entries: Entries, entry: Entry
) -> None:
    strict = replace(entry.stored.schedule, misfire_grace_s=60.0)
    entry.stored, entry.ahead = replace(entry.stored, schedule=strict), None
    entries.foresee(BEFORE)

    planned = entries.plan(entry, NOON + timedelta(minutes=2))

    assert planned is not None
    assert planned.plan.work is None
    assert planned.plan.missed is not None


async def test_what_was_foreseen_is_not_worked_by_a_clock_that_was_set_back(
    entries: Entries, entry: Entry
) -> None:
    assert entries.plan(entry, NOON - timedelta(hours=1)) is None
    assert entry.again_at == NOON
