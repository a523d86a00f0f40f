"""Claims of the slots of an hourly schedule."""

from typing import Any

from chesscoach.context import Context
from chesscoach.jobs.sync_games import JOB
from chesscoach.schedules.outcome import Counts
from chesscoach.schedules.schedule import Schedule, Slot
from chesscoach.worker.runner import attempts, claim
from tests.conftest import NOON

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
