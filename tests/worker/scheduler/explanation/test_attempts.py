"""The explanation of a slot that a process has claimed."""

import os
from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from chesscoach.errors import ConfigError
from chesscoach.schedules.schedule import Slot
from chesscoach.worker.runner import attempts, claim
from chesscoach.worker.scheduler import schedule_admin
from chesscoach.worker.shard import Shard
from tests.conftest import NOON, Clock
from tests.support.recording_job import RecordingJob
from tests.support.scheduling import expire_owner, load_schedule, run_slot
from tests.worker.scheduler.explanation.conftest import (
    HOUR,
    HOURLY,
    ONE_O_CLOCK,
    NewContext,
    explain_at,
    run_daemon,
    sentences,
    start_slot,
)


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


async def test_a_running_slot_and_one_whose_process_died(
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


async def test_a_slot_that_ran_in_shards_alone_is_as_far_as_the_one_that_is_least_far(
    new_context: NewContext, clock: Clock, chore: RecordingJob, db: Any
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
    expire_owner(db, f"{slot.key}#{second}")
    await run_slot(ctx, job, HOURLY, slot, shard=second)
    assert (await explain_at(ctx)).verdict == "worked"
