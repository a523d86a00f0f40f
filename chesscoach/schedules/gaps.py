"""The longest time between two slots of a schedule."""

from datetime import datetime, timedelta
from itertools import pairwise

from chesscoach.schedules import slots
from chesscoach.schedules.schedule import Schedule

_MAX_NEAR_SLOTS = 64
_SEARCH_WINDOW = timedelta(days=370)
_WEEK_AND_A_DAY = timedelta(days=8)
_HOUR = timedelta(hours=1)


def longest_gap(schedule: Schedule, instant: datetime) -> timedelta | None:
    """Returns the longest gap between slots after an instant; None if there are not two.

    It looks at the next 64 slots, at most a year of them. If those do not fill a week, it looks at
    every hour of that week, so that nights and weekends without slots count. It does not see a gap
    of less than an hour in a later hour.
    """
    if schedule.every is not None:
        return schedule.every.period
    near: list[datetime] = []
    for slot in slots.slots_after("", schedule, instant):
        near.append(slot.at)
        if len(near) == _MAX_NEAR_SLOTS or (len(near) > 1 and slot.at - instant > _SEARCH_WINDOW):
            break
    longest = max((later - earlier for earlier, later in pairwise(near)), default=None)
    if longest is None:
        return None
    probe = near[-1]
    while probe < near[0] + _WEEK_AND_A_DAY:
        following = next(slots.slots_after("", schedule, probe), None)
        if following is None:
            break
        if following.at - probe > longest:
            longest = max(longest, _gap_at(schedule, probe))
        probe += _HOUR
    return longest


def _gap_at(schedule: Schedule, instant: datetime) -> timedelta:
    """Returns the gap that contains an instant, if a slot is in the hour before it."""
    before = instant
    for slot in slots.slots_after("", schedule, instant - _HOUR):
        if slot.at > instant:
            return slot.at - before
        before = slot.at
    return timedelta(0)
