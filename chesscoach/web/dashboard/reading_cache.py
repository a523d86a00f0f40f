"""The overview as it was last read: one task reads it, however many pages are asked for.

A page may show a value that is a little older, and says how old. It never shows one from before a
change of which its reader knows: `expire` ends a value at once. While the database does not answer,
the value carries the failure.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from datetime import datetime
from typing import Generic, TypeVar

from msgspec import Struct

from chesscoach.errors import ChesscoachError

T = TypeVar("T")
_FRESH_S = (1.0, 5.0)
_SERVABLE_S = (3.0, 10.0)
"""How old a value may be before it is read again, and before a page waits for that: both grow with
the time that reading takes, within these bounds."""

_READ_SHARE = 10
"""Reading takes at most this part of the time: a read of 0.2 s is repeated after 2 s."""

_RETRY_S = 1.0


class Reading(Struct, Generic[T], frozen=True, kw_only=True):
    """The last value, if any, and why the database has not answered since, if it has not."""

    value: T | None
    failure: str | None
    failed_at: datetime | None


class ReadingCache(Generic[T]):
    """Keeps what `read` returns; `read` raises a ChesscoachError within its own deadline."""

    def __init__(self, read: Callable[[], Awaitable[T]], now: Callable[[], datetime]) -> None:
        self._read = read
        self._now = now
        self._reading = Reading[T](value=None, failure=None, failed_at=None)
        self._task: asyncio.Task[None] | None = None
        self._begun_at = self._ended_at = float("-inf")
        self._took_s = 0.0
        self._wanted = self._known = 0

    def expire(self) -> None:
        """Ends the value: the next `get` waits for a reading that begins after this."""
        self._wanted += 1

    async def get(self) -> Reading[T]:
        """Returns the value, at once if it is new enough; starts the next reading if it is due."""
        wanted = self._wanted
        while self._known < wanted or not self._is_servable():
            ended_at = self._ended_at
            await asyncio.shield(self._start())
            if self._reading.failure is not None and self._ended_at > ended_at:
                return self._reading
        if self._reading.failure is None and self._age_s() > self._bound(_FRESH_S):
            self._start()
        return self._reading

    async def close(self) -> None:
        """Ends a reading in progress."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    def _age_s(self) -> float:
        return asyncio.get_running_loop().time() - self._begun_at

    def _is_servable(self) -> bool:
        if self._reading.failure is not None:
            return asyncio.get_running_loop().time() - self._ended_at < _RETRY_S
        return self._age_s() <= self._bound(_SERVABLE_S)

    def _bound(self, limits: tuple[float, float]) -> float:
        low, high = limits
        return min(low * max(self._took_s * _READ_SHARE, 1), high)

    def _start(self) -> "asyncio.Task[None]":
        if self._task is None or self._task.done():
            # An empty context: a reading does not inherit the deadline of a request.
            self._task = asyncio.create_task(self._run(), name="overview", context=Context())
        return self._task

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        wanted, begun_at = self._wanted, loop.time()
        try:
            value = await self._read()
            self._reading = Reading(value=value, failure=None, failed_at=None)
            self._begun_at, self._took_s = begun_at, loop.time() - begun_at
        except ChesscoachError as error:
            since = self._reading.failed_at or self._now()
            self._reading = Reading(value=self._reading.value, failure=str(error), failed_at=since)
        self._known, self._ended_at = wanted, loop.time()
