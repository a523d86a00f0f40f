"""Claims whose lease another run holds."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from chesscoach.context import Context
from chesscoach.errors import LeaseHeld
from chesscoach.jobs.sync_games import JOB
from chesscoach.schedules.schedule import Slot
from chesscoach.worker.runner import attempts, claim
from chesscoach.worker.runner.acquisition import Claim
from tests.conftest import NOON, Clock
from tests.support.scheduling import expire_owner
from tests.worker.runner.conftest import (
    HOURLY,
    SLOT,
    claim_slot,
    claimed_attempt,
    finish,
    unavailable_slot,
)


async def test_another_slot_during_a_cancelled_run_is_an_overlap(
    ctx: Context, contexts: Any, db: Any
) -> None:
    other = await contexts()
    async with ctx.leases.renewing():
        await claimed_attempt(ctx)
        next_slot = Slot(schedule="hourly", at=NOON + timedelta(hours=1))

        late = await unavailable_slot(other, next_slot)

    assert (late.exit_code, late.reason[:15]) == (0, "skipped_overlap")
    assert db.job_runs.find_one({"_id": next_slot.key})["outcome"] == "skipped_overlap"


async def test_a_manual_run_beside_another_is_refused_and_the_error_names_that(
    ctx: Context, contexts: Any
) -> None:
    other = await contexts()
    async with ctx.leases.renewing():
        mine = await claim.claim_manual_run(ctx.worker, JOB, attempts.manual_id(JOB))

        with pytest.raises(LeaseHeld, match=mine.run.id) as refused:
            await claim.claim_manual_run(other.worker, JOB, attempts.manual_id(JOB))

    assert f"pid {mine.run.owner['pid']}" in str(refused.value)


async def test_a_cancelled_claim_makes_no_other_process_wait(
    ctx: Context, contexts: Any, db: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """It waited for the lease of a manual run that lived."""
    other = await contexts()
    mine = await claim.claim_manual_run(ctx.worker, JOB, attempts.manual_id(JOB))
    waiting = asyncio.create_task(claim_slot(other))
    while "lease_watched" not in capsys.readouterr().out:
        await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.wait({waiting})

    assert db.job_runs.find_one({"_id": SLOT.key})["outcome"] == "cancelled"
    await finish(ctx, mine, "succeeded")
    assert (await claimed_attempt(ctx)).number == 2
    assert "lease_watched" not in capsys.readouterr().out


async def test_a_claim_that_was_taken_over_while_it_waited_for_its_lease_runs_nothing(
    ctx: Context, contexts: Any, db: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """It waited until the next contender took it for dead."""
    other = await contexts()
    dead = await claim.claim_manual_run(
        ctx.worker, JOB, attempts.manual_id(JOB)
    )  # its lease is not renewed
    waiting = asyncio.create_task(unavailable_slot(other))
    while "lease_watched" not in capsys.readouterr().out:
        await asyncio.sleep(0.01)
    taken_over = {"$set": {"claim": "another", "attempt": 2}}
    db.job_runs.update_one({"_id": SLOT.key}, taken_over)
    expire_owner(db, dead.run.id)

    assert (await waiting).reason == "taken over by another"
    assert db.job_leases.find_one({"_id": "sync_games"})["owner"] == dead.run.claim
    assert db.job_runs.find_one({"_id": SLOT.key})["outcome"] == "running"


async def test_a_claim_that_waits_for_its_lease_is_not_taken_for_dead(
    ctx: Context, contexts: Any, db: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    other, third = await contexts(), await contexts()
    dead = await claim.claim_manual_run(
        ctx.worker, JOB, attempts.manual_id(JOB)
    )  # its lease is not renewed
    waiting = asyncio.create_task(claimed_attempt(other))
    while "lease_watched" not in capsys.readouterr().out:
        await asyncio.sleep(0.01)
    claimed = db.job_runs.find_one({"_id": SLOT.key})
    expire_owner(db, dead.run.id)

    mine = await waiting

    assert db.job_runs.find_one({"_id": SLOT.key})["claimed_at"] > claimed["claimed_at"]
    async with other.leases.renewing():
        assert (await unavailable_slot(third)).reason.startswith("running: ")
    assert mine.number == 1


async def test_all_leases_of_a_lock_are_watched_at_once(contexts: Any) -> None:
    """One after another, they would take longer than a claim without a lease may."""
    ctx, other = await contexts(), await contexts()
    many = replace(HOURLY, max_instances=12)
    async with ctx.leases.renewing():
        for number in range(12):
            slot = Slot(schedule="hourly", at=NOON + timedelta(hours=number))
            assert isinstance(await claim_slot(ctx, slot, many), attempts.Attempt)
        began_at = asyncio.get_running_loop().time()
        late = Slot(schedule="hourly", at=NOON + timedelta(hours=12))

        assert (await unavailable_slot(other, late, many)).reason.startswith("skipped_overlap")

    assert asyncio.get_running_loop().time() - began_at < 6 * ctx.leases.ttl_s / 3


async def test_a_claim_that_was_taken_over_before_its_lease_leaves_the_lease_alone(
    ctx: Context, db: Any
) -> None:
    """A daemon claims a hundred slots at once, and is then delayed; the lease is free again."""
    mine = await claimed_attempt(ctx)
    await ctx.leases.release(mine.lease)
    db.job_runs.update_one({}, {"$set": {"claim": "another", "attempt": 2}})

    waiting = Claim(job=JOB, schedule=HOURLY, run=mine.run, leases=[mine.lease.key])
    late = await claim.wait_for_lease(ctx.worker, waiting)

    assert isinstance(late, attempts.SlotUnavailable)
    assert late.reason == "taken over by another"
    assert db.job_leases.find_one({"_id": "sync_games"})["owner"] is None


async def test_with_queue_one_a_one_shot_waits_and_only_the_newest_slot_runs(
    contexts: Any, db: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Monday's emails are not skipped because of a manual run."""
    patient = replace(HOURLY, overlap="queue_one")
    ours, theirs = await contexts(Clock(NOON)), await contexts(Clock(NOON + timedelta(hours=1)))
    next_slot = Slot(schedule="hourly", at=NOON + timedelta(hours=1))
    async with ours.leases.renewing():
        mine = await claim.claim_manual_run(ours.worker, JOB, attempts.manual_id(JOB))
        early = asyncio.create_task(unavailable_slot(ours, SLOT, patient))
        watched = 0
        while watched < 2:  # it has seen a renewal, and waits on
            await asyncio.sleep(0.05)
            watched += capsys.readouterr().out.count("lease_watched")
        late = asyncio.create_task(claim_slot(theirs, next_slot, patient))
        assert (await early).reason == "a newer slot of the schedule is recorded"
        assert not late.done()
        await ours.leases.release(mine.lease)
        claimed = await late

    assert isinstance(claimed, attempts.Attempt)
    assert db.job_runs.find_one({"_id": SLOT.key})["outcome"] == "coalesced"
