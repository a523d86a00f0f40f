"""One run from its claim to its record: lease kept, time bounded, end told in one line."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog
from msgspec import Struct

from chesscoach import log
from chesscoach.config import Limits
from chesscoach.context import Context
from chesscoach.errors import ChesscoachError, ConfigError, LeaseHeld, LeaseLost
from chesscoach.models import Counts, Outcome, Schedule, Slot
from chesscoach.runner import claim
from chesscoach.runner.job import Job, Run, Stop

DONE, FAILED, USAGE, HELD = 0, 1, 2, 75
_HARD_S = 10.0
"""So long after its cancellation a job may still tidy up; then it is left behind."""

Observer = Callable[[Counts], None]


class Ending(Struct, frozen=True, kw_only=True):
    """How it ended: the exit code, and the record as people and scripts get it."""

    exit_code: int
    record: dict[str, Any]


async def by_hand(
    ctx: Context, job: Job, args: Struct, stop: Stop, observe: Observer | None = None
) -> Ending:
    """Runs a job now, unless it is at work already.

    Raises:
        ConfigError: arguments, or a database, that the job cannot work with.
    """
    await ctx.store.require(*job.writes)
    try:
        attempt = await claim.by_hand(ctx, job)
    except LeaseHeld as error:
        log.get_logger().warning("run_refused", job=job.name, reason=str(error))
        return Ending(exit_code=HELD, record=_refusal(job, "held", str(error)))
    return await _execute(ctx, job, args, attempt, stop, observe)


async def of_slot(
    ctx: Context,
    job: Job,
    schedule: Schedule,
    slot: Slot,
    *,
    source: str,
    stop: Stop,
    observe: Observer | None = None,
) -> Ending:
    """Works a slot, unless that is done or in somebody's hands.

    Raises:
        ConfigError: an instant that is no slot; arguments that the job cannot work with.
    """
    args = job.check(schedule.args)
    await ctx.store.require(*job.writes)
    claimed = await claim.of_slot(ctx, job, schedule, slot, source)
    if isinstance(claimed, claim.Settled):
        log.get_logger().info(
            "slot_settled", job=job.name, run_id=claimed.record.id, reason=claimed.reason
        )
        return Ending(
            exit_code=claimed.exit_code,
            record=_refusal(job, claimed.record.outcome, claimed.reason, slot),
        )
    return await _execute(ctx, job, args, claimed, stop, observe)


async def rehearse(ctx: Context, job: Job, args: Struct, stop: Stop) -> Ending:
    """Runs a job so that it changes nothing: no claim, no lease, no record."""
    run = Run(f"{job.name}:dry_run", slot=None, by_hand=True, dry_run=True, stop=stop)
    with structlog.contextvars.bound_contextvars(job=job.name, run_id=run.id):
        counts = await job.run(ctx, run, args)
        record = {"event": "dry_run_finished", "outcome": "dry_run", **_told(counts)}
        log.get_logger().info(**record)
    return Ending(exit_code=DONE, record={**record, "job": job.name, "run_id": run.id})


async def _execute(
    ctx: Context,
    job: Job,
    args: Struct,
    attempt: claim.Attempt,
    stop: Stop,
    observe: Observer | None,
) -> Ending:
    new = attempt.new
    limits: Limits = getattr(ctx.config.jobs, job.name, Limits())
    by_hand = new.slot is None
    run = Run(new.id, slot=new.slot, by_hand=by_hand, dry_run=False, stop=stop)
    bound = {"job": job.name, "run_id": new.id, "attempt": attempt.number}
    begun = asyncio.get_running_loop().time()
    with structlog.contextvars.bound_contextvars(**bound):
        log.get_logger().info("job_started", source=new.source, lease=new.lease)
        outcome, code = await _supervise(ctx, job, args, attempt, run, limits, stop, observe)
        duration_s = round(asyncio.get_running_loop().time() - begun, 3)
        if code is None:
            code = _code(outcome, run.counts, limits, stop)
        finished_at = ctx.now()
        if not await _finish(ctx, attempt, outcome, run.counts, finished_at, duration_s, code):
            outcome, code = "abandoned", FAILED
        record = _record(attempt, outcome, run.counts, finished_at, duration_s, code)
        _tell(record, outcome, run.counts, limits, duration_s)
    ctx.metrics.job_runs.labels(job.name, outcome).inc()
    ctx.metrics.job_duration.labels(job.name).observe(duration_s)
    return Ending(exit_code=code, record={**record, **bound})


async def _supervise(
    ctx: Context,
    job: Job,
    args: Struct,
    attempt: claim.Attempt,
    run: Run,
    limits: Limits,
    stop: Stop,
    observe: Observer | None,
) -> tuple[Outcome, int | None]:
    """Lets the job work under its lease until it ends, or has to."""

    async def under_lease() -> None:
        async with attempt.lease.scope():
            await job.run(ctx, run, args)

    keeper = asyncio.create_task(ctx.store.leases.keep(), name=f"{run.id}:keeper")
    work = asyncio.create_task(under_lease(), name=run.id)
    try:
        cut = await _await(ctx, attempt, run, work, limits, stop, observe)
        return _outcome(work, run, cut)
    finally:
        keeper.cancel()
        await asyncio.wait({keeper})
        await _release(ctx, attempt)


async def _await(
    ctx: Context,
    attempt: claim.Attempt,
    run: Run,
    work: asyncio.Task[None],
    limits: Limits,
    stop: Stop,
    observe: Observer | None,
) -> Outcome | None:
    """Waits for the work, reports how far it is, and cancels it when its time is over."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + limits.timeout_s
    cut: Outcome | None = None
    report_s = ctx.store.leases.ttl_s / 3
    report_at, stopped = loop.time() + report_s, False
    signals = [asyncio.create_task(event.wait()) for event in (stop.asked, stop.urgent)]
    try:
        while not work.done():
            now = loop.time()
            if stop.asked.is_set() and not stopped:
                stopped = True
                deadline = min(deadline, now + ctx.config.runner.grace_s)
                log.get_logger().info("job_stopping", grace_s=ctx.config.runner.grace_s)
            if cut is None and (now >= deadline or stop.urgent.is_set()):
                cut = "cancelled" if stopped else "timed_out"
                work.cancel()
                deadline = now + _HARD_S
            elif cut is not None and now >= deadline:
                log.get_logger().error("job_ignores_its_cancellation")
                break
            waiting = {work, *(signal for signal in signals if not signal.done())}
            pause = min(report_at - now, deadline - now, 0.25 if observe else report_s)
            await asyncio.wait(waiting, timeout=max(pause, 0), return_when=asyncio.FIRST_COMPLETED)
            if observe:
                observe(run.counts)
            if loop.time() >= report_at:
                report_at = loop.time() + report_s
                await _report(ctx, attempt, run.counts)
    finally:
        for signal in signals:
            signal.cancel()
        await asyncio.wait(signals)
    return cut


def _outcome(work: asyncio.Task[None], run: Run, cut: Outcome | None) -> tuple[Outcome, int | None]:
    """What became of the work, and an exit code where the outcome does not tell it."""
    if not work.done() or work.cancelled():
        return cut or "cancelled", None
    error = work.exception()
    if error is None:
        if run.unfinished:
            return "cancelled", None
        return ("partial" if run.counts.failed else "succeeded"), None
    if isinstance(error, LeaseLost):
        run.counts.sample(error=str(error))
        log.get_logger().error("lease_lost", reason=str(error))
        return "abandoned", None
    if isinstance(error, ConfigError):
        run.counts.sample(error=str(error))
        return "failed", USAGE
    told = str(error) if isinstance(error, ChesscoachError) else type(error).__name__
    run.counts.sample(error=told)
    log.get_logger().error("job_failed", error=told, exc_info=error)
    return "failed", None


def _code(outcome: Outcome, counts: Counts, limits: Limits, stop: Stop) -> int:
    if outcome == "cancelled" and stop.signal is not None:
        return 128 + stop.signal
    if outcome == "partial" and counts.success_rate() >= limits.success_threshold:
        return DONE
    return DONE if outcome == "succeeded" else FAILED


async def _report(ctx: Context, attempt: claim.Attempt, counts: Counts) -> None:
    try:
        await ctx.store.runs.report(attempt.new.id, attempt.new.claim, counts, attempt.lease.fence)
    except ChesscoachError as error:
        log.get_logger().warning("progress_not_written", error=str(error))


async def _finish(
    ctx: Context,
    attempt: claim.Attempt,
    outcome: Outcome,
    counts: Counts,
    finished_at: datetime,
    duration_s: float,
    code: int,
) -> bool:
    """Writes the record; False if the run is another's by now, or the store is gone."""
    for last in (False, True):
        try:
            return await ctx.store.runs.finish(
                attempt.new.id,
                attempt.new.claim,
                outcome=outcome,
                counts=counts,
                finished_at=finished_at,
                duration_s=duration_s,
                exit_code=code,
            )
        except ChesscoachError as error:
            log.get_logger().error("record_not_written", error=str(error), tried_again=last)
    return False


async def _release(ctx: Context, attempt: claim.Attempt) -> None:
    try:
        await ctx.store.leases.release(attempt.lease)
    except ChesscoachError as error:
        log.get_logger().warning("lease_not_released", error=str(error))


def _told(counts: Counts) -> dict[str, Any]:
    return {
        "candidates": counts.candidates,
        "done": counts.done,
        "failed": counts.failed,
        "skipped": counts.skipped,
        "notes": dict(counts.notes),
        "errors": list(counts.errors),
    }


def _record(
    attempt: claim.Attempt,
    outcome: Outcome,
    counts: Counts,
    finished_at: datetime,
    duration_s: float,
    code: int,
) -> dict[str, Any]:
    slot = attempt.new.slot
    return {
        "event": "job_finished",
        "schedule": slot.schedule if slot else None,
        "slot": slot.name if slot else None,
        "outcome": outcome,
        "source": attempt.new.source,
        "started_at": attempt.new.started_at.isoformat(),
        "finished_at": finished_at.isoformat(),
        "duration_s": duration_s,
        "exit_code": code,
        **_told(counts),
    }


def _refusal(job: Job, outcome: str, reason: str, slot: Slot | None = None) -> dict[str, Any]:
    return {
        "event": "nothing_to_run",
        "job": job.name,
        "run_id": slot.key if slot else None,
        "schedule": slot.schedule if slot else None,
        "slot": slot.name if slot else None,
        "outcome": outcome,
        "reason": reason,
    }


def _tell(
    record: dict[str, Any], outcome: Outcome, counts: Counts, limits: Limits, duration_s: float
) -> None:
    logger = log.get_logger()
    if counts.success_rate() < limits.success_threshold:
        logger.warning(
            "success_rate_low",
            rate=round(counts.success_rate(), 3),
            threshold=limits.success_threshold,
        )
    if duration_s > limits.warn_after_s:
        logger.warning("run_slow", duration_s=duration_s, warn_after_s=limits.warn_after_s)
    level = {"succeeded": "info", "partial": "warning", "cancelled": "warning"}
    getattr(logger, level.get(outcome, "error"))(**record)
