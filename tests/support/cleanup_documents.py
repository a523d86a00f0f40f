"""Rows for the cleanup, a collection of each kind: what they need besides the instant."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

from msgspec import Struct

from chesscoach.config import CleanupSettings

DAY, MS, US = timedelta(days=1), timedelta(milliseconds=1), timedelta(microseconds=1)
LIMITS = CleanupSettings()


def queue_item(**fields: Any) -> dict[str, Any]:
    """An item of the queue; its name is unique there."""
    return {"queue_id": uuid4().hex, **fields}


class RuleCase(Struct, frozen=True, kw_only=True):
    """A rule for a test: its collection, its field, other fields, its limit before now.

    `inclusive`: a document at the limit has expired.
    """

    rule: str
    collection: str
    field: str
    others: Mapping[str, Any]
    age: timedelta
    inclusive: bool = False

    def document(self, value: object) -> dict[str, Any]:
        """A document with a value in the rule's field."""
        named = queue_item() if self.rule == "queue" else {}
        return {**named, **self.others, self.field: value}


RULE_CASES = {
    kind.rule + kind.others.get("status", ""): kind
    for kind in (
        RuleCase(
            rule="sessions",
            collection="user_sessions",
            field="expires_at",
            others={},
            age=timedelta(),
            inclusive=True,
        ),
        RuleCase(
            rule="notifications",
            collection="notifications",
            field="created_at",
            others={"read": True},
            age=LIMITS.read_notifications_days * DAY,
        ),
        RuleCase(
            rule="queue",
            collection="analysis_queue",
            field="created_at",
            others={"status": "pending", "started_at": None},
            age=timedelta(hours=LIMITS.queue_hours),
        ),
        RuleCase(
            rule="queue",
            collection="analysis_queue",
            field="started_at",
            others={"status": "processing", "created_at": "2020-01-01T00:00:00Z"},
            age=timedelta(hours=LIMITS.queue_hours),
        ),
        RuleCase(
            rule="outbox",
            collection="email_outbox",
            field="finished_at",
            others={"state": "sent"},
            age=LIMITS.keep_outbox_days * DAY,
        ),
    )
}

TimestampFormat = Callable[[datetime], object]


def _strftime_format(form: str, hours: float = 0) -> TimestampFormat:
    """An instant in a form of strftime, in a zone so many hours east."""
    zone = timezone(timedelta(hours=hours))
    return lambda at: at.astimezone(zone).strftime(form)


def _iso_format(hours: float, timespec: str) -> TimestampFormat:
    return lambda at: at.astimezone(timezone(timedelta(hours=hours))).isoformat(timespec=timespec)


TIMESTAMP_FORMATS: dict[str, TimestampFormat] = {
    "date": lambda at: at,
    "utc": _iso_format(0, "microseconds"),
    "milliseconds": _iso_format(0, "milliseconds"),
    "z": _strftime_format("%Y-%m-%dT%H:%M:%S.%fZ"),
    "lower z": _strftime_format("%Y-%m-%dT%H:%M:%S.%fz"),
    "naive": _strftime_format("%Y-%m-%dT%H:%M:%S.%f"),
    "space": _strftime_format("%Y-%m-%d %H:%M:%S.%f"),
    "comma": _strftime_format("%Y-%m-%dT%H:%M:%S,%fZ"),
    "blanks": _strftime_format("  %Y-%m-%dT%H:%M:%S.%fZ\n"),
    "east": _iso_format(5.5, "microseconds"),
    "far east": _iso_format(14, "microseconds"),
    "west": _iso_format(-11, "microseconds"),
    "no colon": _strftime_format("%Y-%m-%dT%H:%M:%S.%f%z", 2),
    "nanoseconds": _strftime_format("%Y-%m-%dT%H:%M:%S.%f000Z"),
}
"""Ways to write an instant; with the distances below, forty of each kind and more."""

INVALID_TIMESTAMPS: tuple[object, ...] = (
    None, 0, 1795223179, 1795223179.5, True, "", "soon", "20261121", "@1795223179",
    "2020-01-01", "2020-W01-1T00:00:00", "2020-13-01T00:00:00Z", "2021-02-29T00:00:00Z",
    "2999-02-30T00:00:00Z", "1795223179", [], ["2020-01-01T00:00:00Z"],
    [datetime(2020, 1, 1, tzinfo=UTC)], {"$date": 1}, b"2020-01-01T00:00:00Z",
)  # fmt: skip
