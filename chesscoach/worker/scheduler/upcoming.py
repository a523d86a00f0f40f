"""What will be begun, of one schedule or of all."""

import heapq
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from chesscoach.schedules import preview
from chesscoach.schedules.preview import UpcomingSlot
from chesscoach.worker.store.schedules import StoredSchedule


def upcoming_slots(
    stored: StoredSchedule, newest: datetime | None, now: datetime
) -> Iterator[UpcomingSlot]:
    """The slots of a schedule whose work has not begun, in order.

    `newest` is its newest recorded slot. One that has come and waits for its jitter is the first.
    """
    accounted = max(stored.effective_since, newest or stored.effective_since)
    begin = max(now - timedelta(seconds=stored.schedule.jitter_s), accounted)
    for each in preview.upcoming_slots(stored.id, stored.schedule, begin):
        if each.begins_at > now:
            yield each


def merge_upcoming(
    found: Iterable[StoredSchedule], newest: Mapping[str, datetime], now: datetime
) -> Iterator[UpcomingSlot]:
    """The same of several schedules, in order of their slots."""
    each = (upcoming_slots(stored, newest.get(stored.id), now) for stored in found)
    return heapq.merge(*each, key=lambda one: (one.slot.at, one.slot.schedule))
