"""An attempt to run: the run record that is ours, its lease, and the keys of both."""

import os
import socket
from typing import Any
from uuid import uuid4

from msgspec import Struct

from chesscoach.schedules.outcome import Outcome
from chesscoach.schedules.schedule import Schedule
from chesscoach.worker.job import Job
from chesscoach.worker.shard import Shard
from chesscoach.worker.store.lease import Lease, LeaseStatus
from chesscoach.worker.store.run_documents import NewRun
from chesscoach.worker.worker import Worker


class Attempt(Struct, frozen=True, kw_only=True):
    """The right to run: a run record that is ours, and the lease that goes with it."""

    run: NewRun
    number: int
    lease: Lease


class SlotUnavailable(Struct, frozen=True, kw_only=True):
    """There is nothing to run: the slot is closed, or another process has it."""

    outcome: Outcome
    reason: str
    exit_code: int = 0


def owner_info() -> dict[str, Any]:
    """This process, for people; no decision depends on it."""
    return {"host": socket.gethostname(), "pid": os.getpid()}


def holder_info(run: NewRun) -> dict[str, Any]:
    """The holder of a lease, for people."""
    return {
        **run.owner,
        "job": run.job,
        "source": run.source,
        "since": run.started_at,
        "run_id": run.id,
    }


def lease_held_message(job: Job, holding: LeaseStatus | None) -> str:
    """A sentence that names the run which has a lease."""
    holder = holding.holder if holding else {}
    return (
        f"{job.name} is already running: run {holder.get('run_id')} "
        f"on {holder.get('host')}, pid {holder.get('pid')}, since {holder.get('since')}"
    )


def manual_id(job: Job) -> str:
    """A new id for a manual run."""
    return f"{job.name}:manual:{uuid4()}"


def shard_key(key: str, shard: Shard) -> str:
    """The key of a slot or a lease for a shard; that of all users is the key itself."""
    return key if shard.of == 1 else f"{key}#{shard}"


def lease_key(worker: Worker, job: Job, schedule: Schedule | None) -> str:
    """The lease of a run: the lock of its schedule, by default of the one named like the job."""
    schedule = schedule or worker.config.schedules.get(job.name)
    return (schedule.lock if schedule else None) or job.name


def lease_keys(key: str, count: int) -> list[str]:
    """The `count` leases of which a run needs one."""
    return [key, *(f"{key}#{number}" for number in range(1, count))]
