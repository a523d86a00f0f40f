"""One attempt at work: under its lease, within its time, until it ends or has to.

The task of the work is made here; it does not outlive the attempt, unless it ignores its
cancellation.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import structlog
from msgspec import Struct

from chesscoach import log
from chesscoach.config import Limits
from chesscoach.context import Context
from chesscoach.errors import ChesscoachError, ConfigError, LeaseLost
from chesscoach.schedules.outcome import Counts, Outcome
from chesscoach.worker.job import Job, Run, Stop, contained
from chesscoach.worker.runner import result, shards
from chesscoach.worker.runner.attempts import Attempt

_HARD_S = 10.0
"""So long after its cancellation a job may still tidy up; then it is left behind."""

_WATCHED_S = 0.25

Observer = Callable[[Counts], None]


class Shift:
    """An attempt being worked; `observe` is shown the counts a few times a second."""

    def __init__(
        self, ctx: Context, job: Job, attempt: Attempt, stop: Stop, observe: Observer | None = None
    ) -> None:
        self._ctx = ctx
        self._job = job
        self._attempt = attempt
        self._stop = stop
        self._observe = observe
        self._limits: Limits = getattr(ctx.config.jobs, job.name, Limits())
        new = attempt.new
        self._run = Run(
            new.id,
            slot=new.slot,
            by_hand=new.slot is None,
            dry_run=False,
            stop=stop,
            fence=attempt.fence,
            shard=attempt.shard,
        )

    async def work(self, args: Struct) -> result.Ending:
        """Works the attempt, records it and gives its lease back."""
        new, counts = self._attempt.new, self._run.counts
        begun = asyncio.get_running_loop().time()
        bound = {"job": new.job, "run_id": new.id, "attempt": self._attempt.number}
        with structlog.contextvars.bound_contextvars(**bound):
            log.get_logger().info("job_started", source=new.source, lease=new.lease)
            if new.slot is not None and self._attempt.number == 1:
                late = self._ctx.now() - new.slot.at
                self._ctx.metrics.slot_lateness.labels(new.job).observe(late.total_seconds())
            outcome, code = await self._supervise(args)
            if code is None:
                code = result.exit_code(outcome, counts, self._limits, self._stop)
            duration_s = round(asyncio.get_running_loop().time() - begun, 3)
            if not await self._finish(outcome, code, duration_s):
                outcome, code = "abandoned", result.FAILED
            await self._release()
            now = self._ctx.now()
            told = result.finished(self._attempt, outcome, code, counts, now, duration_s)
            result.tell(told, counts, self._limits)
        self._ctx.metrics.job_runs.labels(new.job, outcome).inc()
        self._ctx.metrics.job_duration.labels(new.job).observe(duration_s)
        return result.Ending(exit_code=code, record=told)

    async def _supervise(self, args: Struct) -> tuple[Outcome, int | None]:
        """Lets the job work; returns the outcome, and an exit code where that does not tell it."""
        work = asyncio.create_task(self._under_lease(args), name=self._run.id)
        try:
            async with self._ctx.store.leases.keeping():
                cut = await self._wait(work)
        finally:
            work.cancel()
        if cut is not None and (not work.done() or work.cancelled()):
            return cut, None
        error = asyncio.CancelledError() if work.cancelled() else work.exception()
        return self._judge(error, cut)

    async def _under_lease(self, args: Struct) -> None:
        async with self._attempt.scope():
            await contained(self._job.run(self._ctx, self._run, args))

    async def _wait(self, work: asyncio.Task[None]) -> Outcome | None:
        """Waits for the work and reports how far it is; cancels it when its time is over.

        Returns what the work was cancelled for, None if it was not.
        """
        loop = asyncio.get_running_loop()
        deadline, cut, stopping = loop.time() + self._limits.timeout_s, None, False
        report_s = self._ctx.store.leases.ttl_s / 3
        report_at = loop.time() + report_s
        while not work.done():
            now = loop.time()
            if self._stop.asked.is_set() and not stopping:
                stopping, deadline = True, min(deadline, now + self._ctx.config.runner.grace_s)
                log.get_logger().info("job_stopping", grace_s=self._ctx.config.runner.grace_s)
            if cut is None and (now >= deadline or self._stop.urgent.is_set()):
                cut, deadline = self._cut(stopping), now + _HARD_S
                work.cancel()
            elif cut is not None and now >= deadline:
                log.get_logger().error("job_ignores_its_cancellation")
                break
            pause = min(report_at - now, deadline - now, _WATCHED_S if self._observe else report_s)
            await self._pause(work, max(pause, 0))
            if self._observe:
                self._observe(self._run.counts)
            if loop.time() >= report_at:
                report_at = loop.time() + report_s
                await self._report()
        return cut

    async def _pause(self, work: asyncio.Task[None], seconds: float) -> None:
        """Waits until the work ends, somebody wishes us to stop, or so long."""
        ear = self._stop.ear()
        try:
            await asyncio.wait({work, ear}, timeout=seconds, return_when="FIRST_COMPLETED")
        finally:
            ear.cancel()

    @staticmethod
    def _cut(stopping: bool) -> Outcome:
        return "cancelled" if stopping else "timed_out"

    def _judge(
        self, error: BaseException | None, cut: Outcome | None
    ) -> tuple[Outcome, int | None]:
        """What became of work that ended by itself, or in its own way after it was cut short.

        How much of the latter is done nobody can tell, whatever it returned. Work that is cancelled
        although we did not do that has failed: left open, it would be begun again without end.
        """
        counts = self._run.counts
        if error is None and cut is not None:
            return cut, None
        if error is None:
            if self._run.unfinished:
                return "cancelled", None
            return ("partial" if counts.failed else "succeeded"), None
        told = str(error) if isinstance(error, ChesscoachError) else type(error).__name__
        counts.sample(error=told)
        if isinstance(error, LeaseLost):
            log.get_logger().error("lease_lost", reason=told)
            return "abandoned", None
        if isinstance(error, ConfigError):
            return "failed", result.USAGE
        log.get_logger().error("job_failed", error=told, exc_info=error)
        return cut or "failed", None

    async def _report(self) -> None:
        new, fence = self._attempt.new, self._attempt.fence
        try:
            await self._ctx.store.runs.report(new.id, new.claim, self._run.counts, fence)
        except ChesscoachError as error:
            log.get_logger().warning("progress_not_written", error=str(error))

    async def _finish(self, outcome: Outcome, code: int, duration_s: float) -> bool:
        """Writes the record; False if the run is another's by now, or the store is gone."""
        new = self._attempt.new
        for last in (False, True):
            try:
                return await self._ctx.store.runs.finish(
                    new.id,
                    new.claim,
                    outcome=outcome,
                    counts=self._run.counts,
                    finished_at=self._ctx.now(),
                    duration_s=duration_s,
                    exit_code=code,
                )
            except ChesscoachError as error:
                log.get_logger().error("record_not_written", error=str(error), given_up=last)
        return False

    async def _release(self) -> None:
        """A lease that cannot be given back runs out by itself, a slot's end is made up for."""
        new, group = self._attempt.new, self._attempt.group
        if group is not None:
            self._ctx.store.leases.leave(group)
        with suppress(ChesscoachError):
            await self._ctx.store.leases.release(self._attempt.lease)
            if group is not None and new.slot is not None:
                await shards.close(self._ctx, new.slot, new.parts)
