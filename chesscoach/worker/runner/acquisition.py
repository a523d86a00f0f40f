"""Records and leases of runs, acquired in bulk, and the wait for a lease that is held."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from msgspec import Struct
from msgspec.structs import replace

from chesscoach.errors import ChesscoachError
from chesscoach.schedules.schedule import Schedule
from chesscoach.worker.job import Job
from chesscoach.worker.runner import attempts, liveness, skipping
from chesscoach.worker.runner.attempts import Attempt
from chesscoach.worker.store.lease import Lease, LeaseStatus
from chesscoach.worker.store.run_documents import NewRun
from chesscoach.worker.worker import Worker


class Claim(Struct, frozen=True, kw_only=True):
    """A run to claim: its record, and the leases of which it needs one."""

    job: Job
    schedule: Schedule | None
    run: NewRun
    leases: list[str]


class ClaimedRun(Struct, frozen=True, kw_only=True):
    """A run whose record is ours: with its lease, or (if that was held) still without it."""

    claim: Claim
    attempt: Attempt | None


async def claim_runs(worker: Worker, claims: Sequence[Claim]) -> list[ClaimedRun]:
    """Inserts records and takes the leases that are free; returns the runs that are ours."""
    if not claims:
        return []
    claims = _spread_over_leases(claims)
    await worker.leases.ensure_many(key for claim in claims for key in claim.leases)
    began = asyncio.get_running_loop().time()
    ours = await worker.runs.claim_many([claim.run for claim in claims])
    claims = [claim for claim in claims if claim.run.id in ours]
    leases = await _take_free_leases(worker, claims)
    late = asyncio.get_running_loop().time() - began > worker.leases.ttl_s
    claimed = []
    for claim in claims:
        lease, attempt = leases.get(claim.run.claim), None
        if lease is not None:
            if late and not await worker.runs.confirm_claim(claim.run):
                await worker.leases.release(lease)  # another process took us for dead
                continue
            attempt = Attempt(run=claim.run, number=1, lease=lease)
        claimed.append(ClaimedRun(claim=claim, attempt=attempt))
    return claimed


def _spread_over_leases(claims: Sequence[Claim]) -> list[Claim]:
    """The claims, each with a lease that no claim before it has, as long as there are any."""
    taken: set[str] = set()
    spread = []
    for claim in claims:
        key = next((key for key in claim.leases if key not in taken), claim.leases[0])
        taken.add(key)
        spread.append(replace(claim, run=replace(claim.run, lease=key)))
    return spread


async def _take_free_leases(worker: Worker, claims: Sequence[Claim]) -> dict[str, Lease]:
    """Takes the leases of runs that may start, those that are free; by the token of the run."""
    runs: dict[str, NewRun] = {}
    for claim in claims:
        if claim.run.outcome == "running":
            runs.setdefault(claim.run.lease, claim.run)
    leases = await worker.leases.acquire_many(
        {key: (run.claim, attempts.holder_info(run)) for key, run in runs.items()}
    )
    return {lease.owner: lease for lease in leases.values()}


async def acquire_lease(
    worker: Worker, claim: Claim, number: int, *, recorded: bool
) -> Attempt | LeaseStatus | None:
    """Waits for one of a run's leases; returns the holder of the first if all holders live.

    Returns None if another process has taken the run over meanwhile: the wait may last so long that
    it takes us for dead. A run that is not yet recorded is recorded under its lease.
    """
    while True:
        for key in claim.leases:
            run = replace(claim.run, lease=key)
            lease = await worker.leases.acquire(key, attempts.holder_info(run), run.claim)
            if lease is None:
                continue
            if recorded and not await worker.runs.confirm_claim(run):
                await worker.leases.release(lease)
                return None
            if not recorded:
                await worker.runs.claim_many([run])
            return Attempt(run=run, number=number, lease=lease)
        holder = await liveness.first_living_holder(worker, claim.leases)
        if recorded and not await worker.runs.confirm_claim(claim.run):
            return None
        if holder is not None:
            return holder


@asynccontextmanager
async def undone_on_cancel(worker: Worker, claim: Claim) -> AsyncIterator[None]:
    """Takes a cancelled claim back, so that no process has to wait until it expires."""
    try:
        yield
    except asyncio.CancelledError:
        with suppress(ChesscoachError):
            await skipping.finish_unrun(worker, claim.run, "cancelled")
            for key in claim.leases:
                await worker.leases.release_token(key, claim.run.claim)
        raise
