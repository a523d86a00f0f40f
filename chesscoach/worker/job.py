"""What a job is, and what it is given besides the context."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from chesscoach.context import Context
from chesscoach.errors import ConfigError, JobCalledExit
from chesscoach.schedules.outcome import Counts
from chesscoach.schedules.schedule import Slot
from chesscoach.worker.shard import ALL_USERS, Shard

T = TypeVar("T")


async def guard_exit(work: Awaitable[T]) -> T:
    """The result of work of a job's; no task of its may end the process.

    asyncio lets a SystemExit or KeyboardInterrupt that leaves a task end the loop, and with it
    everybody's runs. Signals do not come this way: they ask to stop.

    Raises:
        JobExited: in place of those.
    """
    try:
        return await work
    except (SystemExit, KeyboardInterrupt) as error:
        msg = f"the job tried to end the process ({type(error).__name__})"
        raise JobCalledExit(msg) from error


class Interrupted(Exception):
    """Work was broken off because the process is to stop."""


class ShutdownRequest:
    """A wish to stop: `asked` to finish what is begun, `urgent` to break it off.

    `signal` is the number of the signal that asked, for the exit code.
    """

    def __init__(self) -> None:
        self.requested = asyncio.Event()
        self.urgent = asyncio.Event()
        self.signal: int | None = None
        self._waiters: set[asyncio.Future[None]] = set()

    def request(self, signal: int | None = None) -> None:
        """Asks; asking a second time makes it urgent."""
        if self.requested.is_set():
            self.urgent.set()
        self.signal = self.signal or signal
        self.requested.set()
        for ear in self._waiters:
            if not ear.done():
                ear.set_result(None)

    def next_request(self) -> asyncio.Future[None]:
        """A future that is done when somebody asks the next time; to be cancelled otherwise."""
        ear = asyncio.get_running_loop().create_future()
        self._waiters.add(ear)
        ear.add_done_callback(self._waiters.discard)
        return ear

    async def run_interruptible(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of work that may be broken off at any point.

        Raises:
            Stopped: it was, because somebody asked to stop before it was done.
        """
        task = asyncio.create_task(guard_exit(work))
        asked = asyncio.create_task(self.requested.wait())
        try:
            await asyncio.wait({task, asked}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise Interrupted
        finally:
            for each in (task, asked):
                each.cancel()
            await asyncio.gather(task, asked, return_exceptions=True)


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
        fence: int = 0,
        shard: Shard = ALL_USERS,
    ) -> None:
        self.id = run_id
        self.slot = slot
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
    run: Callable[[Context, Run, Any], Awaitable[Counts]]
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
