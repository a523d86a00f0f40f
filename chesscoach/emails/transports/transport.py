"""What every way out for mail has in common."""

from types import TracebackType
from typing import Protocol, Self

from chesscoach.emails.weekly.values import Message, SendResult


class Transport(Protocol):
    """A way out for mail, entered while it is used.

    `repeatable` says whether handing the same mail over twice is as good as once; if not, a mail
    whose fate is unknown must not be handed over again blindly. `in_flight` is how many mails it
    takes at a time.
    """

    @property
    def repeatable(self) -> bool:
        """Whether a second time does no harm."""

    @property
    def in_flight(self) -> int:
        """How many at a time."""

    async def __aenter__(self) -> Self:
        """Opens what it needs."""

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes it."""

    async def send(self, message: Message) -> SendResult:
        """Hands a mail over, once; whatever goes wrong is told by the verdict, not raised."""

    def describe(self) -> str:
        """Where mail goes, for people; no credentials."""
