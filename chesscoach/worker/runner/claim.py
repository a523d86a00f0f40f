"""Claims runs: one slot or many, a shard or a manual run, all in the same way.

A claim inserts the run record and takes the lease of the job. The process that inserts the record
of a slot runs it. The lease keeps two slots of a job, or a slot and a manual run, from running at
the same time. Many claims are one insert, one update of the leases and one read-back by token; a
single claim is the same with n = 1. If the lease is held, its holder is watched until the lease is
renewed, released or expired. A manual run takes its lease first, so that a refused one leaves no
record.
"""

from collections.abc import Sequence
from datetime import timedelta
from uuid import uuid4

from msgspec.structs import replace

from chesscoach.errors import ConfigError, LeaseHeld
from chesscoach.schedules import slots
from chesscoach.schedules.outcome import Outcome
from chesscoach.schedules.schedule import Schedule, Slot
from chesscoach.worker.job import Job
from chesscoach.worker.runner import acquisition, attempts, skipping, takeover
from chesscoach.worker.runner.acquisition import Claim, ClaimedRun
from chesscoach.worker.runner.attempts import Attempt, SlotUnavailable
from chesscoach.worker.runner.skipping import DueSchedule
from chesscoach.worker.shard import ALL_USERS, Shard
from chesscoach.worker.store.lease import LeaseStatus
from chesscoach.worker.store.run_documents import NewRun
from chesscoach.worker.worker import Worker

_MAX_CLOCK_SKEW = timedelta(minutes=5)
"""How far the clock of the machine that named a slot may be ahead of ours."""


async def claim_manual_run(
    worker: Worker,
    job: Job,
    run_id: str,
    schedule: Schedule | None = None,
    shard: Shard = ALL_USERS,
) -> Attempt:
    """Claims a run that belongs to no slot, under the lease of a schedule, by default the job's.

    Raises:
        LeaseHeld: another run of the job is running, or as many as the schedule allows.
    """
    claim = _new_claim(
        worker,
        job,
        schedule,
        worker.process.source,
        shard=shard,
        manual_id=run_id,
        lock_schedule=schedule or await _job_schedule(worker, job),
    )
    await worker.leases.ensure_many(claim.leases)
    async with acquisition.undone_on_cancel(worker, claim):
        attempt = await acquisition.acquire_lease(worker, claim, 1, recorded=False)
    if isinstance(attempt, Attempt):
        return attempt
    raise LeaseHeld(attempts.lease_held_message(job, attempt))


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
        ConfigError: the instant is not a slot of the schedule, or is in the future.
    """
    claim = _new_claim(worker, job, schedule, source, slot, shard)
    await _validate_slot(worker, schedule, slot, claim.run.id)
    skipped = await skipping.skip_outcome(worker, schedule, slot, shard)
    if skipped is not None:
        claim = replace(claim, run=replace(claim.run, outcome=skipped))
    async with acquisition.undone_on_cancel(worker, claim):
        for claimed in await acquisition.claim_runs(worker, [claim]):
            if claimed.attempt is not None:
                return claimed.attempt
        number = await takeover.take_over(worker, claim.run)
        if isinstance(number, SlotUnavailable):
            return number
        if skipped is not None:
            await skipping.finish_unrun(worker, claim.run, skipped, skipping.SKIP_REASONS[skipped])
            return SlotUnavailable(outcome=skipped, reason=skipped)
        return await _wait_for_lease(worker, claim, number)


async def claim_due(worker: Worker, wanted: Sequence[DueSchedule], source: str) -> list[ClaimedRun]:
    """Claims the slots of schedules that are due; returns those whose records are ours.

    The slots that do not run are recorded first: after a crash in between, the others are still
    due.
    """
    await skipping.record_skipped(worker, wanted, source)
    claims = [
        _new_claim(worker, due.job, due.schedule, source, due.slots.slot)
        for due in wanted
        if due.slots.slot is not None
    ]
    return await acquisition.claim_runs(worker, claims)


async def wait_for_lease(worker: Worker, claim: Claim) -> Attempt | SlotUnavailable:
    """The lease for the first attempt at a slot whose record is ours."""
    async with acquisition.undone_on_cancel(worker, claim):
        return await _wait_for_lease(worker, claim, 1)


async def _wait_for_lease(worker: Worker, claim: Claim, number: int) -> Attempt | SlotUnavailable:
    """The lease of an attempt; with `queue_one` the newest slot waits until it is free."""
    while isinstance(
        attempt := await acquisition.acquire_lease(worker, claim, number, recorded=True),
        LeaseStatus,
    ):
        outcome: Outcome | None = "skipped_overlap"
        reason = f"skipped_overlap: {attempts.lease_held_message(claim.job, attempt)}"
        schedule, slot = claim.schedule, claim.run.slot
        if schedule is not None and slot is not None and schedule.overlap == "queue_one":
            outcome = await skipping.skip_outcome(worker, schedule, slot, claim.run.shard)
            reason = skipping.SKIP_REASONS.get(outcome or "", "")
        if outcome is not None:
            await skipping.finish_unrun(worker, claim.run, outcome, reason)
            return SlotUnavailable(outcome=outcome, reason=reason)
    return attempt or SlotUnavailable(outcome="running", reason="taken over by another")


def leases_of(worker: Worker, due: DueSchedule) -> list[str]:
    """The leases of which a run of a schedule needs one."""
    key = attempts.lease_key(worker, due.job, due.schedule)
    return attempts.lease_keys(key, due.schedule.max_instances)


async def _job_schedule(worker: Worker, job: Job) -> Schedule | None:
    """The stored schedule that is named like a job: its lock is that of manual runs."""
    stored = await worker.schedules.get(job.name)
    return stored.schedule if stored and not (stored.retired or stored.unreadable) else None


async def _validate_slot(worker: Worker, schedule: Schedule, slot: Slot, run_id: str) -> None:
    """Refuses an instant that is not a slot, or not yet; one that is recorded or owed was a slot.

    Since then the schedule may have been changed, or a clock set back.
    """
    if not slots.is_slot(slot.schedule, schedule, slot.at):
        msg = f"{slot.name} is not a slot of the schedule {slot.schedule} ({schedule.trigger})"
    elif slot.at > worker.now() + _MAX_CLOCK_SKEW:
        msg = f"{slot.name} is not due yet: running it now would hide the slots before it"
    else:
        return
    stored = await worker.schedules.get(slot.schedule)
    owed = stored is not None and stored.pending_slot == slot.at
    if not owed and await worker.runs.find(run_id) is None:
        raise ConfigError(msg)


def _new_claim(
    worker: Worker,
    job: Job,
    schedule: Schedule | None,
    source: str,
    slot: Slot | None = None,
    shard: Shard = ALL_USERS,
    *,
    manual_id: str = "",
    lock_schedule: Schedule | None = None,
) -> Claim:
    """A claim with a token of its own; the keys of a shard's slot and lease carry `I/N`."""
    key = attempts.shard_key(attempts.lease_key(worker, job, lock_schedule or schedule), shard)
    leases = attempts.lease_keys(key, schedule.max_instances if schedule else 1)
    run = NewRun(
        id=attempts.shard_key(slot.key, shard) if slot else manual_id,
        job=job.name,
        source=source,
        claim=uuid4().hex,
        owner=attempts.owner_info(),
        lease=leases[0],
        started_at=worker.now(),
        slot=slot,
        shard=shard,
    )
    return Claim(job=job, schedule=schedule, run=run, leases=leases)
