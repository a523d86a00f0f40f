"""A slot that several processes work side by side, each its part of the users.

The slot has a record that says in how many parts it is worked, as the first of them found; each
part has a record and a lease of its own. The job's lease they hold together, as a group, so that no
other slot and no run by hand comes between. The slot closes with its last part.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from msgspec.structs import replace

from chesscoach import log
from chesscoach.errors import LeaseHeld
from chesscoach.schedules.outcome import SKIP_OUTCOMES, Counts, Outcome
from chesscoach.schedules.schedule import Schedule, Slot
from chesscoach.worker.job import Job
from chesscoach.worker.runner import attempts, claim, liveness
from chesscoach.worker.runner.attempts import Attempt, SlotUnavailable
from chesscoach.worker.runner.result import EXIT_FAILED
from chesscoach.worker.shard import Shard
from chesscoach.worker.store.lease import Lease, LeaseStatus
from chesscoach.worker.store.run_documents import NewRun, RunRecord
from chesscoach.worker.worker import Worker


async def claim_manual_shard(
    worker: Worker, job: Job, run_id: str, schedule: Schedule | None, shard: Shard
) -> Attempt:
    """Claims a part of a run by hand, beside other parts of as many.

    Raises:
        LeaseHeld: the same part is at work, or the job is in another way.
    """
    key = attempts.lease_key(worker, job, schedule or await claim.job_schedule(worker, job))
    own = attempts.shard_key(key, shard)
    new = attempts.new_run(worker, job, None, run_id, own, worker.process.source, shard)
    group = await _join_group(
        worker, key, f"{job.name}:manual/{shard.of}", attempts.holder_info(new)
    )
    if isinstance(group, LeaseStatus):
        raise LeaseHeld(attempts.lease_held_message(job, group))
    async with _leave_on_error(worker, group):
        attempt = await claim.lease_manual_run(worker, job, new, [own])
    return replace(attempt, group=group)


async def claim_slot_shard(
    worker: Worker, job: Job, schedule: Schedule, slot: Slot, source: str, shard: Shard
) -> Attempt | SlotUnavailable:
    """Claims a part of a slot, as its first or its next attempt.

    Raises:
        ConfigError: the instant is none at which the schedule is due, or has not come yet.
    """
    await claim.validate_slot(worker, schedule, slot)
    key = attempts.lease_key(worker, job, schedule)
    whole = _slot_record(attempts.new_run(worker, job, slot, slot.key, key, source), shard)
    holder = {**attempts.holder_info(whole), "run_id": slot.key}
    while True:
        begun = await _begin_slot(worker, schedule, slot, whole)
        if isinstance(begun, SlotUnavailable):
            return begun
        group = await _join_group(worker, key, whole.claim, holder)
        if not isinstance(group, LeaseStatus):
            break
        if schedule.overlap != "queue_one":
            return await _skip_overlapping(
                worker, slot, whole, begun, attempts.lease_held_message(job, group)
            )
    async with _leave_on_error(worker, group):
        run_id, own = attempts.shard_key(slot.key, shard), attempts.shard_key(key, shard)
        new = attempts.new_run(worker, job, slot, run_id, own, source, shard)
        async with claim.release_on_cancel(worker, new):
            found = await claim.acquire_slot(worker, new)
            claimed = (
                found
                if isinstance(found, SlotUnavailable)
                else await _lease_shard(worker, job, own, new, found)
            )
    if isinstance(claimed, SlotUnavailable):
        worker.leases.leave_group(group)
        return claimed
    return replace(claimed, group=group)


async def _lease_shard(
    worker: Worker, job: Job, key: str, new: NewRun, record: RunRecord
) -> Attempt | SlotUnavailable:
    """The part's own lease; whoever still has it is no longer in the group, and on his way out."""
    while isinstance(
        claimed := await claim.acquire_lease(worker, job, [key], new, record), LeaseStatus
    ):
        continue
    return claimed


def _slot_record(new: NewRun, shard: Shard) -> NewRun:
    """The slot's own record, which all its parts would write alike."""
    return replace(new, parts=shard.of, claim=f"{new.id}/{shard.of}")


async def _begin_slot(
    worker: Worker, schedule: Schedule, slot: Slot, whole: NewRun
) -> RunRecord | SlotUnavailable:
    """The slot's record, if there is anything to work; it is made by whoever comes first."""
    given_up = await claim.skip_outcome(worker, schedule, slot)
    record = await worker.runs.claim(replace(whole, outcome=given_up) if given_up else whole)
    if record.outcome != given_up or record.finished_at:
        if (settled := claim.unavailable_reason(worker, record, whole)) is not None:
            return settled
        if await close_slot(
            worker, slot, whole.parts
        ):  # whose part was the last died before he could
            return await _begin_slot(worker, schedule, slot, whole)
    if given_up and record.outcome == "running":
        # Others may be at work on what they began in time.
        verdict = await liveness.watch_run(worker, record)
        if verdict == "moved":
            return await _begin_slot(worker, schedule, slot, whole)
        given_up = given_up if verdict == "dead" else None
    if given_up:
        await claim.finish_unrun(worker, whole, given_up, claim.SKIP_REASONS[given_up])
        return SlotUnavailable(record=record, exit_code=0, reason=given_up)
    if record.outcome != "running":
        await worker.runs.reclaim(record, whole)
    return record


async def _join_group(
    worker: Worker, key: str, group: str, holder: dict[str, object]
) -> Lease | LeaseStatus:
    """The job's lease, for ourselves and our like; or the others who live and have it."""
    await worker.leases.ensure_many([key])
    while (lease := await worker.leases.join_group(key, group, holder)) is None:
        holding, verdict = await liveness.watch_lease(worker, key)
        if holding is not None and verdict == "renewed":
            return holding
    return lease


async def _skip_overlapping(
    worker: Worker, slot: Slot, whole: NewRun, begun: RunRecord, held: str
) -> SlotUnavailable:
    """A slot of which nothing is worked is skipped; one that is begun waits for its next chance."""
    if await worker.shards.find_by_slot(slot):
        return SlotUnavailable(record=begun, exit_code=EXIT_FAILED, reason=f"it stays open: {held}")
    reason = f"skipped_overlap: {held}"
    await claim.finish_unrun(worker, whole, "skipped_overlap", reason)
    return SlotUnavailable(record=begun, exit_code=0, reason=reason)


@asynccontextmanager
async def _leave_on_error(worker: Worker, group: Lease) -> AsyncIterator[None]:
    """Keeps up with a group while the part is awaited; leaves it again if that cannot be had."""
    try:
        async with worker.leases.renewing():
            yield
    except BaseException:
        worker.leases.leave_group(group)
        raise


async def close_slot(worker: Worker, slot: Slot, of: int) -> bool:
    """Closes a slot whose parts have all ended for good; whether it is closed now."""
    parts = await worker.shards.find_by_slot(slot)
    attempts = worker.config.runner.max_attempts
    if len(parts) < of or not all(part.closed(attempts) for part in parts):
        return False
    counts, ended = sum_counts(parts), [part.finished_at or part.started_at for part in parts]
    outcome = combined_outcome([part.outcome for part in parts])
    # A part that was passed over has users whom nobody worked.
    code = max(
        EXIT_FAILED if part.outcome in SKIP_OUTCOMES else part.exit_code or 0 for part in parts
    )
    duration: timedelta = max(ended) - min(part.started_at for part in parts)
    closed = await worker.shards.close_slot(
        slot,
        outcome=outcome,
        counts=counts,
        finished_at=max(ended),
        duration_s=round(duration.total_seconds(), 3),
        exit_code=code,
    )
    await worker.leases.release_token(parts[0].lease.partition("#")[0], f"{slot.key}/{of}")
    if closed:
        log.get_logger().info(
            "slot_finished",
            job=parts[0].job,
            run_id=slot.key,
            schedule=slot.schedule,
            slot=slot.name,
            parts=of,
            outcome=outcome,
            exit_code=code,
            duration_s=duration.total_seconds(),
            candidates=counts.candidates,
            done=counts.done,
            failed=counts.failed,
            skipped=counts.skipped,
        )
    return True


def combined_outcome(outcomes: Sequence[Outcome]) -> Outcome:
    """What became of a slot by what became of its parts: one word for all, or partly done."""
    first = outcomes[0]
    return first if all(outcome == first for outcome in outcomes) else "partial"


def sum_counts(parts: Sequence[RunRecord]) -> Counts:
    """The counts of some parts in one; what is no number is told by the parts alone."""
    counts = Counts()
    for part in parts:
        counts.candidates += part.candidates
        counts.done += part.done
        counts.failed += part.failed
        counts.skipped += part.skipped
        for name, value in part.notes.items():
            if isinstance(value, int):
                counts.note(name, value)
        for error in part.errors:
            counts.add_error(**error)
    return counts
