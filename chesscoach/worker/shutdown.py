"""A request to stop, and what it interrupts."""

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar

from chesscoach.errors import JobCalledExit

T = TypeVar("T")


async def guard_exit(step: Awaitable[T]) -> T:
    """Awaits a coroutine of a job, which must not end the process.

    A SystemExit or KeyboardInterrupt that leaves a task ends asyncio's loop, and with it all runs.
    Signals do not come this way: they ask to stop.

    Raises:
        JobCalledExit: in place of those.
    """
    try:
        return await step
    except (SystemExit, KeyboardInterrupt) as error:
        msg = f"the job tried to end the process ({type(error).__name__})"
        raise JobCalledExit(msg) from error


class Interrupted(Exception):
    """A coroutine was cancelled because the process must stop."""


class ShutdownRequest:
    """A request to stop: `requested` to finish what has started, `urgent` to cancel it.

    `signal` is the number of the signal that requested it, for the exit code.
    """

    def __init__(self) -> None:
        self.requested = asyncio.Event()
        self.urgent = asyncio.Event()
        self.signal: int | None = None
        self._waiters: set[asyncio.Future[None]] = set()

    def request(self, signal: int | None = None) -> None:
        """Requests the stop; the second request makes it urgent."""
        if self.requested.is_set():
            self.urgent.set()
        self.signal = self.signal or signal
        self.requested.set()
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    def next_request(self) -> asyncio.Future[None]:
        """A future that the next request completes; the caller cancels it otherwise."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        waiter.add_done_callback(self._waiters.discard)
        return waiter

    async def run_interruptible(self, step: Coroutine[Any, Any, T]) -> T:
        """Awaits a coroutine, and cancels it when a stop is requested.

        Raises:
            Interrupted: it was cancelled before it finished.
        """
        task = asyncio.create_task(guard_exit(step))
        asked = asyncio.create_task(self.requested.wait())
        try:
            await asyncio.wait({task, asked}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise Interrupted
        finally:
            for pending in (task, asked):
                pending.cancel()
            await asyncio.gather(task, asked, return_exceptions=True)
