"""Retention of the scheduler's documents: run records and finished schedules."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from chesscoach.context import Context
from chesscoach.jobs.catalog import JOBS
from chesscoach.schedules.outcome import Outcome
from chesscoach.schedules.schedule import Schedule, Slot
from chesscoach.worker.scheduler import schedule_admin
from chesscoach.worker.store.run_documents import SkippedRange
from chesscoach.worker.store.schedules import StoredSchedule
from tests.conftest import Clock
from tests.support.cleanup_runs import run_cleanup

NOW = datetime(2026, 11, 21, 3, tzinfo=UTC)
DAY = timedelta(days=1)
LONG_AGO = NOW - 200 * DAY


async def insert_run(
    ctx: Context, key: str, slot: datetime, outcome: Outcome = "succeeded", ended: Any = ...
) -> str:
    """Inserts the record of a slot that by default ran and ended at once; returns its id."""
    span = SkippedRange(
        job="sync_games",
        first=Slot(schedule=key, at=slot),
        last=Slot(schedule=key, at=slot),
        count=1,
        outcome=outcome,
        source="daemon",
        at=slot,
        reason="a test",
    )
    await ctx.worker.runs.record_skipped([span])
    if ended is not ...:
        job_runs = ctx.mongo.database["job_runs"]
        await job_runs.update_one({"_id": span.last.key}, {"$set": {"finished_at": ended}})
    return span.last.key


async def add_schedule(ctx: Context, key: str, at: datetime, **fields: Any) -> StoredSchedule:
    """Adds an operator's schedule for one date, added the day before."""
    schedule = Schedule(job="sync_games", at=at)
    values: dict[str, Any] = {
        "origin": "user",
        "revision": 1,
        "effective_since": at - DAY,
        **fields,
    }
    stored = StoredSchedule(id=key, schedule=schedule, **values)
    await ctx.worker.schedules.add(stored)
    return stored


async def remaining_schedules(ctx: Context) -> set[str]:
    """The schedules that a run leaves."""
    counts, _ = await run_cleanup(ctx, rule="schedules")
    assert counts.failed == 0
    return {stored.id for stored in await ctx.worker.schedules.all()}


async def test_run_records_are_deleted_except_the_newest_of_each_schedule_and_running_ones(
    fixed_context: Context, db: Any
) -> None:
    ninety = NOW - 90 * DAY
    newest = await insert_run(fixed_context, "quiet", LONG_AGO)
    for days in range(1, 30):
        await insert_run(fixed_context, "quiet", LONG_AGO - days * DAY)
    kept = {
        newest,
        await insert_run(fixed_context, "busy", NOW - DAY),
        await insert_run(fixed_context, "busy", ninety),
        await insert_run(fixed_context, "busy", ninety - DAY, ended=ninety),
        await insert_run(fixed_context, "busy", ninety - 2 * DAY, "running", None),
    }
    await insert_run(fixed_context, "busy", ninety - timedelta(milliseconds=1))

    planned, _ = await run_cleanup(fixed_context, rule="runs", dry_run=True)
    counts, _ = await run_cleanup(fixed_context, rule="runs")

    assert planned.notes["would_delete_runs"] == 30
    assert counts.notes == {"deleted_runs": 30}
    assert {run["_id"] for run in db.job_runs.find()} == kept


async def test_run_records_stay_as_long_as_a_late_slot_depends_on_them(
    fixed_context: Context, db: Any
) -> None:
    await insert_run(fixed_context, "patient", NOW - 1 * DAY)
    await insert_run(fixed_context, "patient", NOW - 100 * DAY)
    patient = Schedule(job="sync_games", cron="0 0 * * *", misfire_grace_s=120 * 86_400.0)
    await schedule_admin.add_schedule(fixed_context.worker, JOBS, "patient", patient)
    assert (await run_cleanup(fixed_context, rule="runs"))[0].notes == {"deleted_runs": 0}


NOT_RUN: dict[str, Any] = {}
EDITED = {"effective_since": LONG_AGO}


@pytest.mark.parametrize(
    ("at", "schedule", "run", "is_deleted"),
    [
        (LONG_AGO, {}, {"outcome": "succeeded"}, True),
        (NOW - DAY, {}, {"outcome": "succeeded"}, False),
        (LONG_AGO, {}, NOT_RUN, False),
        (LONG_AGO, {}, {"outcome": "failed"}, False),
        (LONG_AGO, {}, {"outcome": "running", "ended": None}, False),
        (LONG_AGO, {}, {"outcome": "abandoned"}, False),
        (LONG_AGO, EDITED | {"pending_slot": LONG_AGO}, NOT_RUN, False),
        (NOW + DAY, EDITED, NOT_RUN, False),
        (NOW + DAY, EDITED | {"paused": True}, NOT_RUN, False),
        (LONG_AGO, {"paused": True}, NOT_RUN, True),
        (LONG_AGO - DAY, EDITED, NOT_RUN, True),
    ],
)
async def test_a_date_is_deleted_long_after_its_end_unless_it_may_still_run(
    fixed_context: Context,
    at: datetime,
    schedule: dict[str, Any],
    run: dict[str, Any],
    is_deleted: bool,
) -> None:
    await add_schedule(fixed_context, "once", at, **schedule)
    if run:
        await insert_run(fixed_context, "once", at, **run)
    assert await remaining_schedules(fixed_context) == (set() if is_deleted else {"once"})


async def test_configured_and_recurring_schedules_stay_and_those_retired_long_ago_are_deleted(
    fixed_context: Context, db: Any
) -> None:
    then = replace(fixed_context, now=Clock(LONG_AGO))
    christmas = Schedule(job="sync_games", at=LONG_AGO + DAY)
    nightly = Schedule(job="sync_games", cron="0 1 * * *")
    configured = {"christmas": christmas, "nightly": nightly}
    with_both = replace(then, config=replace(then.config, schedules=configured))
    await schedule_admin.sync_from_config(with_both.worker)
    await schedule_admin.add_schedule(
        with_both.worker, JOBS, "mine", Schedule(job="sync_games", cron="0 2 * * *")
    )
    await insert_run(fixed_context, "christmas", LONG_AGO + DAY)
    kept = replace(fixed_context, config=replace(fixed_context.config, schedules=configured))
    assert await remaining_schedules(kept) == {"christmas", "nightly", "mine"}

    without = replace(fixed_context.config, schedules={"christmas": christmas})
    retiring = replace(fixed_context, config=without, now=Clock(NOW - 91 * DAY))
    await schedule_admin.sync_from_config(retiring.worker)
    assert await remaining_schedules(replace(retiring, now=Clock(NOW - DAY))) == {
        "christmas",
        "nightly",
        "mine",
    }
    # A process whose configuration has the schedule would add it again.
    assert await remaining_schedules(replace(kept, now=Clock(NOW))) == {
        "christmas",
        "nightly",
        "mine",
    }
    before = await fixed_context.worker.schedules.changes()
    assert await remaining_schedules(replace(retiring, now=Clock(NOW))) == {"christmas", "mine"}
    assert await fixed_context.worker.schedules.changes() > before, "daemons see the change"


async def test_a_schedule_that_cannot_be_read_stays(fixed_context: Context, db: Any) -> None:
    db.schedules.insert_one({"_id": "odd", "spec": {"job": 5}, "origin": "user", "retired": True})
    assert await remaining_schedules(fixed_context) == {"odd"}


async def test_a_dry_run_shows_the_schedules_that_would_be_deleted(fixed_context: Context) -> None:
    await add_schedule(fixed_context, "paused", LONG_AGO, paused=True)
    counts, _ = await run_cleanup(fixed_context, rule="schedules", dry_run=True)
    assert counts.notes == {"would_delete_schedules": 1, "would_delete_schedules_samples": "paused"}
    assert [stored.id for stored in await fixed_context.worker.schedules.all()] == ["paused"]


async def test_the_failure_of_one_rule_stops_no_other(fixed_context: Context, db: Any) -> None:
    """Nothing can be deleted from a view."""
    db.user_sessions.drop()
    db.command("create", "user_sessions", viewOn="elsewhere", pipeline=[])
    db.elsewhere.insert_one({"expires_at": NOW - DAY})
    db.notifications.insert_one({"read": True, "created_at": "2020-01-01T00:00:00Z"})

    counts, _ = await run_cleanup(fixed_context)

    assert (counts.candidates, counts.done, counts.failed) == (7, 6, 1)
    assert counts.errors[0]["rule"] == "sessions"
    assert "MongoDB refused" in counts.errors[0]["error"]
    assert counts.notes["deleted_notifications"] == 1
    assert counts.success_rate() < fixed_context.config.jobs.cleanup.success_threshold
    assert "cleanup" in JOBS
