"""Who works: the claim of a slot and the lease of its job.

A slot is a document that whoever inserts it works. A second lock, the lease, keeps two different
slots of a job, or a slot and a run by hand, from running side by side. Whether a holder lives is
never guessed: its lease is watched until it is renewed, given back, or runs out.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any
from uuid import uuid4

import msgspec
from msgspec import Struct

from chesscoach.context import Context
from chesscoach.errors import ChesscoachError, ConfigError, LeaseHeld
from chesscoach.models import Counts, Outcome, Schedule, Slot
from chesscoach.rules import due, slots
from chesscoach.runner import watch
from chesscoach.runner.job import Job
from chesscoach.store.lease import Holding, Lease
from chesscoach.store.run_records import NewRun, RunRecord

_WHY = {
    "missed": "it came later than misfire_grace_s",
    "coalesced": "a newer slot of the schedule is recorded",
}
_OVERTAKEN = "taken over by another"
_SKEW = timedelta(minutes=5)
"""How far another machine's clock, which named a slot, may be ahead of ours."""


class Attempt(Struct, frozen=True, kw_only=True):
    """The right to work: a run that is ours, and the lease that goes with it."""

    new: NewRun
    number: int
    lease: Lease


class Settled(Struct, frozen=True, kw_only=True):
    """There is nothing to work: the slot is closed, or somebody has it in hand."""

    record: RunRecord
    exit_code: int
    reason: str


def owner() -> dict[str, Any]:
    """Who we are, for people; identity is never decided by it."""
    return {"host": socket.gethostname(), "pid": os.getpid()}


def lease_key(ctx: Context, job: Job, schedule: Schedule | None) -> str:
    """The lease of a run: the schedule's lock; by hand that of the schedule named like the job."""
    schedule = schedule or ctx.config.schedules.get(job.name)
    return (schedule.lock if schedule else None) or job.name


def manual_id(job: Job) -> str:
    """A new id for a run by hand."""
    return f"{job.name}:manual:{uuid4()}"


async def by_hand(ctx: Context, job: Job, run_id: str, schedule: Schedule | None = None) -> Attempt:
    """Claims a run that belongs to no slot, under the lease of a schedule, by default its own.

    Raises:
        LeaseHeld: another run of the job is at work, or as many as the schedule allows.
    """
    own = schedule or await _own_schedule(ctx, job)
    keys = instances(lease_key(ctx, job, own), schedule.max_instances if schedule else 1)
    await ctx.store.leases.ensure_many(keys)
    while True:
        for key in keys:
            new = _new(ctx, job, None, run_id, key, ctx.process.source)
            async with _withdrawing(ctx, new):
                if (lease := await _take(ctx, new, key)) is not None:
                    record = await ctx.store.runs.claim(new)
                    return Attempt(new=new, number=record.attempt, lease=lease)
        watched = await asyncio.gather(*(watch.lease(ctx, key) for key in keys))
        if not any(verdict in ("expired", "free") for _, verdict in watched):
            raise LeaseHeld(_held(job, watched[0][0]))


async def _own_schedule(ctx: Context, job: Job) -> Schedule | None:
    """The stored schedule that is named like a job: its lock is that of runs by hand."""
    stored = await ctx.store.schedules.get(job.name)
    return stored.schedule if stored and not (stored.retired or stored.unreadable) else None


@asynccontextmanager
async def _withdrawing(ctx: Context, new: NewRun) -> AsyncIterator[None]:
    """Takes a claim back that is broken off, so that nobody has to wait for it to run out."""
    try:
        yield
    except asyncio.CancelledError:
        with suppress(ChesscoachError):
            await _end(ctx, new, "cancelled")
            await ctx.store.leases.give_up(new.lease, new.claim)
        raise


async def of_slot(
    ctx: Context, job: Job, schedule: Schedule, slot: Slot, source: str
) -> Attempt | Settled:
    """Claims a slot, as its first or its next attempt.

    Raises:
        ConfigError: the instant is none at which the schedule is due, or has not come yet.
    """
    await _refuse_odd(ctx, schedule, slot)
    key = lease_key(ctx, job, schedule)
    new = _new(ctx, job, slot, slot.key, key, source)
    given_up = await _given_up(ctx, schedule, slot)
    if given_up is not None:
        new = msgspec.structs.replace(new, outcome=given_up)
    async with _withdrawing(ctx, new):
        claimed = await _contend(ctx, new)
        if isinstance(claimed, Settled):
            return claimed
        if given_up is not None:
            await _end(ctx, new, given_up, _WHY[given_up])
            return Settled(record=claimed, exit_code=0, reason=given_up)
        return await _lease_for(ctx, job, schedule, new, claimed)


async def _refuse_odd(ctx: Context, schedule: Schedule, slot: Slot) -> None:
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


async def _given_up(ctx: Context, schedule: Schedule, slot: Slot) -> Outcome | None:
    """Why a slot that nobody has worked is not worked any more, if so."""
    if due.too_late(schedule, slot, ctx.now()):
        return "missed"
    if schedule.coalesce and await ctx.store.runs.stood_for(slot):
        return "coalesced"
    return None


async def _contend(ctx: Context, new: NewRun) -> RunRecord | Settled:
    """Makes a slot ours, also one that another had; or says why it is not to be had."""
    record = await ctx.store.runs.claim(new)
    while record.claim != new.claim:
        if record.closed(ctx.config.runner.max_attempts):
            code = record.exit_code or 0
            return Settled(record=record, exit_code=code, reason=f"closed: {record.outcome}")
        if record.outcome == "running":
            verdict = await watch.run(ctx, record)
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


async def lease(ctx: Context, job: Job, schedule: Schedule, new: NewRun) -> Attempt | Settled:
    """The lease for the first attempt at a slot that is ours already; given up if broken off."""
    async with _withdrawing(ctx, new):
        record = await ctx.store.runs.claim(new)
        return await _lease_for(ctx, job, schedule, new, record)


async def _lease_for(
    ctx: Context, job: Job, schedule: Schedule, new: NewRun, record: RunRecord
) -> Attempt | Settled:
    """Takes a lease for a slot that is ours; where all are others' living runs it is an overlap.

    It may take us so long that the next contender holds us for dead and takes the slot over.
    """
    keys = instances(new.lease, schedule.max_instances)
    await ctx.store.leases.ensure_many(keys)
    while True:
        for key in keys:
            if (lease := await _take(ctx, new, key)) is not None:
                leased = msgspec.structs.replace(new, lease=key)
                if await ctx.store.runs.insist(leased):
                    return Attempt(new=leased, number=record.attempt, lease=lease)
                await ctx.store.leases.release(lease)
                return Settled(record=record, exit_code=0, reason=_OVERTAKEN)
        holding = await watch.all_alive(ctx, keys)
        if holding is not None:
            reason = f"skipped_overlap: {_held(job, holding)}"
            await _end(ctx, new, "skipped_overlap", reason)
            return Settled(record=record, exit_code=0, reason=reason)
        if not await ctx.store.runs.insist(new):
            return Settled(record=record, exit_code=0, reason=_OVERTAKEN)


def instances(key: str, count: int) -> list[str]:
    """The leases of which a run of a schedule needs one."""
    return [key, *(f"{key}#{number}" for number in range(1, count))]


def holder(new: NewRun) -> dict[str, Any]:
    """Who has a lease, for people."""
    return {**new.owner, "job": new.job, "source": new.source, "since": new.started_at}


async def _take(ctx: Context, new: NewRun, key: str) -> Lease | None:
    return await ctx.store.leases.take(key, {**holder(new), "run_id": new.id}, new.claim)


async def _end(ctx: Context, new: NewRun, outcome: Outcome, reason: str | None = None) -> None:
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


def _held(job: Job, holding: Holding | None) -> str:
    who = holding.holder if holding else {}
    return (
        f"{job.name} is at work already: run {who.get('run_id') or 'of a daemon'} "
        f"on {who.get('host')}, pid {who.get('pid')}, since {who.get('since')}"
    )


def _new(ctx: Context, job: Job, slot: Slot | None, run_id: str, key: str, source: str) -> NewRun:
    return NewRun(
        id=run_id,
        job=job.name,
        source=source,
        claim=uuid4().hex,
        owner=owner(),
        lease=key,
        started_at=ctx.now(),
        slot=slot,
    )
