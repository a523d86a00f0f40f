"""Slots that do not run: why, and the records that say so."""

from collections.abc import Sequence

from msgspec import Struct

from chesscoach.schedules import due
from chesscoach.schedules.due import DueSlots, SlotRange
from chesscoach.schedules.outcome import Counts, Outcome
from chesscoach.schedules.schedule import Schedule, Slot
from chesscoach.worker.job import Job
from chesscoach.worker.shard import Shard
from chesscoach.worker.store.run_documents import NewRun, SkippedRange
from chesscoach.worker.worker import Worker

SKIP_REASONS = {
    "missed": "it came later than misfire_grace_s",
    "coalesced": "a newer slot of the schedule is recorded",
}


class DueSchedule(Struct, frozen=True, kw_only=True):
    """A schedule with something due."""

    job: Job
    schedule_id: str
    schedule: Schedule
    slots: DueSlots


async def skip_outcome(
    worker: Worker, schedule: Schedule, slot: Slot, shard: Shard
) -> Outcome | None:
    """The outcome of a slot that is too late or superseded; None if it may run."""
    if due.is_too_late(schedule, slot, worker.now()):
        return "missed"
    if schedule.coalesce and await worker.runs.is_superseded(slot, shard):
        return "coalesced"
    return None


async def finish_unrun(
    worker: Worker, run: NewRun, outcome: Outcome, reason: str | None = None
) -> None:
    """Records the end of a run of ours that did not start."""
    ended = await worker.runs.finish(
        run.id,
        run.claim,
        outcome=outcome,
        counts=Counts(),
        finished_at=worker.now(),
        duration_s=0.0,
        exit_code=0,
        reason=reason,
    )
    if ended:
        worker.metrics.count_skipped(run.job, outcome)


async def record_skipped(worker: Worker, due: Sequence[DueSchedule], source: str) -> None:
    """Records and counts the slots of some schedules that do not run."""
    spans = [span for item in due for span in _skipped_ranges(worker, item, source)]
    for span in await worker.runs.record_skipped(spans):
        worker.metrics.count_skipped(span.job, span.outcome, span.count)


def _skipped_ranges(worker: Worker, due: DueSchedule, source: str) -> list[SkippedRange]:
    plan, grace = due.slots, due.schedule.misfire_grace_s
    replacement = plan.slot.name if plan.slot else "a later slot"
    outcomes: tuple[tuple[SlotRange | None, Outcome, str], ...] = (
        (plan.missed, "missed", f"no process ran it within {grace} s"),
        (plan.coalesced, "coalesced", f"{replacement} stands for it"),
    )
    return [
        SkippedRange(
            job=due.job.name,
            first=span.first,
            last=span.last,
            count=span.count,
            outcome=outcome,
            source=source,
            at=worker.now(),
            reason=reason,
        )
        for span, outcome, reason in outcomes
        if span is not None
    ]
