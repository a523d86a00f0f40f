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
from chesscoach.config import JobLimits
from chesscoach.errors import ChesscoachError, ConfigError, LeaseLost
from chesscoach.schedules.outcome import Counts, Outcome
from chesscoach.worker.job import Job, Run
from chesscoach.worker.runner import result
from chesscoach.worker.runner.attempts import Attempt
from chesscoach.worker.shutdown import ShutdownRequest, guard_exit
from chesscoach.worker.worker import Worker

_CANCEL_TIMEOUT_S = 10.0
"""So long after its cancellation a job may still tidy up; then it is left behind."""

_PROGRESS_INTERVAL_S = 0.25

ProgressCallback = Callable[[Counts], None]


class Execution:
    """An attempt being worked; `observe` is shown the counts a few times a second."""

    def __init__(
        self,
        worker: Worker,
        job: Job,
        attempt: Attempt,
        stop: ShutdownRequest,
        observe: ProgressCallback | None = None,
    ) -> None:
        self._worker = worker
        self._job = job
        self._attempt = attempt
        self._stop = stop
        self._on_progress = observe
        self._limits: JobLimits = getattr(worker.config.jobs, job.name, JobLimits())
        new = attempt.run
        self._run = Run(
            new.id,
            slot=new.slot,
            manual=new.slot is None,
            dry_run=False,
            stop=stop,
            lease=attempt.lease.key,
            fence=attempt.lease.fence,
            shard=new.shard,
        )

    async def execute(self, args: Struct) -> result.RunResult:
        """Works the attempt, records it and gives its lease back."""
        new, counts = self._attempt.run, self._run.counts
        begun = asyncio.get_running_loop().time()
        bound = {"job": new.job, "run_id": new.id, "attempt": self._attempt.number}
        with structlog.contextvars.bound_contextvars(**bound):
            log.get_logger().info("job_started", source=new.source, lease=new.lease)
            if new.slot is not None and self._attempt.number == 1:
                late = self._worker.now() - new.slot.at
                self._worker.metrics.slot_lateness.labels(new.job).observe(late.total_seconds())
            outcome, code = await self._supervise(args)
            if code is None:
                code = result.exit_code(outcome, counts, self._limits, self._stop)
            duration_s = round(asyncio.get_running_loop().time() - begun, 3)
            if not await self._finish(outcome, code, duration_s):
                outcome, code = "abandoned", result.EXIT_FAILED
            await self._release()
            now = self._worker.now()
            told = result.run_record(self._attempt, outcome, code, counts, now, duration_s)
            result.log_result(told, counts, self._limits)
        self._worker.metrics.job_runs.labels(new.job, outcome).inc()
        self._worker.metrics.job_duration.labels(new.job).observe(duration_s)
        return result.RunResult(exit_code=code, record=told)

    async def _supervise(self, args: Struct) -> tuple[Outcome, int | None]:
        """Lets the job work; returns the outcome, and an exit code where that does not tell it."""
        work = asyncio.create_task(self._under_lease(args), name=self._run.id)
        try:
            async with self._worker.leases.renewing():
                cut = await self._wait(work)
        finally:
            work.cancel()
        if cut is not None and (not work.done() or work.cancelled()):
            return cut, None
        error = asyncio.CancelledError() if work.cancelled() else work.exception()
        return self._outcome_of(error, cut)

    async def _under_lease(self, args: Struct) -> None:
        async with self._attempt.lease.scope():
            await guard_exit(self._job.run(self._worker.app, self._run, args))

    async def _wait(self, work: asyncio.Task[None]) -> Outcome | None:
        """Waits for the work and reports how far it is; cancels it when its time is over.

        Returns what the work was cancelled for, None if it was not.
        """
        loop = asyncio.get_running_loop()
        deadline, cut, stopping = loop.time() + self._limits.timeout_s, None, False
        report_s = self._worker.leases.ttl_s / 3
        report_at = loop.time() + report_s
        while not work.done():
            now = loop.time()
            if self._stop.requested.is_set() and not stopping:
                stopping, deadline = True, min(deadline, now + self._worker.config.runner.grace_s)
                log.get_logger().info("job_stopping", grace_s=self._worker.config.runner.grace_s)
            if cut is None and (now >= deadline or self._stop.urgent.is_set()):
                cut, deadline = self._cancel_reason(stopping), now + _CANCEL_TIMEOUT_S
                work.cancel()
            elif cut is not None and now >= deadline:
                log.get_logger().error("job_ignored_cancellation")
                break
            pause = min(
                report_at - now,
                deadline - now,
                _PROGRESS_INTERVAL_S if self._on_progress else report_s,
            )
            await self._wait_for_event(work, max(pause, 0))
            if self._on_progress:
                self._on_progress(self._run.counts)
            if loop.time() >= report_at:
                report_at = loop.time() + report_s
                await self._report()
        return cut

    async def _wait_for_event(self, work: asyncio.Task[None], seconds: float) -> None:
        """Waits until the work ends, somebody wishes us to stop, or so long."""
        ear = self._stop.next_request()
        try:
            await asyncio.wait({work, ear}, timeout=seconds, return_when="FIRST_COMPLETED")
        finally:
            ear.cancel()

    @staticmethod
    def _cancel_reason(stopping: bool) -> Outcome:
        return "cancelled" if stopping else "timed_out"

    def _outcome_of(
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
            if self._run.incomplete:
                return "cancelled", None
            return ("partial" if counts.failed else "succeeded"), None
        told = str(error) if isinstance(error, ChesscoachError) else type(error).__name__
        counts.add_error(error=told)
        if isinstance(error, LeaseLost):
            log.get_logger().error("lease_lost", reason=told)
            return "abandoned", None
        if isinstance(error, ConfigError):
            return "failed", result.EXIT_USAGE
        log.get_logger().error("job_failed", error=told, exc_info=error)
        return cut or "failed", None

    async def _report(self) -> None:
        new, fence = self._attempt.run, self._attempt.lease.fence
        try:
            await self._worker.runs.report(new.id, new.claim, self._run.counts, fence)
        except ChesscoachError as error:
            log.get_logger().warning("progress_not_written", error=str(error))

    async def _finish(self, outcome: Outcome, code: int, duration_s: float) -> bool:
        """Writes the record; False if the run is another's by now, or the store is gone."""
        new = self._attempt.run
        for last in (False, True):
            try:
                return await self._worker.runs.finish(
                    new.id,
                    new.claim,
                    outcome=outcome,
                    counts=self._run.counts,
                    finished_at=self._worker.now(),
                    duration_s=duration_s,
                    exit_code=code,
                )
            except ChesscoachError as error:
                log.get_logger().error("record_not_written", error=str(error), given_up=last)
        return False

    async def _release(self) -> None:
        """Releases the lease; one that cannot be released expires by itself."""
        with suppress(ChesscoachError):
            await self._worker.leases.release(self._attempt.lease)
