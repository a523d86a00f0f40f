"""Alerts: their kinds, what is known of a cause, and the message that receivers get."""

from datetime import datetime
from typing import Literal, get_args

from msgspec import Struct

Kind = Literal[
    "success_rate",
    "duration",
    "overdue",
    "missed",
    "unknown_emails",
    "breaker_open",
    "ratio_429",
    "invalid_timestamps",
    "test",  # sent by `chesscoach alerts test` alone
]
KINDS: tuple[Kind, ...] = tuple(kind for kind in get_args(Kind) if kind != "test")
"""The kinds that are watched."""

State = Literal["firing", "resolved"]


class Condition(Struct, frozen=True, kw_only=True):
    """What is known of a possible cause: whether it is `firing` now, and a sentence for people.

    `subject` tells the causes of a kind apart: a schedule, a job or a source.
    """

    kind: Kind
    subject: str
    firing: bool
    summary: str
    job: str | None = None
    run_id: str | None = None

    @property
    def cause(self) -> str:
        """The key of the cause."""
        return f"{self.kind}:{self.subject}"


class Message(Struct, frozen=True, kw_only=True):
    """One message, as a webhook's body has it; a repetition has the same `id`.

    `cause` is the same in the message that fires and in the one that resolves.
    """

    id: str
    kind: Kind
    state: State
    job: str | None
    run_id: str | None
    summary: str
    at: datetime
    cause: str
