"""Running a job: by hand, for a slot, or as a rehearsal."""

import structlog
from msgspec import Struct

from chesscoach import log
from chesscoach.config import Limits
from chesscoach.context import Context
from chesscoach.errors import LeaseHeld
from chesscoach.schedules.outcome import Outcome
from chesscoach.schedules.schedule import Schedule, Slot
from chesscoach.worker.job import Job, Run, Stop, Stopped
from chesscoach.worker.runner import attempts, bulk_claim, claim, result, shards
from chesscoach.worker.runner.execution import Observer, Shift
from chesscoach.worker.runner.result import Ending
from chesscoach.worker.shard import WHOLE, Shard


async def by_hand(
    ctx: Context,
    job: Job,
    args: Struct,
    stop: Stop,
    observe: Observer | None = None,
    schedule: Schedule | None = None,
    shard: Shard = WHOLE,
) -> Ending:
    """Runs a job now, unless it is at work already; under a schedule's lease where one is given.

    Raises:
        SetupError: a database without the indexes that the job's promises rest on.
    """
    await ctx.store.require(*job.writes)
    run_id = attempts.manual_id(job)
    with structlog.contextvars.bound_contextvars(job=job.name, run_id=run_id):
        claiming = (
            claim.by_hand(ctx, job, run_id, schedule)
            if shard.of == 1
            else shards.by_hand(ctx, job, run_id, schedule, shard)
        )
        try:
            attempt = await stop.breaks_off(claiming)
        except LeaseHeld as error:
            log.get_logger().warning("run_refused", reason=str(error))
            return Ending(exit_code=result.HELD, record=result.refused(job, "held", str(error)))
        except Stopped:
            return _stopped(job, stop)
    return await Shift(ctx, job, attempt, stop, observe).work(args)


async def of_slot(
    ctx: Context,
    job: Job,
    schedule: Schedule,
    slot: Slot,
    *,
    source: str,
    stop: Stop,
    observe: Observer | None = None,
    shard: Shard = WHOLE,
) -> Ending:
    """Works a slot or a part of it, unless that is done or in somebody's hands.

    Raises:
        SetupError: as above.
        ConfigError: an instant that is no slot; arguments that the job refuses.
    """
    args = job.check(schedule.args)
    await ctx.store.require(*job.writes)
    run_id = attempts.part_key(slot.key, shard)
    with structlog.contextvars.bound_contextvars(job=job.name, run_id=run_id):
        claiming = (
            claim.of_slot(ctx, job, schedule, slot, source)
            if shard.of == 1
            else shards.of_slot(ctx, job, schedule, slot, source, shard)
        )
        try:
            claimed = await stop.breaks_off(claiming)
        except Stopped:
            return _stopped(job, stop, slot)
        if isinstance(claimed, attempts.Settled):
            log.get_logger().info("slot_settled", reason=claimed.reason)
            told = result.refused(job, claimed.record.outcome, claimed.reason, slot)
            return Ending(exit_code=claimed.exit_code, record=told)
    return await Shift(ctx, job, claimed, stop, observe).work(args)


async def of_claim(ctx: Context, won: bulk_claim.Won, stop: Stop) -> Ending | None:
    """Works a slot that has been claimed in bulk; None if it turned out to overlap."""
    job, schedule, attempt = won.due.job, won.due.schedule, won.attempt
    with structlog.contextvars.bound_contextvars(job=job.name, run_id=won.new.id):
        if attempt is None:
            try:
                claimed = await stop.breaks_off(claim.lease(ctx, job, schedule, won.new))
            except Stopped:
                return None
            if isinstance(claimed, attempts.Settled):
                log.get_logger().warning("slot_settled", reason=claimed.reason)
                return None
            attempt = claimed
    return await Shift(ctx, job, attempt, stop).work(job.check(schedule.args))


async def rehearse(
    ctx: Context, job: Job, args: Struct, stop: Stop, shard: Shard = WHOLE
) -> Ending:
    """Runs a job so that it changes nothing: no claim, no lease, no record."""
    name = f"{job.name}:dry_run"
    run = Run(name, slot=None, by_hand=True, dry_run=True, stop=stop, shard=shard)
    with structlog.contextvars.bound_contextvars(job=job.name, run_id=run.id):
        counts = await job.run(ctx, run, args)
        told = {"event": "dry_run_finished", "outcome": "dry_run", **result.counted(counts)}
        log.get_logger().info(**told)
    limits: Limits = getattr(ctx.config.jobs, job.name, Limits())
    ended: Outcome = "partial" if counts.failed else "succeeded"
    code = result.exit_code("cancelled" if run.unfinished else ended, counts, limits, stop)
    return Ending(exit_code=code, record={**told, "job": job.name, "run_id": run.id})


def _stopped(job: Job, stop: Stop, slot: Slot | None = None) -> Ending:
    """Stopped before there was anything to work: while watching whether another lives."""
    told = result.refused(job, "cancelled", "stopped before it began", slot)
    return Ending(exit_code=128 + (stop.signal or 0), record=told)
