"""The rows of the outbox as values: what is owed, how it stands, one attempt and its end."""

from datetime import datetime
from typing import Any, Literal, get_args

from msgspec import Struct

from chesscoach.emails.recipient import EmailKind
from chesscoach.emails.transports.transport import Message
from chesscoach.mongo.client import Document
from chesscoach.schedules.iso_week import Week

State = Literal["pending", "sending", "sent", "skipped", "failed", "unknown"]
STATES: tuple[State, ...] = get_args(State)
OPEN_STATES: tuple[State, ...] = ("pending", "sending", "unknown")


def outbox_id(kind: EmailKind, user_id: str, week: Week) -> str:
    """The name of the one mail of a kind that a user is owed for a week."""
    return f"{kind}:{user_id}:{week.key}"


class NewEmail(Struct, frozen=True, kw_only=True):
    """A mail to be put into the outbox."""

    kind: EmailKind
    user_id: str
    week: Week

    @property
    def id(self) -> str:
        """Its name."""
        return outbox_id(self.kind, self.user_id, self.week)


class OutboxEntry(Struct, frozen=True, kw_only=True):
    """A row without its letter; `frozen` tells that it has one.

    `until` is when an attempt must have ended, on the clock of whoever made it.
    """

    id: str
    user_id: str
    kind: str
    week: str
    state: State
    reason: str | None
    attempts: int
    resends: int
    lease: str | None
    fence: int
    claim: str | None
    created_at: datetime | None
    claimed_at: datetime | None
    until: datetime | None
    finished_at: datetime | None
    message_id: str | None
    frozen: bool


class EmailClaim(Struct, frozen=True, kw_only=True):
    """An attempt to be begun: the row as it was read, a new token, and the letter to be frozen."""

    entry: OutboxEntry
    token: str
    lease: str | None
    fence: int
    at: datetime
    until: datetime
    message: Message


class AttemptResult(Struct, frozen=True, kw_only=True):
    """How an attempt ended; `token` is that of its claim."""

    id: str
    token: str
    state: State
    at: datetime
    reason: str | None = None
    message_id: str | None = None


def new_value(owed: NewEmail, now: datetime) -> OutboxEntry:
    """The row of a mail that has just been put into the outbox."""
    return from_document(new_document(owed, now))


def new_document(owed: NewEmail, now: datetime) -> Document:
    """The document of such a mail."""
    return {
        "_id": owed.id,
        "kind": owed.kind,
        "user_id": owed.user_id,
        "week": owed.week.key,
        "state": "pending",
        "reason": None,
        "attempts": 0,
        "resends": 0,
        "fence": 0,
        "claim": None,
        "created_at": now,
        "finished_at": None,
    }


def from_document(row: dict[str, Any]) -> OutboxEntry:
    """A row as it was read."""
    return OutboxEntry(
        id=row["_id"],
        user_id=row["user_id"],
        kind=row["kind"],
        week=row["week"],
        state=row["state"],
        reason=row.get("reason"),
        attempts=row.get("attempts", 0),
        resends=row.get("resends", 0),
        lease=row.get("lease"),
        fence=row.get("fence", 0),
        claim=row.get("claim"),
        created_at=row.get("created_at"),
        claimed_at=row.get("claimed_at"),
        until=row.get("until"),
        finished_at=row.get("finished_at"),
        message_id=row.get("message_id"),
        frozen=row.get("frozen", False),
    )
