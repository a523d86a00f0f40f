"""What a job is, and what it is given besides the context."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from chesscoach.errors import ConfigError
from chesscoach.schedules.outcome import Counts
from chesscoach.schedules.schedule import Schedule, Slot
from chesscoach.worker.shard import ALL_USERS, Shard
from chesscoach.worker.shutdown import Interrupted, ShutdownRequest, guard_exit


class Run:
    """One run as the job sees it.

    `fence` grows with each holder of the run's lease; 0 in a rehearsal, which holds none. `shard`
    says which users are its. `counts` is filled in as the work goes on. A job that breaks off
    because of `stopping` sets `unfinished`; the slot then stays open.
    """

    def __init__(
        self,
        run_id: str,
        *,
        slot: Slot | None,
        manual: bool,
        dry_run: bool,
        stop: ShutdownRequest,
        lease: str | None = None,
        fence: int = 0,
        shard: Shard = ALL_USERS,
    ) -> None:
        self.id = run_id
        self.slot = slot
        self.lease = lease
        self.fence = fence
        self.shard = shard
        self.manual = manual
        self.dry_run = dry_run
        self.counts = Counts()
        self.incomplete = False
        self._stop = stop

    @property
    def stopping(self) -> bool:
        """Whether to begin nothing new."""
        return self._stop.requested.is_set()

    async def run_interruptible(self, work: Coroutine[Any, Any, None]) -> bool:
        """Does work that may be broken off at any point, and is when the run is to stop.

        Returns whether it was done; if not, the run is `unfinished`.
        """
        try:
            await self._stop.run_interruptible(work)
        except Interrupted:
            self.incomplete = True
            return False
        return True

    async def run_concurrently(self, *work: Coroutine[Any, Any, None]) -> None:
        """Runs coroutines side by side; the first error ends them all and is raised."""
        try:
            async with asyncio.TaskGroup() as group:
                for coroutine in work:
                    group.create_task(guard_exit(coroutine), name=self.id)
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None


class Job(Struct, frozen=True, kw_only=True):
    """A job: its name, its work, its parameters, and the collections that it writes.

    `writes` are the collections whose unique indexes its promises rest on. One that `walks_users`
    can be worked in parts of them.
    """

    name: str
    run: Callable[[Any, Run, Any], Awaitable[Counts]]
    args: type[Struct]
    help: str
    writes: tuple[str, ...] = ()
    walks_users: bool = False

    def check(self, given: dict[str, Any], *, strict: bool = True) -> Struct:
        """Arguments as the job's own value; `strict=False` takes the texts of a command line.

        Raises:
            ConfigError: an unknown parameter, or a value of the wrong kind.
        """
        try:
            return msgspec.convert(given, self.args, strict=strict)
        except msgspec.ValidationError as error:
            msg = f"{self.name}: {error}"
            raise ConfigError(msg) from None


def job_of(where: str, schedule: Schedule, jobs: Mapping[str, Job]) -> Job:
    """The job of a schedule.

    Raises:
        ConfigError: there is none of that name, or it refuses the arguments.
    """
    job = jobs.get(schedule.job)
    if job is None:
        msg = f"{where}.job: there is no job {schedule.job!r}; there are {list(jobs)}"
        raise ConfigError(msg)
    try:
        job.check(schedule.args)
    except ConfigError as error:
        msg = f"{where}.args: {error}"
        raise ConfigError(msg) from None
    return job
