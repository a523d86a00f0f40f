"""A run that an operator cancels ends for good."""

import asyncio

from msgspec.structs import replace

from chesscoach.context import Context
from chesscoach.schedules.schedule import Schedule, Slot
from chesscoach.worker.runner.result import RunResult
from chesscoach.worker.scheduler import recovery
from chesscoach.worker.scheduler.explanation import explain_slot
from chesscoach.worker.store.leases import Leases
from chesscoach.worker.store.schedules import StoredSchedule
from tests.conftest import NOON
from tests.support.recording_job import RecordingJob
from tests.support.scheduling import run_slot, wait_until

HOURLY = Schedule(job="chore", cron="0 * * * *")
SLOT = Slot(schedule="hourly", at=NOON)


async def run_and_cancel(ctx: Context, chore: RecordingJob) -> RunResult:
    """The result of a run that is asked to end while it runs."""
    running = asyncio.ensure_future(run_slot(ctx, chore.job, HOURLY, SLOT))
    await wait_until(lambda: chore.started)
    assert await ctx.worker.runs.cancellations.request(SLOT.key, "Ann", NOON)
    async with asyncio.timeout(30):
        return await running


async def test_a_cancelled_run_ends_soon_and_names_the_operator(ctx: Context) -> None:
    ctx = replace(ctx, leases=Leases(ctx.mongo.database, 1.0))
    chore = RecordingJob(held=True)
    result = await run_and_cancel(ctx, chore)
    assert (result.exit_code, chore.ended) == (1, ["2026-10-21T12:00:00Z"])
    record = await ctx.worker.runs.find(SLOT.key)
    assert record is not None
    assert (record.outcome, record.reason) == ("cancelled", "cancelled by Ann")
    assert not await ctx.worker.runs.cancellations.request(SLOT.key, "Bob", NOON)


async def test_its_slot_does_not_run_again(ctx: Context) -> None:
    """Unlike that of a run which a deploy has cancelled."""
    ctx = replace(ctx, leases=Leases(ctx.mongo.database, 1.0))
    chore = RecordingJob(held=True)
    await run_and_cancel(ctx, chore)
    chore.release.set()
    again = await run_slot(ctx, chore.job, HOURLY, SLOT)
    assert (again.record["outcome"], len(chore.started)) == ("cancelled", 1)
    stored = StoredSchedule(
        id="hourly", schedule=HOURLY, origin="user", revision=1, effective_since=NOON
    )
    assert [slot async for slot in recovery.open_slots(ctx.worker, {"hourly": stored})] == []
    await ctx.worker.schedules.add(stored)
    explained = await explain_slot(ctx.worker, "hourly", NOON)
    assert explained.verdict == "cancelled"
    assert any("cancelled by Ann" in sentence for sentence in explained.sentences)


async def test_a_run_that_ends_by_itself_stays_as_it_ended(ctx: Context) -> None:
    """The request may come too late."""
    chore = RecordingJob(held=True)
    running = asyncio.ensure_future(run_slot(ctx, chore.job, HOURLY, SLOT))
    await wait_until(lambda: chore.started)
    assert await ctx.worker.runs.cancellations.request(SLOT.key, "Ann", NOON)
    chore.release.set()
    assert (await running).record["outcome"] == "succeeded"
