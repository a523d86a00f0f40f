"""What a job is, and what it is given besides the context."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from chesscoach.context import Context
from chesscoach.errors import ConfigError, JobExited
from chesscoach.schedules.outcome import Counts
from chesscoach.schedules.schedule import Slot
from chesscoach.worker.shard import WHOLE, Shard

T = TypeVar("T")


async def contained(work: Awaitable[T]) -> T:
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
        raise JobExited(msg) from error


class Stopped(Exception):
    """Work was broken off because the process is to stop."""


class Stop:
    """A wish to stop: `asked` to finish what is begun, `urgent` to break it off.

    `signal` is the number of the signal that asked, for the exit code.
    """

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.urgent = asyncio.Event()
        self.signal: int | None = None
        self._ears: set[asyncio.Future[None]] = set()

    def ask(self, signal: int | None = None) -> None:
        """Asks; asking a second time makes it urgent."""
        if self.asked.is_set():
            self.urgent.set()
        self.signal = self.signal or signal
        self.asked.set()
        for ear in self._ears:
            if not ear.done():
                ear.set_result(None)

    def ear(self) -> asyncio.Future[None]:
        """A future that is done when somebody asks the next time; to be cancelled otherwise."""
        ear = asyncio.get_running_loop().create_future()
        self._ears.add(ear)
        ear.add_done_callback(self._ears.discard)
        return ear

    async def breaks_off(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of work that may be broken off at any point.

        Raises:
            Stopped: it was, because somebody asked to stop before it was done.
        """
        task = asyncio.create_task(contained(work))
        asked = asyncio.create_task(self.asked.wait())
        try:
            await asyncio.wait({task, asked}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise Stopped
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
        by_hand: bool,
        dry_run: bool,
        stop: Stop,
        fence: int = 0,
        shard: Shard = WHOLE,
    ) -> None:
        self.id = run_id
        self.slot = slot
        self.fence = fence
        self.shard = shard
        self.by_hand = by_hand
        self.dry_run = dry_run
        self.counts = Counts()
        self.unfinished = False
        self._stop = stop

    @property
    def stopping(self) -> bool:
        """Whether to begin nothing new."""
        return self._stop.asked.is_set()

    async def breaks_off(self, work: Coroutine[Any, Any, None]) -> bool:
        """Does work that may be broken off at any point, and is when the run is to stop.

        Returns whether it was done; if not, the run is `unfinished`.
        """
        try:
            await self._stop.breaks_off(work)
        except Stopped:
            self.unfinished = True
            return False
        return True

    async def together(self, *work: Coroutine[Any, Any, None]) -> None:
        """Runs coroutines side by side; the first error ends them all and is raised."""
        try:
            async with asyncio.TaskGroup() as group:
                for coroutine in work:
                    group.create_task(contained(coroutine), name=self.id)
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
