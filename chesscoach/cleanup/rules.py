"""The rules: which documents expire, by which instants, and which fields must not have changed."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from msgspec import Struct, field

from chesscoach.cleanup.store import filters
from chesscoach.config import CleanupSettings
from chesscoach.mongo import timestamps
from chesscoach.mongo.client import Document
from chesscoach.mongo.values import is_text

_WAITING_STATUSES = ("pending", "processing")
_FINAL_STATES = ("sent", "skipped", "failed")
_DAY_PATTERN = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


class Rule(Struct, frozen=True, kw_only=True):
    """Which documents of a collection expire, and when.

    `match` is the database's filter, which may select too much but never too little. The newest
    instant in `dates` decides about a document, and `parse` reads it. A document whose instants
    cannot be read stays and is counted. A document expires before `cutoff` (if `inclusive`, also at
    it), to the microsecond for texts and to the millisecond for dates, which hold no more.
    `conditions` maps other fields to the values that the rule is for: any other value, such as an
    array that has one of them, is invalid as well.

    `repairs` is a field in which a text should be a date, since a TTL index skips texts.
    `requeues_as` is a field that counts how often a document was put back. `is_ours` says whose a
    document is, where that is counted. `secret`: ids may be secrets.
    """

    name: str
    collection: str
    match: Document
    dates: tuple[str, ...]
    cutoff: datetime
    parse: Callable[[object], datetime | None] = timestamps.parse_instant
    conditions: Mapping[str, tuple[object, ...]] = field(default_factory=dict)
    inclusive: bool = False
    repairs: str | None = None
    requeues_as: str | None = None
    is_ours: Callable[[Document], bool] | None = None
    secret: bool = False

    def newest_instant(self, document: Document) -> datetime | None:
        """The instant that decides about a document; None if the document is invalid.

        A value that cannot be read may be newer than all that can, unless one of these is new
        enough for the document to stay.
        """
        values = [value for name in self.dates if (value := document.get(name)) is not None]
        instants = [at for value in values if (at := self.parse(value)) is not None]
        newest = max(instants, default=None)
        if newest is not None and not self.is_expired(newest):
            return newest
        valid = len(instants) == len(values) and all(
            _is_one_of(document.get(name), allowed) for name, allowed in self.conditions.items()
        )
        return newest if valid else None

    def is_expired(self, at: datetime) -> bool:
        """Whether a document of that instant has expired."""
        return at < self.cutoff or (self.inclusive and at == self.cutoff)


def _is_one_of(value: object, allowed: Sequence[object]) -> bool:
    return any(type(value) is type(other) and value == other for other in allowed)


def sessions(now: datetime) -> Rule:
    """Sessions whose `expires_at` is now or before, as a TTL index deletes them."""
    return Rule(
        name="sessions",
        collection="user_sessions",
        match=filters.instants("expires_at", now),
        dates=("expires_at",),
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
        dates=("created_at",),
        conditions={"read": (True,)},
        cutoff=cutoff,
    )


def queue(now: datetime, limits: CleanupSettings) -> Rule:
    """Items that are pending or processing, with nothing done to them for `queue_hours`.

    Few of the application's items have a `created_at`. When it analyses a game again, it changes
    only other instants of an old item.
    """
    cutoff = now - timedelta(hours=limits.queue_hours)
    queued = filters.instants("queued_at", cutoff)
    waiting = {"status": {"$in": list(_WAITING_STATUSES)}, "$and": [queued]}
    return Rule(
        name="queue",
        collection="analysis_queue",
        match=filters.instants("created_at", cutoff, **waiting),
        dates=("created_at", "queued_at", "started_at", "last_heartbeat", "last_reset_at"),
        conditions={"status": _WAITING_STATUSES},
        cutoff=cutoff,
        requeues_as="requeued" if limits.requeue_stale else None,
        is_ours=_is_our_item,
    )


def runs(before: datetime, keep: Sequence[str]) -> Rule:
    """Records of runs that began and ended before an instant, except those in `keep`."""
    early = {"$lt": before}
    return Rule(
        name="runs",
        collection="job_runs",
        match={"started_at": early, "finished_at": early, "_id": {"$nin": list(keep)}},
        dates=("finished_at",),
        cutoff=before,
    )


def outbox(now: datetime, limits: CleanupSettings) -> Rule:
    """Emails that were finished more than `keep_outbox_days` ago; open ones stay."""
    cutoff = now - timedelta(days=limits.keep_outbox_days)
    final = {"$in": list(_FINAL_STATES)}
    return Rule(
        name="outbox",
        collection="email_outbox",
        match=filters.instants("finished_at", cutoff, state=final),
        dates=("finished_at",),
        conditions={"state": _FINAL_STATES},
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
        dates=("local_date",),
        parse=_parse_day,
        cutoff=cutoff,
    )


def _is_our_item(item: Document) -> bool:
    """Whether the sync has queued an item: the application sets no `queue_id`."""
    return item.get("queue_id") is not None


def _parse_day(value: object) -> datetime | None:
    """The midnight, in UTC, of a day in the form `YYYY-MM-DD`; else None."""
    if not is_text(value) or not _DAY_PATTERN.fullmatch(value):
        return None
    try:
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    except ValueError:
        return None
