"""Claiming many slots at once: a daemon's way, where a hundred schedules fall due together.

What is not worked is recorded before what is, so that a crash in between leaves the slot that is to
be worked due. Losing a slot to somebody else is no error.
"""

import asyncio
from collections.abc import Sequence
from uuid import uuid4

from msgspec import Struct

from chesscoach.context import Context
from chesscoach.schedules.due import Plan, Span
from chesscoach.schedules.outcome import Outcome
from chesscoach.schedules.schedule import Schedule, Slot
from chesscoach.worker.job import Job
from chesscoach.worker.runner import attempts
from chesscoach.worker.runner.attempts import Attempt
from chesscoach.worker.store.run_documents import NewRun, NewSpan


class Due(Struct, frozen=True, kw_only=True):
    """A schedule with something due."""

    job: Job
    schedule_id: str
    schedule: Schedule
    plan: Plan


class Won(Struct, frozen=True, kw_only=True):
    """A slot that is ours: with its lease, or (where that was held) still without it."""

    due: Due
    new: NewRun
    attempt: Attempt | None


def leases(ctx: Context, due: Due) -> list[str]:
    """The leases of which a run of it needs one."""
    return attempts.instances(
        attempts.lease_key(ctx, due.job, due.schedule), due.schedule.max_instances
    )


async def take(ctx: Context, wanted: Sequence[Due], source: str) -> list[Won]:
    """Records what is not worked, claims what is, and takes the leases that are free."""
    spans = [span for due in wanted for span in _spans(ctx, due, source)]
    for span in await ctx.store.runs.account_for(spans):
        ctx.metrics.unworked(span.job, span.outcome, span.count)
    batch, news = uuid4().hex, dict[str, tuple[Due, NewRun]]()
    leased: set[str] = set()
    for due in wanted:
        if (slot := due.plan.work) is None:
            continue
        key = attempts.lease_key(ctx, due.job, due.schedule)
        alone = due.schedule.max_instances == 1 and key not in leased
        leased.add(key)
        token = f"{batch}:{key}" if alone else uuid4().hex
        news[slot.key] = due, _new(ctx, due, slot, key, token, source)
    if not news:
        return []
    await ctx.store.leases.ensure_many(new.lease for _, new in news.values())
    begun = asyncio.get_running_loop().time()
    ours = await ctx.store.runs.claim_many([new for _, new in news.values()])
    won = {key: pair for key, pair in news.items() if key in ours}
    leases = await ctx.store.leases.take_many(
        {
            new.lease: (new.claim, attempts.holder(new))
            for _, new in won.values()
            if new.claim.startswith(f"{batch}:")
        }
    )
    late = asyncio.get_running_loop().time() - begun > ctx.store.leases.ttl_s
    found = []
    for due, new in won.values():
        lease = leases.get(new.lease)
        has = lease is not None and lease.owner == new.claim
        attempt = Attempt(new=new, number=1, lease=lease) if lease is not None and has else None
        if attempt is not None and late and not await ctx.store.runs.insist(new):
            await ctx.store.leases.release(attempt.lease)  # somebody held us for dead
            continue
        found.append(Won(due=due, new=new, attempt=attempt))
    return found


def _new(ctx: Context, due: Due, slot: Slot, key: str, token: str, source: str) -> NewRun:
    return NewRun(
        id=slot.key,
        job=due.job.name,
        source=source,
        claim=token,
        owner=attempts.owner(),
        lease=key,
        started_at=ctx.now(),
        slot=slot,
    )


def _spans(ctx: Context, due: Due, source: str) -> list[NewSpan]:
    """The records of what is not worked."""
    plan, grace = due.plan, due.schedule.misfire_grace_s
    stands = plan.work.name if plan.work else "a later slot"
    outcomes: tuple[tuple[Span | None, Outcome, str], ...] = (
        (plan.missed, "missed", f"nobody worked it within {grace} s"),
        (plan.coalesced, "coalesced", f"{stands} stands for it"),
    )
    return [
        NewSpan(
            job=due.job.name,
            first=span.first,
            last=span.last,
            count=span.count,
            outcome=outcome,
            source=source,
            at=ctx.now(),
            reason=reason,
        )
        for span, outcome, reason in outcomes
        if span is not None
    ]
