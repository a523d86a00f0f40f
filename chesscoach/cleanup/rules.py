"""The rules: which documents expire, by which instant, and which fields must not have changed."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from chesscoach.cleanup.store import filters
from chesscoach.config import CleanupSettings
from chesscoach.mongo import timestamps
from chesscoach.mongo.client import Document

_DAY_PATTERN = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def _no_conditions(document: Document) -> Document:
    return {}


class Rule(Struct, frozen=True, kw_only=True):
    """Which documents of a collection expire, and when.

    `match` is the database's filter, which may select too much but never too little. `by` names the
    field that decides about a document, and `instant` reads it. A document without an instant stays
    and is counted. A document expires before `cutoff` (if `inclusive`, also at it), to the
    microsecond for texts and to the millisecond for dates, which hold no more. `conditions` are the
    other fields that must not have changed.

    `repairs` is a field in which a text should be a date, since a TTL index skips texts.
    `requeues_as` is a field that counts how often a document was put back. `secret`: ids may be
    secrets.
    """

    name: str
    collection: str
    match: Document
    fields: tuple[str, ...]
    by: Callable[[Document], str]
    cutoff: datetime
    instant: Callable[[object], datetime | None] = timestamps.parse_instant
    conditions: Callable[[Document], Document] = _no_conditions
    inclusive: bool = False
    repairs: str | None = None
    requeues_as: str | None = None
    secret: bool = False

    def is_expired(self, at: datetime) -> bool:
        """Whether a document of that instant has expired."""
        return at < self.cutoff or (self.inclusive and at == self.cutoff)


def sessions(now: datetime) -> Rule:
    """Sessions whose `expires_at` is now or before, as a TTL index deletes them."""
    return Rule(
        name="sessions",
        collection="user_sessions",
        match=filters.instants("expires_at", now),
        fields=("expires_at",),
        by=lambda _: "expires_at",
        cutoff=now,
        inclusive=True,
        repairs="expires_at",
        secret=True,
    )


def notifications(now: datetime, limits: CleanupSettings) -> Rule:
    """Notifications that were read, and added more than `read_notifications_days` ago."""
    cutoff = now - timedelta(days=limits.read_notifications_days)
    return Rule(
        name="notifications",
        collection="notifications",
        match=filters.instants("created_at", cutoff, read=True),
        fields=("created_at",),
        by=lambda _: "created_at",
        conditions=lambda _: {"read": True},
        cutoff=cutoff,
    )


def queue(now: datetime, limits: CleanupSettings) -> Rule:
    """Items that have been pending or processing for more than `queue_hours`.

    The age of a `processing` item counts from its `started_at`, if it has one.
    """
    cutoff = now - timedelta(hours=limits.queue_hours)
    waiting = filters.instants("created_at", cutoff, status="pending")
    begun = filters.instants("started_at", cutoff, status="processing")
    undated = filters.instants("created_at", cutoff, status="processing", started_at=None)
    return Rule(
        name="queue",
        collection="analysis_queue",
        match={"$or": [*waiting["$or"], *begun["$or"], *undated["$or"]]},
        fields=("status", "created_at", "started_at", "requeued"),
        by=lambda item: "started_at" if _is_started(item) else "created_at",
        conditions=_item_conditions,
        cutoff=cutoff,
        requeues_as="requeued" if limits.requeue_stale else None,
    )


def runs(before: datetime, keep: Sequence[str]) -> Rule:
    """Records of runs that began and ended before an instant, except those in `keep`."""
    early = {"$lt": before}
    return Rule(
        name="runs",
        collection="job_runs",
        match={"started_at": early, "finished_at": early, "_id": {"$nin": list(keep)}},
        fields=("finished_at",),
        by=lambda _: "finished_at",
        cutoff=before,
    )


def outbox(now: datetime, limits: CleanupSettings) -> Rule:
    """Emails that were finished more than `keep_outbox_days` ago; open ones stay."""
    cutoff = now - timedelta(days=limits.keep_outbox_days)
    final = {"$in": ["sent", "skipped", "failed"]}
    return Rule(
        name="outbox",
        collection="email_outbox",
        match=filters.instants("finished_at", cutoff, state=final),
        fields=("state", "finished_at"),
        by=lambda _: "finished_at",
        conditions=lambda email: {"state": email["state"]},
        cutoff=cutoff,
    )


def snapshots(now: datetime, limits: CleanupSettings) -> Rule:
    """Daily snapshots of days before the UTC day `keep_snapshots_days` ago."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    cutoff = today - timedelta(days=limits.keep_snapshots_days)
    return Rule(
        name="snapshots",
        collection="performance_snapshots",
        match=filters.days("local_date", cutoff),
        fields=("local_date",),
        by=lambda _: "local_date",
        instant=_parse_day,
        cutoff=cutoff,
    )


def _is_started(item: Document) -> bool:
    return item["status"] == "processing" and item.get("started_at") is not None


def _item_conditions(item: Document) -> Document:
    """The fields that must not change: its status, and that it has no `started_at` if so."""
    undated = item["status"] == "processing" and not _is_started(item)
    return {"status": item["status"], **({"started_at": None} if undated else {})}


def _parse_day(value: object) -> datetime | None:
    """The midnight, in UTC, of a day in the form `YYYY-MM-DD`; else None."""
    if not isinstance(value, str) or not _DAY_PATTERN.fullmatch(value):
        return None
    try:
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    except ValueError:
        return None
