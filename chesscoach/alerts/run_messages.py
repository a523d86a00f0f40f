"""Messages to a monitor about runs: each run's in order, repeated if refused, and bounded.

A message that is lost is not repeated later: what the monitor does not hear of in time, it
reports by itself.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

from chesscoach.errors import AlertRefused

_MAX_UNFINISHED = 200
"""Messages that may wait for a response at a time; a monitor that does not answer gets no more."""

RETRY_DELAYS_S = (0.5, 2.0)


class RunMonitor(Protocol):
    """Learns when runs begin and end, without delaying them; its methods raise nothing."""

    def run_started(self, job: str, run_id: str) -> None:
        """A run has its lease and begins."""

    def run_ended(self, record: Mapping[str, Any]) -> None:
        """A run has ended."""

    async def close(self, timeout_s: float) -> None:
        """Waits for the messages in progress, and ends those that take longer."""


class RunMessage(Struct, frozen=True, kw_only=True):
    """A message about a run; `send` raises AlertRefused if it is not accepted."""

    job: str
    run_id: str
    name: str
    send: Callable[[], Awaitable[None]]


class RunMessages:
    """The messages in progress. `report` receives each that ended, with a reason if it is lost."""

    def __init__(
        self,
        report: Callable[[RunMessage, str | None], None],
        retry_delays_s: Sequence[float] = RETRY_DELAYS_S,
    ) -> None:
        self._report = report
        self._retry_delays_s = retry_delays_s
        self._tasks: set[asyncio.Task[None]] = set()
        self._newest: dict[str, asyncio.Task[None]] = {}

    def post(self, message: RunMessage) -> None:
        """Sends a message, after the earlier one of its run; returns at once."""
        if len(self._tasks) >= _MAX_UNFINISHED:
            self._report(message, "too many messages wait for a response")
            return
        earlier = self._newest.get(message.run_id)
        task = asyncio.create_task(
            self._send(message, earlier), name=f"{message.name} {message.run_id}"
        )
        self._newest[message.run_id] = task
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._on_done(done, message))

    async def close(self, timeout_s: float) -> None:
        """Waits for the messages in progress, and ends those that take longer."""
        tasks = set(self._tasks)
        if tasks:
            await asyncio.wait(tasks, timeout=timeout_s)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _on_done(self, task: asyncio.Task[None], message: RunMessage) -> None:
        self._tasks.discard(task)
        if self._newest.get(message.run_id) is task:
            del self._newest[message.run_id]
        if task.cancelled():
            self._report(message, "the process ended before a response came")

    async def _send(self, message: RunMessage, earlier: asyncio.Task[None] | None) -> None:
        """Sends a message, after the earlier one of the run, so that the order holds."""
        if earlier is not None:
            await asyncio.wait({earlier})
        for delay_s in (*self._retry_delays_s, None):
            try:
                await message.send()
            except AlertRefused as error:
                if delay_s is None:
                    self._report(message, str(error))
                    return
                await asyncio.sleep(delay_s)
            else:
                self._report(message, None)
                return
