"""The next slots of one schedule or of several."""

import heapq
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from chesscoach.schedules import preview
from chesscoach.schedules.preview import UpcomingSlot
from chesscoach.worker.store.schedules import StoredSchedule


def upcoming_slots(
    stored: StoredSchedule, newest: datetime | None, now: datetime
) -> Iterator[UpcomingSlot]:
    """Yields the slots of a schedule that have not begun, in order.

    `newest` is its newest recorded slot. A slot that waits for its jitter is the first.
    """
    recorded = max(stored.effective_since, newest or stored.effective_since)
    begin = max(now - timedelta(seconds=stored.schedule.jitter_s), recorded)
    for upcoming in preview.upcoming_slots(stored.id, stored.schedule, begin):
        if upcoming.begins_at > now:
            yield upcoming


def merge_upcoming(
    schedules: Iterable[StoredSchedule], newest: Mapping[str, datetime], now: datetime
) -> Iterator[UpcomingSlot]:
    """Yields the next slots of several schedules, in order of time."""
    streams = (upcoming_slots(stored, newest.get(stored.id), now) for stored in schedules)
    return heapq.merge(*streams, key=lambda upcoming: (upcoming.slot.at, upcoming.slot.schedule))
