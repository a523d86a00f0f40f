"""Emails and suppressed addresses: what is in the outbox, in which state, and who gets no email."""

from datetime import datetime

from msgspec import Struct
from msgspec.structs import asdict

from chesscoach.emails.sending.preview import build_preview
from chesscoach.emails.store.outbox_values import OutboxEntry, State
from chesscoach.emails.store.suppressions import normalize_address
from chesscoach.emails.suppression import Suppression
from chesscoach.errors import NotFound
from chesscoach.jobs.week_extras import extras_reader
from chesscoach.web.operations.admin import Admin
from chesscoach.web.problems import invalid

COUNTED = 100_000
"""Emails in a state are counted up to here."""


class EmailView(Struct, frozen=True, kw_only=True):
    """An email of the outbox, without its text and its address."""

    id: str
    kind: str
    user_id: str
    week: str
    state: State
    reason: str | None
    attempts: int
    resends: int
    created_at: datetime | None
    claimed_at: datetime | None
    finished_at: datetime | None
    message_id: str | None


class EmailPage(Struct, frozen=True, kw_only=True):
    """Emails, the newest week first; `next` is the cursor of the page after it.

    `states` has the number of all emails in each state, counted up to 100,000.
    """

    emails: list[EmailView]
    states: dict[State, int]
    next: str | None


class EmailFilter(Struct, frozen=True, kw_only=True):
    """Which emails are wanted; None is any."""

    state: State | None = None
    week: str | None = None
    user_id: str | None = None


class SuppressionList(Struct, frozen=True, kw_only=True):
    """Suppressed addresses, the newest first, and about how many there are in all."""

    suppressions: list[Suppression]
    count: int


class EmailPreviewView(Struct, frozen=True, kw_only=True):
    """An email as a run would compose it now; `notes` say why a run would not send it."""

    user_id: str
    week: str
    timezone: str
    subject: str
    html: str
    text: str
    notes: tuple[str, ...]


async def list_emails(
    admin: Admin, wanted: EmailFilter, limit: int = 50, cursor: str | None = None
) -> EmailPage:
    """A page of emails.

    Raises:
        Problem: the cursor is not one of ours.
    """
    outbox = admin.ctx.emails.outbox
    after = _parse_cursor(cursor) if cursor else None
    entries, more = await outbox.page(asdict(wanted), limit, after)
    return EmailPage(
        emails=[_email_view(admin, entry) for entry in entries],
        states=await outbox.count_states(COUNTED),
        next=f"{entries[-1].week} {entries[-1].id}" if more and entries else None,
    )


async def show_email(admin: Admin, email_id: str) -> EmailView:
    """One email.

    Raises:
        NotFound: there is no such email.
    """
    entry = (await admin.ctx.emails.outbox.find_many([email_id])).get(email_id)
    if entry is None:
        msg = f"email {email_id[:200]!r} does not exist"
        raise NotFound(msg)
    return _email_view(admin, entry)


async def list_suppressions(admin: Admin, limit: int = 50) -> SuppressionList:
    """The newest suppressions."""
    suppressions = admin.ctx.emails.suppressions
    return SuppressionList(
        suppressions=await suppressions.list_newest(limit), count=await suppressions.count()
    )


async def show_suppression(admin: Admin, address: str) -> Suppression:
    """The suppression of an address.

    Raises:
        NotFound: the address is not suppressed.
    """
    found = await admin.ctx.emails.suppressions.find(address)
    if found is None:
        msg = f"{normalize_address(address)[:200]!r} is not suppressed"
        raise NotFound(msg)
    return found


async def preview_email(admin: Admin, user_id: str, week: str | None = None) -> EmailPreviewView:
    """A player's weekly email as a run would compose it now.

    Raises:
        NotFound: the user does not exist.
        ConfigError: the week cannot be used.
    """
    extras = extras_reader(admin.ctx)
    preview = await build_preview(admin.ctx.emails, user_id, week, extras=extras)
    return EmailPreviewView(
        user_id=user_id,
        week=preview.due.week.key,
        timezone=preview.due.zone.key,
        subject=preview.message.subject,
        html=preview.message.html,
        text=preview.message.text,
        notes=preview.notes,
    )


def _email_view(admin: Admin, entry: OutboxEntry) -> EmailView:
    return EmailView(
        id=entry.id,
        kind=entry.kind,
        user_id=entry.user_id,
        week=entry.week,
        state=entry.state,
        reason=admin.scrub(entry.reason) if entry.reason else None,
        attempts=entry.attempts,
        resends=entry.resends,
        created_at=entry.created_at,
        claimed_at=entry.claimed_at,
        finished_at=entry.finished_at,
        message_id=entry.message_id,
    )


def _parse_cursor(text: str) -> tuple[str, str]:
    week, _, email_id = text.partition(" ")
    if not email_id:
        raise invalid("cursor", "not a cursor that an earlier page has given")
    return week, email_id
