"""Why a slot was worked or was not, asked at all moments of its life."""

import os
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import pytest
from msgspec.structs import replace

from chesscoach.context import Context
from chesscoach.errors import ConfigError
from chesscoach.jobs.catalog import JOBS
from chesscoach.schedules.schedule import Schedule, Slot
from chesscoach.worker.runner import attempts, claim
from chesscoach.worker.scheduler import schedule_admin
from chesscoach.worker.scheduler.explanation import Explanation, explain_slot
from chesscoach.worker.scheduler.scheduler import Scheduler
from chesscoach.worker.shard import Shard
from chesscoach.worker.shutdown import ShutdownRequest
from tests.conftest import NOON, Clock
from tests.support.recording_job import RecordingJob
from tests.support.scheduling import load_schedule, run_slot, wait_until, wait_until_idle

HOUR = timedelta(hours=1)
ONE_O_CLOCK = NOON + HOUR
HOURLY = Schedule(job="chore", cron="0 * * * *")
NIGHTLY = Schedule(job="sync_games", cron="30 3 * * *")
NewContext: TypeAlias = Callable[..., Any]


@pytest.fixture
def clock() -> Clock:
    return Clock(NOON)


@pytest.fixture
def chore() -> RecordingJob:
    return RecordingJob()


@pytest.fixture
async def new_context(contexts: Any, clock: Clock) -> NewContext:
    """A context in which a schedule `s` was laid in at noon."""

    async def _make(schedule: Schedule = HOURLY) -> Context:
        ctx: Context = await contexts(clock)
        ctx = replace(ctx, config=replace(ctx.config, schedules={"s": schedule}))
        await schedule_admin.sync_from_config(ctx.worker)
        return ctx

    return _make


async def explain_at(ctx: Context, at: datetime = ONE_O_CLOCK) -> Explanation:
    return await explain_slot(ctx.worker, "s", at)


def sentences(found: Explanation) -> str:
    return " ".join(found.sentences)


async def run_daemon(ctx: Context, chore: RecordingJob) -> None:
    """A daemon that comes, works what is due, and goes."""
    async with Scheduler(ctx.worker, ShutdownRequest(), {"chore": chore.job}) as scheduler:
        await wait_until_idle(scheduler)


async def start_slot(
    ctx: Context, chore: RecordingJob, at: datetime = ONE_O_CLOCK
) -> attempts.Attempt:
    """Claims a slot."""
    slot = Slot(schedule="s", at=at)
    claimed = await claim.claim_slot(ctx.worker, chore.job, HOURLY, slot, "cli")
    assert isinstance(claimed, attempts.Attempt)
    return claimed


async def edit(ctx: Context, schedule: Schedule) -> None:
    """Edits the schedule `s` as an operator does."""
    await schedule_admin.edit_schedule(ctx.worker, JOBS, await load_schedule(ctx), schedule)


async def test_a_slot_that_failed_once_and_for_good(
    new_context: NewContext, clock: Clock, chore: RecordingJob
) -> None:
    ctx = await new_context()
    chore.fail = ConfigError("no such thing")
    clock.move(hours=1)
    await run_daemon(ctx, chore)

    found = await explain_at(ctx)
    assert (found.verdict, found.attempts_left) == ("open", 1)
    assert found.again_at == ONE_O_CLOCK + timedelta(seconds=60)
    assert "It runs again from 2026-10-21T13:01:00Z on. Attempts left: 1." in sentences(found)
    assert "Error: error no such thing." in found.sentences

    clock.move(seconds=61)
    assert "A daemon runs it within seconds" in sentences(await explain_at(ctx))
    await run_daemon(ctx, chore)
    found = await explain_at(ctx)
    assert found.verdict == "failed"
    assert found.sentences[0].startswith("Attempt 1 was failed: pid ")
    assert found.sentences[1].startswith("Attempt 2 failed: pid ")
    assert found.sentences[-1] == "That was the last of 2 attempts."


async def test_a_slot_at_work_and_one_whose_process_died(
    new_context: NewContext, clock: Clock, chore: RecordingJob, db: Any
) -> None:
    ctx = await new_context()
    clock.move(hours=1)
    async with ctx.leases.renewing():
        mine = await start_slot(ctx, chore)
        found = await explain_at(ctx)
    assert (found.verdict, found.sentences[0]) == (
        "running",
        f"Attempt 1 is running: pid {os.getpid()} on {mine.run.owner['host']},"
        " since 2026-10-21T13:00:00Z.",
    )

    db.job_leases.update_one({"_id": "chore"}, {"$set": {"expires_at": NOON - HOUR * 24 * 365}})
    found = await explain_at(ctx)
    assert found.verdict == "open"
    assert "died: its lease has expired" in found.sentences[0]
    assert "A daemon runs it within seconds" in found.sentences[1]

    await ctx.leases.release(mine.lease)
    assert "has claimed it and takes the lease chore next." in sentences(await explain_at(ctx))
    async with ctx.leases.renewing():
        other = await claim.claim_manual_run(ctx.worker, chore.job, attempts.manual_id(chore.job))
        found = await explain_at(ctx)
    assert found.verdict == "running"
    assert f"has claimed it; chore is held by {other.run.id} (pid" in sentences(found)


async def test_an_open_slot_that_will_be_closed_or_waits(
    new_context: NewContext, clock: Clock, chore: RecordingJob, db: Any
) -> None:
    ctx = await new_context(replace(HOURLY, misfire_grace_s=7200.0))
    clock.move(hours=1)
    async with ctx.leases.renewing():
        mine = await start_slot(ctx, chore)
        db.job_runs.update_one({"_id": mine.run.id}, {"$set": {"outcome": "cancelled"}})
        assert f"Its next attempt waits for {mine.run.id} (pid" in sentences(await explain_at(ctx))
    await ctx.leases.release(mine.lease)
    clock.move(hours=3)
    assert "It is too late to run" in sentences(await explain_at(ctx))
    await start_slot(ctx, chore, ONE_O_CLOCK + HOUR)
    assert "A newer slot replaces it: it is recorded as coalesced." in sentences(
        await explain_at(ctx)
    )
    await schedule_admin.pause_schedule(ctx.worker, await load_schedule(ctx))
    found = await explain_at(ctx)
    assert (found.verdict, found.state) == ("open", "paused")
    assert "The schedule is paused since 2026-10-21T16:00:00Z" in sentences(found)
    db.schedules.delete_one({"_id": "s"})
    gone = replace(ctx, config=replace(ctx.config, schedules={}))
    assert "Its schedule was deleted, so it does not run again." in sentences(
        await explain_at(gone)
    )


async def test_a_slot_that_succeeded_after_a_crash(
    new_context: NewContext, clock: Clock, chore: RecordingJob, db: Any
) -> None:
    ctx = await new_context()
    clock.move(hours=1, seconds=2)
    mine = await start_slot(ctx, chore)
    await ctx.leases.release(mine.lease)
    db.job_runs.update_one({"_id": mine.run.id}, {"$set": {"outcome": "abandoned"}})
    await run_daemon(ctx, chore)

    found = await explain_at(ctx)

    assert (found.verdict, found.record is None) == ("worked", False)
    assert found.sentences[0].startswith("Attempt 1 was abandoned: pid ")
    assert found.sentences[1].startswith(f"Attempt 2 succeeded: pid {os.getpid()} on ")
    assert "(daemon), begun 2026-10-21T13:00:02Z" in sentences(found)
    assert "0 done, 0 failed, 0 skipped of 0." in found.sentences


async def test_slots_that_nobody_was_there_for(
    new_context: NewContext, clock: Clock, chore: RecordingJob
) -> None:
    ctx = await new_context(replace(HOURLY, misfire_grace_s=2.5 * 3600))
    clock.move(hours=5, minutes=30)

    late, before, latest = [await explain_at(ctx, NOON + hours * HOUR) for hours in (1, 4, 5)]
    assert {late.verdict, before.verdict, latest.verdict} == {"nobody_there"}
    assert "No process ran it" not in sentences(latest)
    assert "No process ran it within 9000.0 s" in sentences(late)
    assert "By now 2026-10-21T17:00:00Z replaces it." in sentences(before)
    assert "It has been due for 30 min, and no process has claimed it." in sentences(latest)

    await run_daemon(ctx, chore)
    late, before, latest = [await explain_at(ctx, NOON + hours * HOUR) for hours in (1, 4, 5)]
    assert (late.verdict, before.verdict, latest.verdict) == ("missed", "coalesced", "worked")
    assert "with 2 slots from 2026-10-21T13:00:00Z to 2026-10-21T14:00:00Z" in sentences(late)
    assert "no process ran it within 9000.0 s" in sentences(late)
    assert "2026-10-21T17:00:00Z stands for it" in sentences(before)
    assert before.record is not None
    inner = (await explain_at(ctx, NOON + 3 * HOUR)).record
    assert inner is not None
    assert inner.id == before.record.id == "s:2026-10-21T16:00:00Z"


async def test_a_slot_that_overlapped_another_run(
    new_context: NewContext, clock: Clock, chore: RecordingJob, contexts: Any
) -> None:
    ctx = await new_context()
    chore.release.clear()
    async with Scheduler(ctx.worker, ShutdownRequest(), {"chore": chore.job}) as scheduler:
        for _ in range(2):
            clock.move(hours=1)
            await scheduler.tick()
            await wait_until(lambda: chore.started)
        await wait_until(lambda: len(scheduler.running) == 1)
        chore.release.set()
        await wait_until_idle(scheduler)

    found = await explain_at(ctx, ONE_O_CLOCK + HOUR)
    assert found.verdict == "skipped_overlap"
    assert "chore is already running" in sentences(found)


@pytest.mark.parametrize(
    ("fields", "then"),
    [
        ({}, "The next process records it as skipped."),
        ({"overlap": "queue_one"}, "It runs after that."),
        ({"coalesce": False}, "It runs after a run of an earlier slot, else it is skipped."),
    ],
)
async def test_a_slot_whose_lease_is_held(
    new_context: NewContext, clock: Clock, chore: RecordingJob, fields: dict[str, Any], then: str
) -> None:
    ctx = await new_context(replace(HOURLY, **fields))
    clock.move(hours=1)
    async with ctx.leases.renewing():
        mine = await claim.claim_manual_run(ctx.worker, chore.job, attempts.manual_id(chore.job))
        found = await explain_at(ctx)

    assert found.verdict == "waiting"
    assert found.holders[0].startswith(f"{mine.run.id} (pid {os.getpid()} on ")
    assert f"the lease chore is held by {found.holders[0]}." in sentences(found)
    assert then in sentences(found)


async def test_a_slot_that_a_daemon_leaves_to_others_first(
    new_context: NewContext, clock: Clock
) -> None:
    ctx = await new_context()
    runner = replace(ctx.config.runner, takeover_delay_s=300.0)
    ctx = replace(ctx, config=replace(ctx.config, runner=runner))
    clock.move(hours=1, minutes=2)
    assert sentences(await explain_at(ctx)).endswith(
        "leaves it to others for 3 min (takeover_delay_s)."
    )
    clock.move(minutes=3)
    assert "A daemon runs it within seconds of its start" in sentences(await explain_at(ctx))


async def test_an_instant_that_is_no_slot(new_context: NewContext, clock: Clock) -> None:
    ctx = await new_context(replace(HOURLY, job="sync_games"))
    found = await explain_at(ctx, NOON + timedelta(minutes=20))

    assert (found.verdict, found.before, found.after) == ("not_a_slot", NOON, ONE_O_CLOCK)
    assert found.sentences == (
        "2026-10-21T12:20:00Z is not a slot of s, 0 * * * * (UTC).",
        "The nearest slots: 2026-10-21T12:00:00Z and 2026-10-21T13:00:00Z.",
    )

    clock.move(hours=5)
    await edit(ctx, NIGHTLY)
    assert "Its trigger was different then: 0 * * * * (UTC)." in sentences(await explain_at(ctx))


async def test_a_slot_that_is_owed_from_before_an_edit(
    new_context: NewContext, clock: Clock
) -> None:
    ctx = await new_context(replace(HOURLY, job="sync_games"))
    clock.move(hours=1, minutes=1)
    await edit(ctx, NIGHTLY)

    found = await explain_at(ctx)

    assert found.verdict == "nobody_there"
    assert found.sentences[0] == "It was due before the schedule was changed."


async def test_a_slot_that_is_not_due_yet(new_context: NewContext, clock: Clock) -> None:
    ctx = await new_context(replace(HOURLY, jitter_s=3000.0))
    found = await explain_at(ctx, NOON + 26 * HOUR)
    assert (found.verdict, sentences(found)) == (
        "not_due_yet",
        "It is not due yet: it comes in 1 d 2 h.",
    )

    clock.move(hours=1)
    found = await explain_at(ctx)
    assert found.verdict == "not_due_yet"
    assert "its jitter delays the run until 2026-10-21T13:" in sentences(found)

    await schedule_admin.pause_schedule(ctx.worker, await load_schedule(ctx))
    assert "does not run while the schedule is paused" in sentences(
        await explain_at(ctx, ONE_O_CLOCK + HOUR)
    )


async def test_a_slot_of_a_schedule_that_is_out_of_use(
    new_context: NewContext, clock: Clock
) -> None:
    ctx = await new_context(replace(HOURLY, job="sync_games"))
    clock.move(minutes=30)
    await schedule_admin.pause_schedule(ctx.worker, await load_schedule(ctx))
    clock.move(hours=1)
    await edit(ctx, replace(HOURLY, job="sync_games", jitter_s=1.0))

    now = await explain_at(ctx)
    assert (now.verdict, now.state) == ("inactive", "paused")
    assert now.sentences[0] == (
        "The schedule is paused since 2026-10-21T12:30:00Z: its slots do not run."
    )

    clock.move(hours=1)
    await schedule_admin.resume_schedule(ctx.worker, await load_schedule(ctx))
    then = await explain_at(ctx)
    assert (then.verdict, then.state) == ("inactive", "paused")
    assert then.sentences == ("It came while the schedule was paused, until 2026-10-21T14:30:00Z.",)


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"quarantined": "its arguments are refused"}, "quarantined"),
        ({"schedule": replace(HOURLY, enabled=False)}, "disabled"),
    ],
)
async def test_a_slot_of_a_schedule_in_each_state(
    new_context: NewContext, clock: Clock, db: Any, fields: dict[str, Any], state: str
) -> None:
    ctx = await new_context()
    clock.move(hours=2)
    await ctx.worker.schedules.change("s", 1, **fields)

    found = await explain_at(ctx)

    assert (found.verdict, found.state) == ("inactive", state)
    assert f"The schedule is {state}" in sentences(found)
    assert ("its arguments are refused" in sentences(found)) == (state == "quarantined")
    db.schedules.update_one({"_id": "s"}, {"$set": {"spec.cron": "99 * * * *"}})
    assert "cannot be read" in sentences(await explain_at(ctx))


async def test_a_slot_of_before_the_schedule_counted(new_context: NewContext, clock: Clock) -> None:
    ctx = await new_context(replace(HOURLY, job="sync_games"))
    found = await explain_at(ctx, NOON - HOUR)
    assert (found.verdict, found.sentences) == (
        "before_since",
        ("The schedule was added at 2026-10-21T12:00:00Z and counts from then.",),
    )

    clock.move(hours=2, minutes=30)
    await edit(ctx, replace(NIGHTLY, cron="30 * * * *"))
    found = await explain_at(ctx, ONE_O_CLOCK + HOUR / 2)
    assert found.verdict == "before_since"
    assert "was edited at 2026-10-21T14:30:00Z" in sentences(found)


async def test_a_slot_that_was_passed_over(
    new_context: NewContext, clock: Clock, chore: RecordingJob
) -> None:
    """A timer worked the newest slot alone."""
    ctx = await new_context()
    clock.move(hours=3)
    await start_slot(ctx, chore, NOON + 3 * HOUR)

    found = await explain_at(ctx)
    assert (found.verdict, sentences(found)) == (
        "passed_over",
        "Not recorded before s:2026-10-21T15:00:00Z; slots only go forward.",
    )

    clock.move(days=100)
    assert "Run records are kept for 90 days." in sentences(await explain_at(ctx))


async def test_neither_a_schedule_nor_a_record_is_an_error(new_context: NewContext) -> None:
    ctx = await new_context()

    with pytest.raises(ConfigError, match="there is no schedule t; there are: s"):
        await explain_slot(ctx.worker, "t", datetime.fromisoformat("2026-10-21T12:00:00Z"))


async def test_a_slot_that_ran_in_shards_alone_is_as_far_as_the_one_that_is_least_far(
    new_context: NewContext, clock: Clock, chore: RecordingJob
) -> None:
    ctx = await new_context()
    clock.move(hours=1)
    slot, job = Slot(schedule="s", at=ONE_O_CLOCK), chore.job

    first, second = Shard(index=0, of=2), Shard(index=1, of=2)
    await run_slot(ctx, job, HOURLY, slot, shard=first)
    async with ctx.leases.renewing():
        await claim.claim_slot(ctx.worker, job, HOURLY, slot, "cli", second)
        found = await explain_at(ctx)
    assert (found.verdict, found.sentences[0]) == ("running", "This is shard 1/2 of the slot.")
    await run_slot(ctx, job, HOURLY, slot, shard=second)
    assert (await explain_at(ctx)).verdict == "worked"
