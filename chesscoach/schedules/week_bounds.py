"""Weeks on the clock: which one is closed, and from when to when it was."""

from datetime import datetime
from zoneinfo import ZoneInfo

from chesscoach.schedules.iso_week import Week


def last_closed_week(now: datetime, zone: ZoneInfo) -> Week:
    """The last week that is over in a zone: from Monday 0:00 on it is the one before."""
    return Week.containing(now.astimezone(zone).date()).before


def week_bounds(week: Week, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The instants at which a week begins and ends in a zone, in UTC; the end is not in it."""
    return week.start_in(zone), week.after.start_in(zone)
