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

from chesscoach.context import Context
from chesscoach.errors import ChesscoachError, ConfigError, LeaseHeld
from chesscoach.schedules import due, slots
from chesscoach.schedules.outcome import Counts, Outcome
from chesscoach.schedules.schedule import Schedule, Slot
from chesscoach.worker.job import Job
from chesscoach.worker.runner import liveness
from chesscoach.worker.runner.attempts import (
    Attempt,
    Settled,
    held,
    holder,
    instances,
    lease_key,
    new_run,
)
from chesscoach.worker.store.lease import Holding, Lease
from chesscoach.worker.store.run_documents import NewRun, RunRecord

WHY = {
    "missed": "it came later than misfire_grace_s",
    "coalesced": "a newer slot of the schedule is recorded",
}
_OVERTAKEN = "taken over by another"
_SKEW = timedelta(minutes=5)
"""How far another machine's clock, which named a slot, may be ahead of ours."""


async def by_hand(ctx: Context, job: Job, run_id: str, schedule: Schedule | None = None) -> Attempt:
    """Claims a run that belongs to no slot, under the lease of a schedule, by default its own.

    Raises:
        LeaseHeld: another run of the job is at work, or as many as the schedule allows.
    """
    own = schedule or await own_schedule(ctx, job)
    keys = instances(lease_key(ctx, job, own), schedule.max_instances if schedule else 1)
    new = new_run(ctx, job, None, run_id, keys[0], ctx.process.source)
    return await lease_by_hand(ctx, job, new, keys)


async def lease_by_hand(ctx: Context, job: Job, new: NewRun, keys: Sequence[str]) -> Attempt:
    """Takes one of some leases for a run by hand, and records it.

    Raises:
        LeaseHeld: others have them all.
    """
    await ctx.store.leases.ensure_many(keys)
    while True:
        for key in keys:
            leased = msgspec.structs.replace(new, lease=key)
            async with withdrawing(ctx, leased):
                if (lease := await _take(ctx, leased, key)) is not None:
                    record = await ctx.store.runs.claim(leased)
                    return Attempt(new=leased, number=record.attempt, lease=lease)
        watched = await asyncio.gather(*(liveness.lease(ctx, key) for key in keys))
        if not any(verdict in ("expired", "free") for _, verdict in watched):
            raise LeaseHeld(held(job, watched[0][0]))


async def own_schedule(ctx: Context, job: Job) -> Schedule | None:
    """The stored schedule that is named like a job: its lock is that of runs by hand."""
    stored = await ctx.store.schedules.get(job.name)
    return stored.schedule if stored and not (stored.retired or stored.unreadable) else None


@asynccontextmanager
async def withdrawing(ctx: Context, new: NewRun) -> AsyncIterator[None]:
    """Takes a claim back that is broken off, so that nobody has to wait for it to run out."""
    try:
        yield
    except asyncio.CancelledError:
        with suppress(ChesscoachError):
            await end(ctx, new, "cancelled")
            await ctx.store.leases.give_up(new.lease, new.claim)
        raise


async def of_slot(
    ctx: Context, job: Job, schedule: Schedule, slot: Slot, source: str
) -> Attempt | Settled:
    """Claims a slot, as its first or its next attempt.

    Raises:
        ConfigError: the instant is none at which the schedule is due, or has not come yet.
    """
    await refuse_odd(ctx, schedule, slot)
    key = lease_key(ctx, job, schedule)
    new = new_run(ctx, job, slot, slot.key, key, source)
    given_up = await passed_over(ctx, schedule, slot)
    if given_up is not None:
        new = msgspec.structs.replace(new, outcome=given_up)
    async with withdrawing(ctx, new):
        claimed = await contend(ctx, new)
        if isinstance(claimed, Settled):
            return claimed
        if given_up is not None:
            await end(ctx, new, given_up, WHY[given_up])
            return Settled(record=claimed, exit_code=0, reason=given_up)
        return await _lease_for(ctx, job, schedule, new, claimed)


async def refuse_odd(ctx: Context, schedule: Schedule, slot: Slot) -> None:
    """Refuses what is no slot, or none yet; what is recorded, or still owed, was one.

    Since then the schedule may have been changed, or a clock set back.
    """
    if not slots.is_slot(slot.schedule, schedule, slot.at):
        msg = f"{slot.name} is no slot of the schedule {slot.schedule} ({schedule.trigger})"
    elif slot.at > ctx.now() + _SKEW:
        msg = f"{slot.name} has not come yet: working it now would hide the slots before it"
    else:
        return
    stored = await ctx.store.schedules.get(slot.schedule)
    owed = stored is not None and stored.owed == slot.at
    if not owed and await ctx.store.runs.find(slot.key) is None:
        raise ConfigError(msg)


async def passed_over(ctx: Context, schedule: Schedule, slot: Slot) -> Outcome | None:
    """Why a slot that nobody has worked is not worked any more, if so."""
    if due.too_late(schedule, slot, ctx.now()):
        return "missed"
    if schedule.coalesce and await ctx.store.runs.stood_for(slot):
        return "coalesced"
    return None


async def contend(ctx: Context, new: NewRun) -> RunRecord | Settled:
    """Makes a slot ours, also one that another had; or says why it is not to be had."""
    record = await ctx.store.runs.claim(new)
    while record.claim != new.claim:
        if (settled := not_ours(ctx, record, new)) is not None:
            return settled
        if record.outcome == "running":
            verdict = await liveness.run(ctx, record)
            if verdict == "alive":
                return Settled(record=record, exit_code=0, reason=f"at work: {record.owner}")
            if verdict == "moved":
                moved = await ctx.store.runs.find(record.id)
                if moved is not None and moved.closed(ctx.config.runner.max_attempts):
                    return Settled(record=moved, exit_code=0, reason=f"closed: {moved.outcome}")
                record = moved or await ctx.store.runs.claim(new)
                continue
        if await ctx.store.runs.reclaim(record, new) and record.outcome == "running":
            ctx.metrics.unworked(new.job, "abandoned")  # its own process could not count it
        record = await ctx.store.runs.claim(new)
    return record


def not_ours(ctx: Context, record: RunRecord, new: NewRun) -> Settled | None:
    """Why a slot is nothing for a contender: it is done, or divided in another way."""
    if record.closed(ctx.config.runner.max_attempts):
        code = record.exit_code or 0
        return Settled(record=record, exit_code=code, reason=f"closed: {record.outcome}")
    if record.parts != new.parts:
        so = f"in {record.parts} parts" if record.parts > 1 else "as a whole"
        return Settled(record=record, exit_code=0, reason=f"it is worked {so}: {record.owner}")
    return None


async def lease(ctx: Context, job: Job, schedule: Schedule, new: NewRun) -> Attempt | Settled:
    """The lease for the first attempt at a slot that is ours already; given up if broken off."""
    async with withdrawing(ctx, new):
        record = await ctx.store.runs.claim(new)
        return await _lease_for(ctx, job, schedule, new, record)


async def _lease_for(
    ctx: Context, job: Job, schedule: Schedule, new: NewRun, record: RunRecord
) -> Attempt | Settled:
    """A lease for a slot that is ours; with `queue_one` it is waited for, in the newest slot."""
    keys = instances(new.lease, schedule.max_instances)
    while isinstance(found := await lease_for(ctx, job, keys, new, record), Holding):
        outcome: Outcome | None = "skipped_overlap"
        reason = f"skipped_overlap: {held(job, found)}"
        if schedule.overlap == "queue_one" and new.slot is not None:
            outcome = await passed_over(ctx, schedule, new.slot)
            reason = WHY.get(outcome or "", "")
        if outcome is not None:
            await end(ctx, new, outcome, reason)
            return Settled(record=record, exit_code=0, reason=reason)
    return found


async def lease_for(
    ctx: Context, job: Job, keys: Sequence[str], new: NewRun, record: RunRecord
) -> Attempt | Settled | Holding:
    """Takes one of some leases for a slot that is ours, or says who lives and has the first.

    It may take us so long that the next contender holds us for dead and takes the slot over.
    """
    await ctx.store.leases.ensure_many(keys)
    while True:
        for key in keys:
            if (lease := await _take(ctx, new, key)) is not None:
                leased = msgspec.structs.replace(new, lease=key)
                if await ctx.store.runs.insist(leased):
                    return Attempt(new=leased, number=record.attempt, lease=lease)
                await ctx.store.leases.release(lease)
                return Settled(record=record, exit_code=0, reason=_OVERTAKEN)
        holding = await liveness.all_alive(ctx, keys)
        if not await ctx.store.runs.insist(new):
            return Settled(record=record, exit_code=0, reason=_OVERTAKEN)
        if holding is not None:
            return holding


async def _take(ctx: Context, new: NewRun, key: str) -> Lease | None:
    return await ctx.store.leases.take(key, {**holder(new), "run_id": new.id}, new.claim)


async def end(ctx: Context, new: NewRun, outcome: Outcome, reason: str | None = None) -> None:
    """Records how a run ends that is not worked."""
    ended = await ctx.store.runs.finish(
        new.id,
        new.claim,
        outcome=outcome,
        counts=Counts(),
        finished_at=ctx.now(),
        duration_s=0.0,
        exit_code=0,
        reason=reason,
    )
    if ended:
        ctx.metrics.unworked(new.job, outcome)
