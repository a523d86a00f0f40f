"""Whether somebody works: never guessed, but watched on his lease.

A lease is watched until it is renewed, given back, or runs out.
"""

import asyncio
from collections.abc import Sequence
from typing import Literal

from chesscoach import log
from chesscoach.context import Context
from chesscoach.worker.store.lease import LeaseStatus
from chesscoach.worker.store.run_documents import RunRecord


async def watch_lease(
    ctx: Context, key: str
) -> tuple[LeaseStatus | None, Literal["free", "renewed", "released", "expired"]]:
    """Watches a lease that another has until it is known whether he lives."""
    first = await ctx.store.leases.status(key)
    if first is None:  # somebody has deleted the row that we made
        await ctx.store.leases.ensure(key)
    if first is None or first.owner is None:
        return first, "free"
    log.get_logger().info("lease_watched", lease=key, holder=first.holder)
    seen = first
    while seen.alive:
        await asyncio.sleep(_poll_interval_s(ctx))
        now = await ctx.store.leases.status(key)
        if now is None or now.owner != first.owner:
            return first, "released"
        if now.expires_at > seen.expires_at:
            return first, "renewed"
        seen = now
    return first, "expired"


async def watch_run(ctx: Context, record: RunRecord) -> Literal["alive", "dead", "moved"]:
    """Watches a run that is recorded as running until it is known whether its owner lives.

    An attempt takes its lease right after its claim. One that has no lease twice the life of a
    lease after its claim died in between, or after its lease was taken from it.
    """
    expires = None
    while True:
        now = await ctx.store.runs.find(record.id)
        if now is None or now.claim != record.claim or now.outcome != "running":
            return "moved"
        holding = await ctx.store.leases.status(record.lease)
        if holding is not None and holding.owner == record.claim:
            if not holding.alive:
                return "dead"
            if expires is not None and holding.expires_at > expires:
                return "alive"
            expires = holding.expires_at
        elif now.age_s > 2 * ctx.store.leases.ttl_s:
            return "dead"
        await asyncio.sleep(_poll_interval_s(ctx))


async def first_living_holder(ctx: Context, keys: Sequence[str]) -> LeaseStatus | None:
    """Who has the first of some leases if all holders live; None as soon as one may be had."""
    watching = [asyncio.create_task(watch_lease(ctx, key), name=f"watch {key}") for key in keys]
    try:
        for next_ in asyncio.as_completed(watching):
            _, verdict = await next_
            if verdict != "renewed":
                return None
        return watching[0].result()[0]
    finally:
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)


def _poll_interval_s(ctx: Context) -> float:
    return min(ctx.store.leases.ttl_s / 10, 1.0)
