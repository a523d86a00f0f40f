"""What the administrative commands receive, and the frame of each: its lease and its record."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import uuid4

from msgspec import Struct, field

from chesscoach.errors import LeaseHeld
from chesscoach.momentum.store.collections import MomentumCollections
from chesscoach.momentum.store.progress import ProgressStore
from chesscoach.momentum.store.state import StateStore
from chesscoach.momentum.store.streaks import StreakStore
from chesscoach.worker.runner import attempts, liveness
from chesscoach.worker.store.admin_log import AdminLog
from chesscoach.worker.store.lease import Lease
from chesscoach.worker.worker import Worker

_JOB = "momentum"


class AdminContext(Struct, frozen=True, kw_only=True):
    """The collections, the log and the clock of the commands, and the worker with its leases."""

    now: Callable[[], datetime]
    worker: Worker
    collections: MomentumCollections
    log: AdminLog
    state: StateStore
    progress: ProgressStore
    streaks: StreakStore


class Operation(Struct, kw_only=True):
    """A command in progress: the id of its record, and what the record says when it ends."""

    id: str
    counts: dict[str, int] = field(default_factory=dict)
    backup_file: str | None = None
    levels_file: str | None = None


@asynccontextmanager
async def operation(
    ctx: AdminContext, command: str, flags: dict[str, Any], user_id: str | None = None
) -> AsyncIterator[Operation]:
    """Runs a command alone: under the lease of the checks, with one document of `admin_log`.

    Raises:
        LeaseHeld: the checks or another command are running.
        LeaseLost: the lease could not be renewed.
    """
    started = Operation(id=f"{command}:{uuid4()}")
    async with _held_lease(ctx.worker, started.id):
        await ctx.log.begin(started.id, command, flags, user_id, ctx.now())
        outcome = "failed"
        try:
            yield started
            outcome = "done"
        finally:
            files = {"backup_file": started.backup_file, "levels_file": started.levels_file}
            await ctx.log.end(started.id, outcome, dict(started.counts), files, ctx.now())


@asynccontextmanager
async def _held_lease(worker: Worker, operation_id: str) -> AsyncIterator[None]:
    key = await _lease_key(worker)
    lease = await _acquire(worker, key, operation_id)
    try:
        async with worker.leases.renewing(), lease.scope():
            yield
    finally:
        await worker.leases.release(lease)


async def _lease_key(worker: Worker) -> str:
    """The lease of the job `momentum`: the lock of its schedule, by default its name."""
    stored = await worker.schedules.get(_JOB)
    usable = stored is not None and not (stored.retired or stored.unreadable)
    schedule = stored.schedule if stored and usable else worker.config.schedules.get(_JOB)
    return (schedule.lock if schedule else None) or _JOB


async def _acquire(worker: Worker, key: str, operation_id: str) -> Lease:
    """Takes the lease; the lease of a process that died is waited for."""
    await worker.leases.ensure(key)
    holder = {
        **attempts.owner_info(),
        "job": _JOB,
        "source": worker.process.source,
        "since": worker.now(),
        "run_id": operation_id,
    }
    while True:
        lease = await worker.leases.acquire(key, holder)
        if lease is not None:
            return lease
        living = await liveness.first_living_holder(worker, [key])
        if living is not None:
            holding = living.holder
            msg = (
                f"momentum is busy: {holding.get('run_id')} on {holding.get('host')}, "
                f"pid {holding.get('pid')}, since {holding.get('since')}; try again when it ends"
            )
            raise LeaseHeld(msg)
