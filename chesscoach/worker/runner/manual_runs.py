"""Manual runs that this process starts for an operator, and keeps until they end."""

import asyncio
from contextvars import Context

from msgspec import Struct
from msgspec.structs import replace

from chesscoach import log
from chesscoach.errors import ChesscoachError, LeaseHeld
from chesscoach.schedules.schedule import Schedule
from chesscoach.worker.job import Job
from chesscoach.worker.runner import attempts, runner
from chesscoach.worker.runner.attempts import Attempt
from chesscoach.worker.runner.execution import Execution
from chesscoach.worker.shutdown import ShutdownRequest
from chesscoach.worker.worker import Worker


class ManualRuns:
    """Starts manual runs while it is entered; `__aexit__` drains them, as a stop is requested."""

    def __init__(self, worker: Worker, stop: ShutdownRequest) -> None:
        self._worker = replace(worker, process=replace(worker.process, source="web"))
        self._stop = stop
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "ManualRuns":
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._tasks and not self._stop.requested.is_set():
            self._stop.request()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def start(self, job: Job, args: Struct, schedule: Schedule | None = None) -> str:
        """Claims a run and lets it run in a task of its own; returns the id of the run.

        It does not wait to see whether the holder of a lease lives, as a command does.

        Raises:
            SetupError: the database lacks an index that the job relies on.
            LeaseHeld: another run holds the lease; the message names it.
            Interrupted: the process must stop.
        """
        key = attempts.lease_key(self._worker, job, schedule)
        keys = attempts.lease_keys(key, schedule.max_instances if schedule else 1)
        held = await self._worker.leases.statuses(keys)
        if len(living := [status for status in held.values() if status.alive]) == len(keys):
            raise LeaseHeld(attempts.lease_held_message(job, living[0]))
        run_id = attempts.manual_id(job)
        attempt = await runner.claim_manually(self._worker, job, run_id, self._stop, schedule)
        # An empty context: the run does not inherit the deadline of the request that started it.
        task = asyncio.create_task(self._run(job, attempt, args), name=run_id, context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return run_id

    async def _run(self, job: Job, attempt: Attempt, args: Struct) -> None:
        """Runs what is claimed; an error in it does not affect the process."""
        try:
            await Execution(self._worker, job, attempt, self._stop).execute(args)
        except Exception as error:  # noqa: BLE001  # as it says
            ours = isinstance(error, ChesscoachError)
            log.get_logger().error(
                "manual_run_failed",
                run_id=attempt.run.id,
                reason=str(error) if ours else type(error).__name__,
                exc_info=None if ours else error,
            )
