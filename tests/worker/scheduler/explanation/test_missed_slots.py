"""The explanation of a slot that is due and that no process has claimed."""

import os
from typing import Any

import pytest
from msgspec.structs import replace

from chesscoach.worker.runner import attempts, claim
from chesscoach.worker.scheduler.scheduler import Scheduler
from chesscoach.worker.shutdown import ShutdownRequest
from tests.conftest import NOON, Clock
from tests.support.recording_job import RecordingJob
from tests.support.scheduling import wait_until, wait_until_idle
from tests.worker.scheduler.explanation.conftest import (
    HOUR,
    HOURLY,
    NIGHTLY,
    ONE_O_CLOCK,
    NewContext,
    edit,
    explain_at,
    run_daemon,
    sentences,
    start_slot,
)


async def test_slots_without_a_running_process(
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


async def test_a_slot_still_due_from_before_an_edit(new_context: NewContext, clock: Clock) -> None:
    ctx = await new_context(replace(HOURLY, job="sync_games"))
    clock.move(hours=1, minutes=1)
    await edit(ctx, NIGHTLY)

    found = await explain_at(ctx)

    assert found.verdict == "nobody_there"
    assert found.sentences[0] == "It was due before the schedule was changed."


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
