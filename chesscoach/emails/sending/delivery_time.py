"""When a weekly mail is due to a player, and whether it is still worth sending."""

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from chesscoach.schedules.iso_week import Week

RESENDS = 1
"""A mail of which nothing was heard is sent again so often."""


def local_time(deliver_at: str) -> time | None:
    """The time of day that `local 09:00` names; None for the schedule's own."""
    return time.fromisoformat(deliver_at.removeprefix("local ")) if deliver_at else None


def is_due(now: datetime, zone: ZoneInfo, at: time, late_s: float) -> bool:
    """Whether it is past that time of Monday in a zone, but not by more than `late_s`."""
    monday = Week.containing(now.astimezone(zone).date()).monday
    due = datetime.combine(monday, at, zone).astimezone(UTC)
    return due <= now <= due + timedelta(seconds=late_s)


def zones_due(now: datetime, names: Iterable[str], at: time, late_s: float) -> list[str]:
    """The time zones in which it is due."""
    return sorted(name for name in names if is_due(now, ZoneInfo(name), at, late_s))


def zone_of(name: str | None, default: ZoneInfo) -> ZoneInfo:
    """A user's own zone; the default where he has none, or one that is none."""
    try:
        return ZoneInfo(name) if name else default
    except (KeyError, ValueError, OSError):
        return default
