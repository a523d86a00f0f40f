"""Claiming many slots at once: a daemon's way, where a hundred schedules fall due together.

What is not worked is recorded before what is, so that a crash in between leaves the slot that is to
be worked due. Losing a slot to somebody else is no error.
"""

import asyncio
from collections.abc import Sequence
from uuid import uuid4

from msgspec import Struct

from chesscoach.schedules.due import DueSlots, SlotRange
from chesscoach.schedules.outcome import Outcome
from chesscoach.schedules.schedule import Schedule, Slot
from chesscoach.worker.job import Job
from chesscoach.worker.runner import attempts
from chesscoach.worker.runner.attempts import Attempt
from chesscoach.worker.store.run_documents import NewRun, SkippedRange
from chesscoach.worker.worker import Worker


class DueSchedule(Struct, frozen=True, kw_only=True):
    """A schedule with something due."""

    job: Job
    schedule_id: str
    schedule: Schedule
    slots: DueSlots


class ClaimedSlot(Struct, frozen=True, kw_only=True):
    """A slot that is ours: with its lease, or (where that was held) still without it."""

    due: DueSchedule
    run: NewRun
    attempt: Attempt | None


def lease_keys(worker: Worker, due: DueSchedule) -> list[str]:
    """The leases of which a run of it needs one."""
    return attempts.lease_keys(
        attempts.lease_key(worker, due.job, due.schedule), due.schedule.max_instances
    )


async def claim_slots(
    worker: Worker, wanted: Sequence[DueSchedule], source: str
) -> list[ClaimedSlot]:
    """Records what is not worked, claims what is, and takes the leases that are free."""
    spans = [span for due in wanted for span in _skipped_ranges(worker, due, source)]
    for span in await worker.runs.record_skipped(spans):
        worker.metrics.count_skipped(span.job, span.outcome, span.count)
    batch, news = uuid4().hex, dict[str, tuple[DueSchedule, NewRun]]()
    leased: set[str] = set()
    for due in wanted:
        if (slot := due.slots.slot) is None:
            continue
        key = attempts.lease_key(worker, due.job, due.schedule)
        alone = due.schedule.max_instances == 1 and key not in leased
        leased.add(key)
        token = f"{batch}:{key}" if alone else uuid4().hex
        news[slot.key] = due, _new_run(worker, due, slot, key, token, source)
    if not news:
        return []
    await worker.leases.ensure_many(new.lease for _, new in news.values())
    begun = asyncio.get_running_loop().time()
    ours = await worker.runs.claim_many([new for _, new in news.values()])
    won = {key: pair for key, pair in news.items() if key in ours}
    leases = await worker.leases.acquire_many(
        {
            new.lease: (new.claim, attempts.holder_info(new))
            for _, new in won.values()
            if new.claim.startswith(f"{batch}:")
        }
    )
    late = asyncio.get_running_loop().time() - begun > worker.leases.ttl_s
    found = []
    for due, new in won.values():
        lease = leases.get(new.lease)
        has = lease is not None and lease.owner == new.claim
        attempt = Attempt(run=new, number=1, lease=lease) if lease is not None and has else None
        if attempt is not None and late and not await worker.runs.confirm_claim(new):
            await worker.leases.release(attempt.lease)  # somebody held us for dead
            continue
        found.append(ClaimedSlot(due=due, run=new, attempt=attempt))
    return found


def _new_run(
    worker: Worker, due: DueSchedule, slot: Slot, key: str, token: str, source: str
) -> NewRun:
    return NewRun(
        id=slot.key,
        job=due.job.name,
        source=source,
        claim=token,
        owner=attempts.owner_info(),
        lease=key,
        started_at=worker.now(),
        slot=slot,
    )


def _skipped_ranges(worker: Worker, due: DueSchedule, source: str) -> list[SkippedRange]:
    """The records of what is not worked."""
    plan, grace = due.slots, due.schedule.misfire_grace_s
    stands = plan.slot.name if plan.slot else "a later slot"
    outcomes: tuple[tuple[SlotRange | None, Outcome, str], ...] = (
        (plan.missed, "missed", f"nobody worked it within {grace} s"),
        (plan.coalesced, "coalesced", f"{stands} stands for it"),
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
