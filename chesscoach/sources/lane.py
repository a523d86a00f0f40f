"""What the client of a source needs of the lane of that source."""

from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Protocol


class Lane(Protocol):
    """The right to ask a source, one request at a time, shared by all processes.

    `pauses` and `closings` count how often in a row the source had to be left alone; `fence` grows
    with each holder.
    """

    pauses: int
    closings: int

    @property
    def fence(self) -> int:
        """The holder's number."""

    def acquire(self, holder: dict[str, Any]) -> AbstractAsyncContextManager[None]:
        """Takes the lane for a time; SourceUnavailable while the source is left alone."""

    def request_slot(self) -> AbstractAsyncContextManager[None]:
        """The time of one request."""

    async def pause(self, seconds: float) -> None:
        """Puts off the next turn."""

    async def open_breaker(self, seconds: float) -> datetime:
        """Ends all turns for so long; returns until when."""

    async def reset(self) -> None:
        """Forgets past pauses and closings."""

    async def consume(self, amount: int, limit: int) -> None:
        """Waits until `amount` fits into `limit` in any ten minutes."""
