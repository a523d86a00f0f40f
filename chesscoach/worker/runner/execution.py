"""One attempt: the job runs under its lease and within its time limit.

The task of the job is created here; it does not outlive the attempt, unless it ignores its
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
"""How long a job may tidy up after its cancellation; then the attempt ends without it."""

_PROGRESS_INTERVAL_S = 0.25

ProgressCallback = Callable[[Counts], None]


class Execution:
    """An attempt in progress; `observe` receives the counts a few times a second."""

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
        self._cancelled_by: str | None = None
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
        """Runs the attempt, records it and releases its lease."""
        new, counts = self._attempt.run, self._run.counts
        began_at = asyncio.get_running_loop().time()
        bound = {"job": new.job, "run_id": new.id, "attempt": self._attempt.number}
        with structlog.contextvars.bound_contextvars(**bound):
            log.get_logger().info("job_started", source=new.source, lease=new.lease)
            self._worker.observer.run_started(new.job, new.id)
            if new.slot is not None and self._attempt.number == 1:
                late = self._worker.now() - new.slot.at
                self._worker.metrics.slot_lateness.labels(new.job).observe(late.total_seconds())
            outcome, code = await self._supervise(args)
            if code is None:
                code = result.exit_code(outcome, counts, self._limits, self._stop)
            duration_s = round(asyncio.get_running_loop().time() - began_at, 3)
            if not await self._finish(outcome, code, duration_s):
                outcome, code = "abandoned", result.EXIT_FAILED
            await self._release()
            now = self._worker.now()
            record = result.run_record(self._attempt, outcome, code, counts, now, duration_s)
            await self._worker.observer.run_ended(record)
            result.log_result(record, counts, self._limits)
        self._worker.metrics.job_runs.labels(new.job, outcome).inc()
        self._worker.metrics.job_duration.labels(new.job).observe(duration_s)
        return result.RunResult(exit_code=code, record=record)

    async def _supervise(self, args: Struct) -> tuple[Outcome, int | None]:
        """Runs the job; returns the outcome, and its exit code unless the outcome decides it."""
        task = asyncio.create_task(self._under_lease(args), name=self._run.id)
        try:
            async with self._worker.leases.renewing():
                cut = await self._wait(task)
        finally:
            task.cancel()
        if cut is not None and (not task.done() or task.cancelled()):
            return cut, None
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        return self._outcome_of(error, cut)

    async def _under_lease(self, args: Struct) -> None:
        async with self._attempt.lease.scope():
            await guard_exit(self._job.run(self._worker.app, self._run, args))

    async def _wait(self, task: asyncio.Task[None]) -> Outcome | None:
        """Waits for the job and reports its progress; cancels it at its deadline.

        Returns the outcome that the job was cancelled with, None if it was not cancelled.
        """
        loop = asyncio.get_running_loop()
        deadline, cut, stopping = loop.time() + self._limits.timeout_s, None, False
        report_s = self._worker.leases.ttl_s / 3
        report_at = loop.time() + report_s
        while not task.done():
            now = loop.time()
            if self._stop.requested.is_set() and not stopping:
                stopping, deadline = True, min(deadline, now + self._worker.config.runner.grace_s)
                log.get_logger().info("job_stopping", grace_s=self._worker.config.runner.grace_s)
            if cut is None and (now >= deadline or self._stop.urgent.is_set()):
                cut, deadline = self._cancel_reason(stopping), now + _CANCEL_TIMEOUT_S
                task.cancel()
            elif cut is not None and now >= deadline:
                log.get_logger().error("job_ignored_cancellation")
                break
            pause = min(
                report_at - now,
                deadline - now,
                _PROGRESS_INTERVAL_S if self._on_progress else report_s,
            )
            await self._wait_for_event(task, max(pause, 0))
            if self._on_progress:
                self._on_progress(self._run.counts)
            if loop.time() >= report_at:
                report_at = loop.time() + report_s
                await self._report()
                if cut is None and await self._cancel_requested():
                    cut, deadline = "cancelled", loop.time() + _CANCEL_TIMEOUT_S
                    task.cancel()
        return cut

    async def _wait_for_event(self, task: asyncio.Task[None], timeout_s: float) -> None:
        """Waits until the job ends, the process is asked to stop, or the time is up."""
        stop_request = self._stop.next_request()
        try:
            await asyncio.wait(
                {task, stop_request}, timeout=timeout_s, return_when="FIRST_COMPLETED"
            )
        finally:
            stop_request.cancel()

    @staticmethod
    def _cancel_reason(stopping: bool) -> Outcome:
        return "cancelled" if stopping else "timed_out"

    def _outcome_of(
        self, error: BaseException | None, cut: Outcome | None
    ) -> tuple[Outcome, int | None]:
        """The outcome and exit code of a job that ended by itself, or after it was cancelled.

        What a cancelled job returns says nothing of how much it did. A job whose task was cancelled
        by another task has failed: if the slot stayed open, it would run again without end.
        """
        counts = self._run.counts
        if error is None and cut is not None:
            return cut, None
        if error is None:
            if self._run.incomplete:
                return "cancelled", None
            return ("partial" if counts.failed else "succeeded"), None
        reason = str(error) if isinstance(error, ChesscoachError) else type(error).__name__
        counts.add_error(error=reason)
        if isinstance(error, LeaseLost):
            log.get_logger().error("lease_lost", reason=reason)
            return "abandoned", None
        if isinstance(error, ConfigError):
            return "failed", result.EXIT_USAGE
        log.get_logger().error("job_failed", error=reason, exc_info=error)
        return cut or "failed", None

    async def _report(self) -> None:
        new, fence = self._attempt.run, self._attempt.lease.fence
        try:
            await self._worker.runs.report(new.id, new.claim, self._run.counts, fence)
        except ChesscoachError as error:
            log.get_logger().warning("progress_not_written", error=str(error))

    async def _cancel_requested(self) -> bool:
        """Whether an operator has asked for the end of this run."""
        with suppress(ChesscoachError):
            self._cancelled_by = await self._worker.runs.cancellations.requested_by(self._run.id)
        return self._cancelled_by is not None

    async def _finish(self, outcome: Outcome, code: int, duration_s: float) -> bool:
        """Writes the record; False if another attempt has the run, or the database is away."""
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
                    reason=f"cancelled by {self._cancelled_by}" if self._cancelled_by else None,
                )
            except ChesscoachError as error:
                log.get_logger().error("record_not_written", error=str(error), given_up=last)
        return False

    async def _release(self) -> None:
        """Releases the lease; one that cannot be released expires by itself."""
        with suppress(ChesscoachError):
            await self._worker.leases.release(self._attempt.lease)
