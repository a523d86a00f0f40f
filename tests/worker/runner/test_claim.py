import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from chesscoach.context import Context
from chesscoach.errors import ConfigError, LeaseHeld
from chesscoach.jobs.sync_games import JOB
from chesscoach.schedules.due import DueSlots
from chesscoach.schedules.outcome import Counts
from chesscoach.schedules.schedule import Schedule, Slot
from chesscoach.worker.runner import attempts, claim
from chesscoach.worker.runner.acquisition import Claim
from chesscoach.worker.runner.skipping import DueSchedule
from tests.conftest import NOON, Clock
from tests.support.scheduling import expire_owner

HOURLY = Schedule(job="sync_games", cron="0 * * * *")
SLOT = Slot(schedule="hourly", at=NOON)


async def claim_slot(
    ctx: Context, slot: Slot = SLOT, schedule: Schedule = HOURLY
) -> attempts.Attempt | attempts.SlotUnavailable:
    return await claim.claim_slot(ctx.worker, JOB, schedule, slot, "cli")


async def claimed_attempt(ctx: Context, slot: Slot = SLOT) -> attempts.Attempt:
    claimed = await claim_slot(ctx, slot)
    assert isinstance(claimed, attempts.Attempt), claimed
    return claimed


async def unavailable_slot(
    ctx: Context, slot: Slot = SLOT, schedule: Schedule = HOURLY
) -> attempts.SlotUnavailable:
    claimed = await claim_slot(ctx, slot, schedule)
    assert isinstance(claimed, attempts.SlotUnavailable), claimed
    return claimed


async def finish(ctx: Context, mine: attempts.Attempt, outcome: Any, code: int = 0) -> None:
    await ctx.worker.runs.finish(
        mine.run.id,
        mine.run.claim,
        outcome=outcome,
        counts=Counts(),
        finished_at=NOON,
        duration_s=1.0,
        exit_code=code,
    )
    await ctx.leases.release(mine.lease)


async def test_the_first_process_runs_the_slot_and_the_next_finds_it_closed(ctx: Context) -> None:
    mine = await claimed_attempt(ctx)
    assert (mine.number, mine.lease.key, mine.run.id) == (
        1,
        "sync_games",
        "hourly:2026-10-21T12:00:00Z",
    )
    await finish(ctx, mine, "succeeded")

    late = await unavailable_slot(ctx)

    assert (late.exit_code, late.reason) == (0, "closed: succeeded")


@pytest.mark.parametrize(("outcome", "code"), [("partial", 1), ("failed", 1), ("timed_out", 1)])
async def test_a_closed_slot_gives_the_code_of_its_outcome(
    ctx: Context, outcome: str, code: int
) -> None:
    for _ in range(ctx.config.runner.max_attempts if outcome != "partial" else 1):
        await finish(ctx, await claimed_attempt(ctx), outcome, code)

    assert (await unavailable_slot(ctx)).exit_code == code


@pytest.mark.parametrize("outcome", ["failed", "timed_out", "cancelled", "abandoned"])
async def test_an_open_slot_runs_again_as_the_next_attempt(
    ctx: Context, db: Any, outcome: str
) -> None:
    await finish(ctx, await claimed_attempt(ctx), outcome, 1)

    again = await claimed_attempt(ctx)

    assert again.number == 2
    assert [old["outcome"] for old in db.job_runs.find_one()["earlier"]] == [outcome]


async def test_a_slot_whose_owner_lives_is_left_alone(ctx: Context, contexts: Any) -> None:
    other = await contexts()
    async with ctx.leases.renewing():
        await claimed_attempt(ctx)

        late = await unavailable_slot(other)

    assert late.exit_code == 0
    assert late.reason.startswith("running: ")


async def test_a_slot_whose_owner_died_is_taken_over_after_the_lease(
    ctx: Context, contexts: Any, db: Any
) -> None:
    dead = await claimed_attempt(ctx)  # its lease is not renewed
    other = await contexts()
    expires_at = datetime.now(UTC) + timedelta(seconds=3)
    db.job_leases.update_one({"_id": dead.lease.key}, {"$set": {"expires_at": expires_at}})

    mine = await claimed_attempt(other)

    assert datetime.now(UTC) >= expires_at - timedelta(milliseconds=1)  # as the database rounds
    assert mine.number == 2
    assert mine.lease.fence > dead.lease.fence


async def test_a_slot_whose_owner_died_before_it_had_a_lease_is_taken_over(
    ctx: Context, db: Any
) -> None:
    dead = await claimed_attempt(ctx)
    await ctx.leases.release(dead.lease)
    expire_owner(db, dead.run.id)

    assert (await claimed_attempt(ctx)).number == 2


async def test_a_slot_that_closes_while_it_is_watched_gives_the_code_0(
    ctx: Context, contexts: Any
) -> None:
    other = await contexts()
    mine = await claimed_attempt(ctx)
    watching = asyncio.create_task(unavailable_slot(other))
    await asyncio.sleep(0.3)

    await finish(ctx, mine, "succeeded")

    assert (await watching).exit_code == 0


async def test_another_slot_meanwhile_is_closed_as_an_overlap(
    ctx: Context, contexts: Any, db: Any
) -> None:
    other = await contexts()
    async with ctx.leases.renewing():
        await claimed_attempt(ctx)
        next_slot = Slot(schedule="hourly", at=NOON + timedelta(hours=1))

        late = await unavailable_slot(other, next_slot)

    assert (late.exit_code, late.reason[:15]) == (0, "skipped_overlap")
    assert db.job_runs.find_one({"_id": next_slot.key})["outcome"] == "skipped_overlap"


async def test_a_lease_whose_document_was_deleted_can_be_taken_again(ctx: Context, db: Any) -> None:
    mine = await claimed_attempt(ctx)
    await finish(ctx, mine, "succeeded")
    await ctx.leases.release(mine.lease)
    db.job_leases.delete_many({})

    async with asyncio.timeout(30):
        again = await claimed_attempt(ctx, Slot(schedule="hourly", at=NOON + timedelta(hours=1)))

    assert again.number == 1


async def test_another_slot_and_a_manual_run_take_the_lease_of_a_dead_holder(
    ctx: Context, contexts: Any, db: Any
) -> None:
    expire_owner(db, (await claimed_attempt(ctx)).run.id)
    next_slot = Slot(schedule="hourly", at=NOON + timedelta(hours=1))

    mine = await claimed_attempt(await contexts(), next_slot)
    expire_owner(db, mine.run.id)
    by_hand = await claim.claim_manual_run((await contexts()).worker, JOB, attempts.manual_id(JOB))

    assert (mine.number, by_hand.number) == (1, 1)


async def test_a_manual_run_beside_another_is_refused_and_the_error_names_that(
    ctx: Context, contexts: Any
) -> None:
    other = await contexts()
    async with ctx.leases.renewing():
        mine = await claim.claim_manual_run(ctx.worker, JOB, attempts.manual_id(JOB))

        with pytest.raises(LeaseHeld, match=mine.run.id) as refused:
            await claim.claim_manual_run(other.worker, JOB, attempts.manual_id(JOB))

    assert f"pid {mine.run.owner['pid']}" in str(refused.value)


async def test_an_instant_that_is_not_a_slot_is_refused(ctx: Context) -> None:
    with pytest.raises(ConfigError, match="12:30:00Z is not a slot of the schedule hourly"):
        await claim_slot(ctx, Slot(schedule="hourly", at=NOON + timedelta(minutes=30)))


async def test_a_slot_older_than_the_newest_recorded_one_is_coalesced(
    ctx: Context, db: Any
) -> None:
    await finish(ctx, await claimed_attempt(ctx), "succeeded")
    older = Slot(schedule="hourly", at=NOON - timedelta(hours=3))

    assert (await unavailable_slot(ctx, older)).reason == "coalesced"
    assert db.job_runs.find_one({"_id": older.key})["outcome"] == "coalesced"
    assert (await unavailable_slot(ctx, older)).exit_code == 0


async def test_a_slot_beyond_its_grace_is_missed(contexts: Any, db: Any) -> None:
    ctx = await contexts(Clock(NOON + timedelta(minutes=11)))

    late = await unavailable_slot(ctx, SLOT, replace(HOURLY, misfire_grace_s=600.0))

    assert (late.reason, late.exit_code) == ("missed", 0)
    assert db.job_runs.find_one({"_id": SLOT.key})["outcome"] == "missed"


@pytest.mark.parametrize("outcome", ["cancelled", "running"])
async def test_a_slot_left_open_beyond_its_grace_is_closed_as_missed(
    ctx: Context, contexts: Any, db: Any, outcome: str
) -> None:
    await finish(ctx, await claimed_attempt(ctx), "cancelled")
    if outcome == "running":
        expire_owner(db, SLOT.key)
    later = await contexts(Clock(NOON + timedelta(minutes=11)))

    late = await unavailable_slot(later, SLOT, replace(HOURLY, misfire_grace_s=600.0))

    assert (late.reason, late.exit_code) == ("missed", 0)
    stored = db.job_runs.find_one()
    assert (stored["outcome"], stored["attempt"], stored["exit_code"]) == ("missed", 2, 0)


async def test_of_many_contenders_for_one_slot_one_runs_it(ctx: Context, db: Any) -> None:
    async with ctx.leases.renewing():
        claims = await asyncio.gather(*(claim_slot(ctx) for _ in range(12)))

    assert sum(isinstance(claimed, attempts.Attempt) for claimed in claims) == 1
    assert db.job_runs.count_documents({}) == 1
    assert db.job_runs.find_one()["attempt"] == 1


async def test_an_orphaned_slot_goes_to_one_of_many_contenders(
    ctx: Context, contexts: Any, db: Any
) -> None:
    expire_owner(db, (await claimed_attempt(ctx)).run.id)
    other = await contexts()
    async with other.leases.renewing():
        # The dead holder's lease stays dead: its own context keeps nothing.
        claims = await asyncio.gather(*(claim_slot(other) for _ in range(8)))

    won = [claimed for claimed in claims if isinstance(claimed, attempts.Attempt)]
    assert [each.number for each in won] == [2]


async def test_a_slot_in_the_future_is_refused(contexts: Any, db: Any) -> None:
    ctx = await contexts(Clock(NOON - timedelta(minutes=10)))

    with pytest.raises(ConfigError, match="12:00:00Z is not due yet"):
        await claim_slot(ctx)

    assert db.job_runs.count_documents({}) == 0


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
    ctx: Context, contexts: Any, db: Any
) -> None:
    other, third = await contexts(), await contexts()
    dead = await claim.claim_manual_run(
        ctx.worker, JOB, attempts.manual_id(JOB)
    )  # its lease is not renewed
    waiting = asyncio.create_task(claimed_attempt(other))
    while (claimed := db.job_runs.find_one({"_id": SLOT.key})) is None:
        await asyncio.sleep(0.01)
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


async def test_a_bulk_claim_spreads_over_the_leases_of_a_job_and_each_names_its_run(
    ctx: Context, db: Any
) -> None:
    twice = replace(HOURLY, max_instances=2)
    due = [
        DueSchedule(
            job=JOB,
            schedule_id=name,
            schedule=twice,
            slots=DueSlots(slot=Slot(schedule=name, at=NOON)),
        )
        for name in ("a", "b", "c")
    ]

    claimed = await claim.claim_due(ctx.worker, due, "daemon")

    leases = [each.attempt.lease.key if each.attempt else None for each in claimed]
    assert leases == ["sync_games", "sync_games#1", None]
    for each in claimed[:2]:
        run = each.claim.run
        assert db.job_runs.find_one({"_id": run.id})["lease"] == run.lease
        lease = db.job_leases.find_one({"_id": run.lease})
        assert (lease["owner"], lease["holder"]["run_id"]) == (run.claim, run.id)
    assert db.job_runs.count_documents({"outcome": "running"}) == 3
