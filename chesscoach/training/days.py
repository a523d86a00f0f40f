"""Local days of a player: windows of them, and which day an instant is in.

A day has 23 or 25 hours when the clocks change. So an instant is put on the calendar, and no day is
calculated as 24 hours.
"""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)


def first_of(days: int, last: date) -> date:
    """The first of `days` consecutive local days that end with `last`."""
    return last - (days - 1) * DAY


def start_of(day: date, zone: ZoneInfo) -> datetime:
    """The instant, in UTC, at which a day begins in a zone."""
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def local_day(at: datetime, zone: ZoneInfo) -> date:
    """The local date of an instant."""
    return at.astimezone(zone).date()
