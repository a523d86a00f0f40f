"""The values of the outbox: a new email, an entry, a claim and the result of an attempt."""

from datetime import datetime
from typing import Any, Literal, get_args

import msgspec
from msgspec import Struct

from chesscoach.emails.recipient import EmailKind
from chesscoach.emails.transports.transport import Message
from chesscoach.mongo.client import Document
from chesscoach.schedules.iso_week import Week

State = Literal["pending", "sending", "sent", "skipped", "failed", "unknown"]
STATES: tuple[State, ...] = get_args(State)
OPEN_STATES: tuple[State, ...] = ("pending", "sending", "unknown")


def outbox_id(kind: EmailKind, user_id: str, week: Week) -> str:
    """The id of a user's email of a kind for a week."""
    return f"{kind}:{user_id}:{week.key}"


class NewEmail(Struct, frozen=True, kw_only=True):
    """An email to insert into the outbox."""

    kind: EmailKind
    user_id: str
    week: Week

    @property
    def id(self) -> str:
        """Its id."""
        return outbox_id(self.kind, self.user_id, self.week)


class OutboxEntry(Struct, frozen=True, kw_only=True):
    """A document of the outbox without its message; `frozen`: whether it has one.

    `until` is the end of an attempt at the latest, by the clock of its process.
    """

    id: str
    user_id: str
    kind: str
    week: str
    state: State
    reason: str | None = None
    attempts: int = 0
    resends: int = 0
    lease: str | None = None
    fence: int = 0
    claim: str | None = None
    created_at: datetime | None = None
    claimed_at: datetime | None = None
    until: datetime | None = None
    finished_at: datetime | None = None
    message_id: str | None = None
    frozen: bool = False


class EmailClaim(Struct, frozen=True, kw_only=True):
    """A claim of an attempt: the entry as it was read, a new token, and the message to freeze."""

    entry: OutboxEntry
    token: str
    lease: str | None
    fence: int
    at: datetime
    until: datetime
    message: Message


class AttemptResult(Struct, frozen=True, kw_only=True):
    """The result of an attempt; `token` is that of its claim."""

    id: str
    token: str
    state: State
    at: datetime
    reason: str | None = None
    message_id: str | None = None


def new_value(email: NewEmail, now: datetime) -> OutboxEntry:
    """The entry of an email that has just been inserted."""
    return from_document(new_document(email, now))


def new_document(email: NewEmail, now: datetime) -> Document:
    """The document of a new email."""
    return {
        "_id": email.id,
        "kind": email.kind,
        "user_id": email.user_id,
        "week": email.week.key,
        "state": "pending",
        "reason": None,
        "attempts": 0,
        "resends": 0,
        "fence": 0,
        "claim": None,
        "created_at": now,
        "finished_at": None,
    }


def from_document(document: dict[str, Any]) -> OutboxEntry:
    """Convert a document to an entry.

    Raises:
        msgspec.ValidationError: a field has a value of a wrong type.
    """
    return msgspec.convert({**document, "id": document["_id"]}, OutboxEntry)
