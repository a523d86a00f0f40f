"""How long run records are kept."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from chesscoach.schedules.schedule import Schedule


def runs_before(now: datetime, keep_days: int, schedules: Iterable[Schedule]) -> datetime:
    """Returns the instant before which run records can be deleted: no late slot needs them."""
    kept = timedelta(days=keep_days)
    graces = (timedelta(seconds=schedule.misfire_grace_s or 0) for schedule in schedules)
    return now - max(kept, *graces, timedelta())
