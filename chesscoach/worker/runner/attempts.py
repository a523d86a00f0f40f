"""An attempt at work: the run that is ours, its lease, and what both are called."""

import os
import socket
from typing import Any
from uuid import uuid4

from msgspec import Struct

from chesscoach.schedules.schedule import Schedule, Slot
from chesscoach.worker.job import Job
from chesscoach.worker.shard import ALL_USERS, Shard
from chesscoach.worker.store.lease import Lease, LeaseStatus
from chesscoach.worker.store.run_documents import NewRun, RunRecord
from chesscoach.worker.worker import Worker


class Attempt(Struct, frozen=True, kw_only=True):
    """The right to run: a run record that is ours, and the lease that goes with it."""

    run: NewRun
    number: int
    lease: Lease


class SlotUnavailable(Struct, frozen=True, kw_only=True):
    """There is nothing to work: the slot is closed, or somebody has it in hand."""

    record: RunRecord
    exit_code: int
    reason: str


def owner_info() -> dict[str, Any]:
    """Who we are, for people; identity is never decided by it."""
    return {"host": socket.gethostname(), "pid": os.getpid()}


def lease_key(worker: Worker, job: Job, schedule: Schedule | None) -> str:
    """The lease of a run: the schedule's lock; by hand that of the schedule named like the job."""
    schedule = schedule or worker.config.schedules.get(job.name)
    return (schedule.lock if schedule else None) or job.name


def manual_id(job: Job) -> str:
    """A new id for a run by hand."""
    return f"{job.name}:manual:{uuid4()}"


def lease_keys(key: str, count: int) -> list[str]:
    """The leases of which a run of a schedule needs one."""
    return [key, *(f"{key}#{number}" for number in range(1, count))]


def holder_info(new: NewRun) -> dict[str, Any]:
    """Who has a lease, for people."""
    return {**new.owner, "job": new.job, "source": new.source, "since": new.started_at}


def shard_key(key: str, shard: Shard) -> str:
    """The key of a slot or a lease for a shard; that of all users is the key itself."""
    return key if shard.of == 1 else f"{key}#{shard}"


def lease_held_message(job: Job, holding: LeaseStatus | None) -> str:
    """Who is at work, as a sentence for people."""
    who = holding.holder if holding else {}
    return (
        f"{job.name} is at work already: run {who.get('run_id') or 'of a daemon'} "
        f"on {who.get('host')}, pid {who.get('pid')}, since {who.get('since')}"
    )


def new_run(
    worker: Worker,
    job: Job,
    slot: Slot | None,
    run_id: str,
    key: str,
    source: str,
    shard: Shard = ALL_USERS,
) -> NewRun:
    """What a claim writes of a run."""
    return NewRun(
        id=run_id,
        job=job.name,
        source=source,
        claim=uuid4().hex,
        owner=owner_info(),
        lease=key,
        started_at=worker.now(),
        slot=slot,
        shard=shard,
    )
