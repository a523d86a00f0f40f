"""Who works: the claim of a slot and the lease of its job.

A slot is a document that whoever inserts it works. A second lock, the lease, keeps two different
slots of a job, or a slot and a run by hand, from running side by side. Whether a holder lives is
never guessed: its lease is watched until it is renewed, given back, or runs out.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import msgspec

from chesscoach.errors import ChesscoachError, ConfigError, LeaseHeld
from chesscoach.schedules import due, slots
from chesscoach.schedules.outcome import Counts, Outcome
from chesscoach.schedules.schedule import Schedule, Slot
from chesscoach.worker.job import Job
from chesscoach.worker.runner import liveness
from chesscoach.worker.runner.attempts import (
    Attempt,
    SlotUnavailable,
    holder_info,
    lease_held_message,
    lease_key,
    lease_keys,
    new_run,
    shard_key,
)
from chesscoach.worker.shard import ALL_USERS, Shard
from chesscoach.worker.store.lease import Lease, LeaseStatus
from chesscoach.worker.store.run_documents import NewRun, RunRecord
from chesscoach.worker.worker import Worker

SKIP_REASONS = {
    "missed": "it came later than misfire_grace_s",
    "coalesced": "a newer slot of the schedule is recorded",
}
_TAKEN_OVER = "taken over by another"
_MAX_CLOCK_SKEW = timedelta(minutes=5)
"""How far another machine's clock, which named a slot, may be ahead of ours."""


async def claim_manual_run(
    worker: Worker,
    job: Job,
    run_id: str,
    schedule: Schedule | None = None,
    shard: Shard = ALL_USERS,
) -> Attempt:
    """Claims a run that belongs to no slot, under the lease of a schedule, by default its own.

    Raises:
        LeaseHeld: another run of the job is at work, or as many as the schedule allows.
    """
    own = schedule or await job_schedule(worker, job)
    key = shard_key(lease_key(worker, job, own), shard)
    keys = lease_keys(key, schedule.max_instances if schedule else 1)
    new = new_run(worker, job, None, run_id, key, worker.process.source, shard)
    await worker.leases.ensure_many(keys)
    while True:
        for key in keys:
            leased = msgspec.structs.replace(new, lease=key)
            async with release_on_cancel(worker, leased):
                if (lease := await _try_lease(worker, leased, key)) is not None:
                    record = await worker.runs.claim(leased)
                    return Attempt(run=leased, number=record.attempt, lease=lease)
        watched = await asyncio.gather(*(liveness.watch_lease(worker, key) for key in keys))
        if not any(verdict in ("expired", "free") for _, verdict in watched):
            raise LeaseHeld(lease_held_message(job, watched[0][0]))


async def job_schedule(worker: Worker, job: Job) -> Schedule | None:
    """The stored schedule that is named like a job: its lock is that of runs by hand."""
    stored = await worker.schedules.get(job.name)
    return stored.schedule if stored and not (stored.retired or stored.unreadable) else None


@asynccontextmanager
async def release_on_cancel(worker: Worker, new: NewRun) -> AsyncIterator[None]:
    """Takes a claim back that is broken off, so that nobody has to wait for it to run out."""
    try:
        yield
    except asyncio.CancelledError:
        with suppress(ChesscoachError):
            await finish_unrun(worker, new, "cancelled")
            await worker.leases.release_token(new.lease, new.claim)
        raise


async def claim_slot(
    worker: Worker,
    job: Job,
    schedule: Schedule,
    slot: Slot,
    source: str,
    shard: Shard = ALL_USERS,
) -> Attempt | SlotUnavailable:
    """Claims a slot or a shard of it, as its first or its next attempt.

    Raises:
        ConfigError: the instant is none at which the schedule is due, or has not come yet.
    """
    key = shard_key(lease_key(worker, job, schedule), shard)
    new = new_run(worker, job, slot, shard_key(slot.key, shard), key, source, shard)
    await validate_slot(worker, schedule, slot, new.id)
    given_up = await skip_outcome(worker, schedule, slot, shard)
    if given_up is not None:
        new = msgspec.structs.replace(new, outcome=given_up)
    async with release_on_cancel(worker, new):
        claimed = await acquire_slot(worker, new)
        if isinstance(claimed, SlotUnavailable):
            return claimed
        if given_up is not None:
            await finish_unrun(worker, new, given_up, SKIP_REASONS[given_up])
            return SlotUnavailable(record=claimed, exit_code=0, reason=given_up)
        return await _lease_or_wait(worker, job, schedule, new, claimed)


async def validate_slot(worker: Worker, schedule: Schedule, slot: Slot, run_id: str) -> None:
    """Refuses what is no slot, or none yet; what is recorded, or still owed, was one.

    Since then the schedule may have been changed, or a clock set back.
    """
    if not slots.is_slot(slot.schedule, schedule, slot.at):
        msg = f"{slot.name} is no slot of the schedule {slot.schedule} ({schedule.trigger})"
    elif slot.at > worker.now() + _MAX_CLOCK_SKEW:
        msg = f"{slot.name} has not come yet: working it now would hide the slots before it"
    else:
        return
    stored = await worker.schedules.get(slot.schedule)
    owed = stored is not None and stored.pending_slot == slot.at
    if not owed and await worker.runs.find(run_id) is None:
        raise ConfigError(msg)


async def skip_outcome(
    worker: Worker, schedule: Schedule, slot: Slot, shard: Shard
) -> Outcome | None:
    """Why a slot that nobody has worked is not worked any more, if so."""
    if due.is_too_late(schedule, slot, worker.now()):
        return "missed"
    if schedule.coalesce and await worker.runs.is_superseded(slot, shard):
        return "coalesced"
    return None


async def acquire_slot(worker: Worker, new: NewRun) -> RunRecord | SlotUnavailable:
    """Makes a slot ours, also one that another had; or says why it is not to be had."""
    record = await worker.runs.claim(new)
    while record.claim != new.claim:
        if (settled := unavailable_reason(worker, record)) is not None:
            return settled
        if record.outcome == "running":
            verdict = await liveness.watch_run(worker, record)
            if verdict == "alive":
                return SlotUnavailable(
                    record=record, exit_code=0, reason=f"at work: {record.owner}"
                )
            if verdict == "moved":
                moved = await worker.runs.find(record.id)
                if moved is not None and moved.closed(worker.config.runner.max_attempts):
                    return SlotUnavailable(
                        record=moved, exit_code=0, reason=f"closed: {moved.outcome}"
                    )
                record = moved or await worker.runs.claim(new)
                continue
        if await worker.runs.reclaim(record, new) and record.outcome == "running":
            worker.metrics.count_skipped(new.job, "abandoned")  # its own process could not count it
        record = await worker.runs.claim(new)
    return record


def unavailable_reason(worker: Worker, record: RunRecord) -> SlotUnavailable | None:
    """Why a contender leaves a slot alone: it is closed."""
    if record.closed(worker.config.runner.max_attempts):
        code = record.exit_code or 0
        return SlotUnavailable(record=record, exit_code=code, reason=f"closed: {record.outcome}")
    return None


async def lease_claimed_slot(
    worker: Worker, job: Job, schedule: Schedule, new: NewRun
) -> Attempt | SlotUnavailable:
    """The lease for the first attempt at a slot that is ours already; given up if broken off."""
    async with release_on_cancel(worker, new):
        record = await worker.runs.claim(new)
        return await _lease_or_wait(worker, job, schedule, new, record)


async def _lease_or_wait(
    worker: Worker, job: Job, schedule: Schedule, new: NewRun, record: RunRecord
) -> Attempt | SlotUnavailable:
    """A lease for a slot that is ours; with `queue_one` it is waited for, in the newest slot."""
    keys = lease_keys(new.lease, schedule.max_instances)
    while isinstance(found := await acquire_lease(worker, job, keys, new, record), LeaseStatus):
        outcome: Outcome | None = "skipped_overlap"
        reason = f"skipped_overlap: {lease_held_message(job, found)}"
        if schedule.overlap == "queue_one" and new.slot is not None:
            outcome = await skip_outcome(worker, schedule, new.slot, new.shard)
            reason = SKIP_REASONS.get(outcome or "", "")
        if outcome is not None:
            await finish_unrun(worker, new, outcome, reason)
            return SlotUnavailable(record=record, exit_code=0, reason=reason)
    return found


async def acquire_lease(
    worker: Worker, job: Job, keys: Sequence[str], new: NewRun, record: RunRecord
) -> Attempt | SlotUnavailable | LeaseStatus:
    """Takes one of some leases for a slot that is ours, or says who lives and has the first.

    It may take us so long that the next contender holds us for dead and takes the slot over.
    """
    await worker.leases.ensure_many(keys)
    while True:
        for key in keys:
            if (lease := await _try_lease(worker, new, key)) is not None:
                leased = msgspec.structs.replace(new, lease=key)
                if await worker.runs.confirm_claim(leased):
                    return Attempt(run=leased, number=record.attempt, lease=lease)
                await worker.leases.release(lease)
                return SlotUnavailable(record=record, exit_code=0, reason=_TAKEN_OVER)
        holding = await liveness.first_living_holder(worker, keys)
        if not await worker.runs.confirm_claim(new):
            return SlotUnavailable(record=record, exit_code=0, reason=_TAKEN_OVER)
        if holding is not None:
            return holding


async def _try_lease(worker: Worker, new: NewRun, key: str) -> Lease | None:
    return await worker.leases.acquire(key, {**holder_info(new), "run_id": new.id}, new.claim)


async def finish_unrun(
    worker: Worker, new: NewRun, outcome: Outcome, reason: str | None = None
) -> None:
    """Records how a run ends that is not worked."""
    ended = await worker.runs.finish(
        new.id,
        new.claim,
        outcome=outcome,
        counts=Counts(),
        finished_at=worker.now(),
        duration_s=0.0,
        exit_code=0,
        reason=reason,
    )
    if ended:
        worker.metrics.count_skipped(new.job, outcome)
