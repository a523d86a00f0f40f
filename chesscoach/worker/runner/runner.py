"""Running a job: as a manual run, for a slot, or as a dry run."""

import structlog
from msgspec import Struct

from chesscoach import log
from chesscoach.config import JobLimits
from chesscoach.errors import LeaseHeld, SetupError
from chesscoach.schedules.outcome import Outcome
from chesscoach.schedules.schedule import Schedule, Slot
from chesscoach.worker.job import Job, Run
from chesscoach.worker.runner import attempts, claim, result
from chesscoach.worker.runner.acquisition import ClaimedRun
from chesscoach.worker.runner.execution import Execution, ProgressCallback
from chesscoach.worker.runner.result import RunResult
from chesscoach.worker.shard import ALL_USERS, Shard
from chesscoach.worker.shutdown import Interrupted, ShutdownRequest
from chesscoach.worker.worker import Worker


async def run_manually(
    worker: Worker,
    job: Job,
    args: Struct,
    stop: ShutdownRequest,
    observe: ProgressCallback | None = None,
    schedule: Schedule | None = None,
    shard: Shard = ALL_USERS,
) -> RunResult:
    """Runs a job now unless it is running; under the lease of a schedule if one is given.

    Raises:
        SetupError: the database lacks an index that the job relies on.
    """
    run_id = attempts.manual_id(job)
    with structlog.contextvars.bound_contextvars(job=job.name, run_id=run_id):
        try:
            attempt = await claim_manually(worker, job, run_id, stop, schedule, shard)
        except LeaseHeld as error:
            return RunResult(
                exit_code=result.EXIT_HELD, record=result.not_run_record(job, "held", str(error))
            )
        except Interrupted:
            return _stopped_result(job, stop)
    return await Execution(worker, job, attempt, stop, observe).execute(args)


async def claim_manually(
    worker: Worker,
    job: Job,
    run_id: str,
    stop: ShutdownRequest,
    schedule: Schedule | None = None,
    shard: Shard = ALL_USERS,
) -> attempts.Attempt:
    """Claims a manual run: its record and its lease.

    Raises:
        SetupError: the database lacks an index that the job relies on.
        LeaseHeld: another run holds the lease; the message names it.
        Interrupted: the process must stop.
    """
    await worker.require_indexes(*job.writes)
    try:
        return await stop.run_interruptible(
            claim.claim_manual_run(worker, job, run_id, schedule, shard)
        )
    except LeaseHeld as error:
        log.get_logger().warning("run_refused", reason=str(error))
        raise


async def run_slot(
    worker: Worker,
    job: Job,
    schedule: Schedule,
    slot: Slot,
    *,
    source: str,
    stop: ShutdownRequest,
    observe: ProgressCallback | None = None,
    shard: Shard = ALL_USERS,
) -> RunResult:
    """Runs a slot or a shard of it, unless it is closed or another process has it.

    Raises:
        SetupError: the database lacks an index that the job relies on.
        ConfigError: the instant is not a slot, or the job refuses the arguments.
    """
    args = job.check(schedule.args)
    await worker.require_indexes(*job.writes)
    run_id = attempts.shard_key(slot.key, shard)
    with structlog.contextvars.bound_contextvars(job=job.name, run_id=run_id):
        try:
            claimed = await stop.run_interruptible(
                claim.claim_slot(worker, job, schedule, slot, source, shard)
            )
        except Interrupted:
            return _stopped_result(job, stop, slot, shard)
        if isinstance(claimed, attempts.SlotUnavailable):
            log.get_logger().info("slot_skipped", reason=claimed.reason)
            record = result.not_run_record(job, claimed.outcome, claimed.reason, slot, shard)
            return RunResult(exit_code=claimed.exit_code, record=record)
    return await Execution(worker, job, claimed, stop, observe).execute(args)


async def run_claimed(
    worker: Worker, claimed: ClaimedRun, stop: ShutdownRequest
) -> RunResult | None:
    """Runs a slot that a daemon has claimed; None if it overlaps with another run."""
    job, run_id = claimed.claim.job, claimed.claim.run.id
    attempt: attempts.Attempt | attempts.SlotUnavailable | None = claimed.attempt
    with structlog.contextvars.bound_contextvars(job=job.name, run_id=run_id):
        if attempt is None:
            try:
                attempt = await stop.run_interruptible(claim.wait_for_lease(worker, claimed.claim))
            except Interrupted:
                return None
        if isinstance(attempt, attempts.SlotUnavailable):
            log.get_logger().warning("slot_skipped", reason=attempt.reason)
            return None
    schedule = claimed.claim.schedule
    args = job.check(schedule.args if schedule else {})
    return await Execution(worker, job, attempt, stop).execute(args)


async def dry_run(
    worker: Worker, job: Job, args: Struct, stop: ShutdownRequest, shard: Shard = ALL_USERS
) -> RunResult:
    """Runs a job so that it changes nothing: no claim, no lease, no record.

    What would stop a real run is reported, with the exit code of that run.
    """
    name = f"{job.name}:dry_run"
    run = Run(name, slot=None, manual=True, dry_run=True, stop=stop, shard=shard)
    with structlog.contextvars.bound_contextvars(job=job.name, run_id=run.id):
        obstacle = await _missing_indexes(worker, job)
        counts = await job.run(worker.app, run, args)
        if obstacle is not None:
            counts.notes["obstacle"] = obstacle
        line = {"event": "dry_run_finished", "outcome": "dry_run", **result.count_fields(counts)}
        log.get_logger().info(**line)
    limits: JobLimits = getattr(worker.config.jobs, job.name, JobLimits())
    ended: Outcome = "partial" if counts.failed else "succeeded"
    code = result.exit_code("cancelled" if run.incomplete else ended, counts, limits, stop)
    if obstacle is not None:
        code = result.EXIT_USAGE
    return RunResult(exit_code=code, record={**line, "job": job.name, "run_id": run.id})


async def _missing_indexes(worker: Worker, job: Job) -> str | None:
    """Which indexes a real run would miss, and so stop; logs them."""
    try:
        await worker.require_indexes(*job.writes)
    except SetupError as error:
        log.get_logger().error("dry_run_obstacle", reason=str(error))
        return str(error)
    return None


def _stopped_result(
    job: Job, stop: ShutdownRequest, slot: Slot | None = None, shard: Shard = ALL_USERS
) -> RunResult:
    """The result of a process that was stopped while it waited for its claim."""
    record = result.not_run_record(job, "cancelled", "stopped before it began", slot, shard)
    return RunResult(exit_code=128 + (stop.signal or 0), record=record)
