"""What every transport has in common: the message that it gets, and the result that it returns."""

from types import TracebackType
from typing import Literal, Protocol, Self

from msgspec import Struct


class Message(Struct, frozen=True, kw_only=True):
    """A rendered email; `outbox_id` is its identity, also at the provider.

    `headers` are those beside From, To and Subject. Only the bodies have line breaks.
    """

    outbox_id: str
    to: str
    subject: str
    text: str
    html: str
    headers: dict[str, str] = {}


class SendResult(Struct, frozen=True, kw_only=True):
    """The result of one attempt to send an email.

    - accepted: the provider has it, under `message_id`
    - sandboxed: the provider checked it and dropped it (sandbox mode)
    - refused: the provider will never accept this email; `isolated` if the cause is this email
      alone, such as its address
    - throttled: not accepted; try again after `wait_s` seconds
    - not_sent: no byte of it has left this process
    - stopped: not accepted, and no other email will be: bad key, unknown sender, no credits
    - unknown: it may have been accepted

    `reason` is for operators: it quotes no address and no key.
    """

    verdict: Literal[
        "accepted", "sandboxed", "refused", "throttled", "not_sent", "stopped", "unknown"
    ]
    reason: str = ""
    isolated: bool = False
    message_id: str | None = None
    wait_s: float = 0.0


class Transport(Protocol):
    """A way to send emails, entered while it is used."""

    @property
    def repeatable(self) -> bool:
        """Whether sending the same email twice has the same effect as once.

        If not, an email whose result is unknown must not be sent again blindly.
        """

    @property
    def in_flight(self) -> int:
        """How many emails it sends at a time."""

    async def __aenter__(self) -> Self:
        """Open what it needs."""

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""

    async def send(self, message: Message) -> SendResult:
        """Try once to send an email; a failure is a verdict, not an exception."""

    def describe(self) -> str:
        """Name the destination of emails for operators, without credentials."""
