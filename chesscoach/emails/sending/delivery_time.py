"""When a player's weekly email is due, and until when it is still sent."""

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from chesscoach.schedules.iso_week import Week

RESENDS = 1
"""How often an email without any event is sent again."""


def local_time(deliver_at: str) -> time | None:
    """Parse `local 09:00`; None means the schedule's own time."""
    return time.fromisoformat(deliver_at.removeprefix("local ")) if deliver_at else None


def is_due(now: datetime, zone: ZoneInfo, at: time, late_s: float) -> bool:
    """Whether it is past that time of Monday in a zone, but not by more than `late_s`."""
    monday = Week.containing(now.astimezone(zone).date()).monday
    due = datetime.combine(monday, at, zone).astimezone(UTC)
    return due <= now <= due + timedelta(seconds=late_s)


def zones_due(now: datetime, names: Iterable[str], at: time, late_s: float) -> list[str]:
    """The time zones in which an email is due."""
    return sorted(name for name in names if is_due(now, ZoneInfo(name), at, late_s))


def zone_of(name: str | None, default: ZoneInfo) -> ZoneInfo:
    """A user's own zone; the default if it is missing or invalid."""
    try:
        return ZoneInfo(name) if name else default
    except (KeyError, ValueError, OSError):
        return default
