"""A request to stop, and work that it may interrupt."""

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar

from chesscoach.errors import JobCalledExit

T = TypeVar("T")


async def guard_exit(work: Awaitable[T]) -> T:
    """The result of work of a job's; no task of its may end the process.

    asyncio lets a SystemExit or KeyboardInterrupt that leaves a task end the loop, and with it
    everybody's runs. Signals do not come this way: they ask to stop.

    Raises:
        JobCalledExit: in place of those.
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
