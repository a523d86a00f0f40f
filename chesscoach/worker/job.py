"""Jobs, and the run that a job receives besides the context."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from chesscoach.errors import ConfigError
from chesscoach.schedules.outcome import Counts
from chesscoach.schedules.schedule import Schedule, Slot
from chesscoach.worker.shard import ALL_USERS, Shard
from chesscoach.worker.shutdown import Interrupted, ShutdownRequest, guard_exit

T = TypeVar("T")


class Run:
    """One run as the job sees it.

    `fence` grows with each holder of `lease`; a dry run holds no lease and has the fence 0. `shard`
    selects its users. The job fills in `counts` while it runs. A job that stops early because of
    `stopping` sets `incomplete`; the slot then stays open.
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
        """Whether the job must start nothing new."""
        return self._stop.requested.is_set()

    async def run_interruptible(self, step: Coroutine[Any, Any, None]) -> bool:
        """Awaits a coroutine, and cancels it when the run must stop.

        Returns whether it finished; if not, the run is `incomplete`.
        """
        try:
            await self._stop.run_interruptible(step)
        except Interrupted:
            self.incomplete = True
            return False
        return True

    async def run_concurrently(self, *steps: Coroutine[Any, Any, None]) -> None:
        """Runs coroutines concurrently; the first error cancels the others and is raised."""
        try:
            async with asyncio.TaskGroup() as group:
                for coroutine in steps:
                    group.create_task(guard_exit(coroutine), name=self.id)
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def for_each(self, items: AsyncIterator[T], step: Callable[[T], Awaitable[None]]) -> None:
        """Runs a step for each item, two at a time; the first error is raised.

        While the database works for one of them, the other is calculated here.
        """
        turn = asyncio.Lock()

        async def work() -> None:
            while True:
                async with turn:
                    try:
                        item = await anext(items)
                    except StopAsyncIteration:
                        return
                await step(item)

        await self.run_concurrently(work(), work())


class Job(Struct, frozen=True, kw_only=True):
    """A job: its name, its coroutine, its parameters, and the collections that it writes.

    `writes` are the collections whose unique indexes it relies on. A job that `walks_users` can run
    in shards.
    """

    name: str
    run: Callable[[Any, Run, Any], Awaitable[Counts]]
    args: type[Struct]
    help: str
    writes: tuple[str, ...] = ()
    walks_users: bool = False

    def check(self, given: dict[str, Any], *, strict: bool = True) -> Struct:
        """Returns arguments as the job's own struct; `strict=False` converts texts of flags.

        Raises:
            ConfigError: a parameter is unknown, or a value has the wrong type.
        """
        try:
            return msgspec.convert(given, self.args, strict=strict)
        except msgspec.ValidationError as error:
            reason, _, path = str(error).partition(" - at `$.")
            argument = f"{path.strip('`')}: " if path else ""
            msg = f"{self.name}: {argument}{reason[:1].lower()}{reason[1:]}"
            raise ConfigError(msg) from None


def job_of(where: str, schedule: Schedule, jobs: Mapping[str, Job]) -> Job:
    """Returns the job of a schedule.

    Raises:
        ConfigError: the job does not exist, or refuses the arguments.
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
