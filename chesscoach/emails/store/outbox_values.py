"""The values of the outbox: a new email, an entry, a claim and the result of an attempt."""

from datetime import datetime
from typing import Any, Literal, get_args

from msgspec import Struct

from chesscoach.emails.recipient import EmailKind
from chesscoach.emails.store.week_game_parser import non_negative_int
from chesscoach.emails.transports.transport import Message
from chesscoach.mongo.client import Document
from chesscoach.mongo.values import is_text
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

    A value of a wrong type counts as missing, and an unknown state as `failed`. A claim of such an
    entry may not match its document. Then it is not granted.
    """
    state = _text(document, "state")
    return OutboxEntry(
        id=document["_id"],
        user_id=_text(document, "user_id") or "",
        kind=_text(document, "kind") or "",
        week=_text(document, "week") or "",
        state=state if state in STATES else "failed",
        reason=_text(document, "reason"),
        attempts=non_negative_int(document.get("attempts")) or 0,
        resends=non_negative_int(document.get("resends")) or 0,
        lease=_text(document, "lease"),
        fence=non_negative_int(document.get("fence")) or 0,
        claim=_text(document, "claim"),
        created_at=_instant(document, "created_at"),
        claimed_at=_instant(document, "claimed_at"),
        until=_instant(document, "until"),
        finished_at=_instant(document, "finished_at"),
        message_id=_text(document, "message_id"),
        frozen=document.get("frozen") is True,
    )


def _text(document: Document, name: str) -> str | None:
    value = document.get(name)
    return value if is_text(value) else None


def _instant(document: Document, name: str) -> datetime | None:
    value = document.get(name)
    return value if isinstance(value, datetime) else None
