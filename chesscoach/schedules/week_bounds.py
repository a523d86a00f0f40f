"""The last closed week in a zone, and its first and last instant."""

from datetime import datetime
from zoneinfo import ZoneInfo

from chesscoach.schedules.iso_week import Week


def last_closed_week(now: datetime, zone: ZoneInfo) -> Week:
    """Returns the last week that has ended in a zone: from Monday 0:00 on, the week before."""
    return Week.containing(now.astimezone(zone).date()).before


def week_bounds(week: Week, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Returns the instants, in UTC, at which a week begins and ends in a zone."""
    return week.start_in(zone), week.after.start_in(zone)
