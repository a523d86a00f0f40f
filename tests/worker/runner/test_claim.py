"""Which slots a process may claim, and how often."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from chesscoach.context import Context
from chesscoach.errors import ConfigError
from chesscoach.jobs.sync_games import JOB
from chesscoach.schedules.due import DueSlots
from chesscoach.schedules.schedule import Slot
from chesscoach.worker.runner import attempts, claim
from chesscoach.worker.runner.skipping import DueSchedule
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


async def test_a_slot_in_the_future_is_refused(contexts: Any, db: Any) -> None:
    ctx = await contexts(Clock(NOON - timedelta(minutes=10)))

    with pytest.raises(ConfigError, match="12:00:00Z is not due yet"):
        await claim_slot(ctx)

    assert db.job_runs.count_documents({}) == 0


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
