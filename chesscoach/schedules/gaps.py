"""How long a schedule may leave its job alone: the longest time between two of its slots."""

from datetime import datetime, timedelta
from itertools import pairwise

from chesscoach.schedules import slots
from chesscoach.schedules.schedule import Schedule

_MAX_NEAR_SLOTS = 64
_SEARCH_WINDOW = timedelta(days=370)
_WEEK = timedelta(days=8)
_HOUR = timedelta(hours=1)


def longest_gap(schedule: Schedule, instant: datetime) -> timedelta | None:
    """The longest gap between slots after an instant; None where there are no two.

    Seen are the next 64 slots, or a year of them, and where those do not fill a week its every
    hour, so that nights and weekends that are left out count. A gap of less than an hour that only
    some later hour has is not seen.
    """
    if schedule.every is not None:
        return schedule.every.period
    near: list[datetime] = []
    for slot in slots.slots_after("", schedule, instant):
        near.append(slot.at)
        if len(near) == _MAX_NEAR_SLOTS or (len(near) > 1 and slot.at - instant > _SEARCH_WINDOW):
            break
    found = max((later - earlier for earlier, later in pairwise(near)), default=None)
    if found is None:
        return None
    probe = near[-1]
    while probe < near[0] + _WEEK:
        following = next(slots.slots_after("", schedule, probe), None)
        if following is None:
            break
        if following.at - probe > found:
            found = max(found, _gap_at(schedule, probe))
        probe += _HOUR
    return found


def _gap_at(schedule: Schedule, instant: datetime) -> timedelta:
    """How long the gap is in which an instant lies that has a slot in the hour before it."""
    before = instant
    for slot in slots.slots_after("", schedule, instant - _HOUR):
        if slot.at > instant:
            return slot.at - before
        before = slot.at
    return timedelta(0)
