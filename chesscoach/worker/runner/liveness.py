"""Whether the process of a run lives: its lease is watched, never guessed.

A lease is watched until it is renewed, released or expired.
"""

import asyncio
from collections.abc import Sequence
from typing import Literal

from chesscoach import log
from chesscoach.worker.store.lease import LeaseStatus
from chesscoach.worker.store.run_documents import RunRecord
from chesscoach.worker.worker import Worker


async def watch_lease(
    worker: Worker, key: str
) -> tuple[LeaseStatus | None, Literal["free", "renewed", "released", "expired"]]:
    """Watches a lease until it is known whether its holder lives."""
    first = await worker.leases.status(key)
    if first is None:  # the document that we made was deleted
        await worker.leases.ensure(key)
    if first is None or first.owner is None:
        return first, "free"
    log.get_logger().info("lease_watched", lease=key, holder=first.holder)
    seen = first
    while seen.alive:
        await asyncio.sleep(_poll_interval_s(worker))
        now = await worker.leases.status(key)
        if now is None or now.owner != first.owner:
            return first, "released"
        if now.expires_at > seen.expires_at:
            return first, "renewed"
        seen = now
    return first, "expired"


async def watch_run(worker: Worker, record: RunRecord) -> Literal["alive", "dead", "moved"]:
    """Watches a run that is recorded as running until it is known whether its owner lives.

    An attempt takes its lease right after its claim. If it has no lease at twice the life of a
    lease after its claim, its process is dead or has lost the lease.
    """
    expires = None
    while True:
        now = await worker.runs.find(record.id)
        if now is None or now.claim != record.claim or now.outcome != "running":
            return "moved"
        holding = await worker.leases.status(record.lease)
        if holding is not None and holding.owner == record.claim:
            if not holding.alive:
                return "dead"
            if expires is not None and holding.expires_at > expires:
                return "alive"
            expires = holding.expires_at
        elif now.age_s > 2 * worker.leases.ttl_s:
            return "dead"
        await asyncio.sleep(_poll_interval_s(worker))


async def first_living_holder(worker: Worker, keys: Sequence[str]) -> LeaseStatus | None:
    """The holder of the first of some leases if all holders live; None as soon as one is free."""
    watching = [asyncio.create_task(watch_lease(worker, key), name=f"watch {key}") for key in keys]
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


def _poll_interval_s(worker: Worker) -> float:
    return min(worker.leases.ttl_s / 10, 1.0)
