"""The rules: whose rows are over, by which instant, and what must not have changed meanwhile."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from chesscoach.cleanup.store import filters
from chesscoach.config import CleanupSettings
from chesscoach.mongo import timestamps
from chesscoach.mongo.client import Document

_DAY_PATTERN = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def _no_conditions(row: Document) -> Document:
    return {}


class Rule(Struct, frozen=True, kw_only=True):
    """One kind of rows and their end.

    `match` is what the database selects beforehand, too much rather than too little. `by` names the
    field that a row is judged by, `instant` reads it: None if it holds none; such a row is a stray
    and stays. A row is over before `cutoff` (with `inclusive` at it, too), to the microsecond for
    texts and to the millisecond for dates, which hold no more. `holds` are the other fields that
    the judgement rests on, as they are.

    `repairs` is a field in which a text is to become a date, since a TTL index passes texts over.
    `again` is a field that counts how often a row was put back; `secret` says that ids may be such.
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
        """Whether a row of that instant is over."""
        return at < self.cutoff or (self.inclusive and at == self.cutoff)


def sessions(now: datetime) -> Rule:
    """Sessions that have expired: `expires_at` is now or before, as a TTL index has it."""
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
    """Notifications that were read, and made more than so many days ago."""
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
    """Items that have waited, or been worked, for more than so many hours.

    One that is `processing` counts from its `started_at`, where it has one.
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
        by=lambda row: "started_at" if _is_started(row) else "created_at",
        conditions=_item_conditions,
        cutoff=cutoff,
        requeues_as="requeued" if limits.requeue_stale else None,
    )


def runs(before: datetime, keep: Sequence[str]) -> Rule:
    """Records of runs that began and ended before an instant, but those of `keep`."""
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
    """Mails that came to their end more than so many days ago; what is still owed stays."""
    cutoff = now - timedelta(days=limits.keep_outbox_days)
    final = {"$in": ["sent", "skipped", "failed"]}
    return Rule(
        name="outbox",
        collection="email_outbox",
        match=filters.instants("finished_at", cutoff, state=final),
        fields=("state", "finished_at"),
        by=lambda _: "finished_at",
        conditions=lambda row: {"state": row["state"]},
        cutoff=cutoff,
    )


def snapshots(now: datetime, limits: CleanupSettings) -> Rule:
    """Daily snapshots of days before the UTC day that was so many days ago."""
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
    """What else an item's judgement rests on: that it has no beginning, where it has none."""
    undated = item["status"] == "processing" and not _is_started(item)
    return {"status": item["status"], **({"started_at": None} if undated else {})}


def _parse_day(value: object) -> datetime | None:
    """The midnight, in UTC, of a day as it is written."""
    if not isinstance(value, str) or not _DAY_PATTERN.fullmatch(value):
        return None
    try:
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    except ValueError:
        return None
