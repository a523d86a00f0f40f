"""What will be begun, of one schedule or of all."""

import heapq
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from chesscoach.schedules import preview
from chesscoach.schedules.preview import Occurrence
from chesscoach.worker.store.schedules import Stored


def upcoming(stored: Stored, newest: datetime | None, now: datetime) -> Iterator[Occurrence]:
    """The slots of a schedule whose work has not begun, in order.

    `newest` is its newest recorded slot. One that has come and waits for its jitter is the first.
    """
    accounted = max(stored.since, newest or stored.since)
    begin = max(now - timedelta(seconds=stored.schedule.jitter_s), accounted)
    for each in preview.occurrences(stored.id, stored.schedule, begin):
        if each.begins_at > now:
            yield each


def merged(
    found: Iterable[Stored], newest: Mapping[str, datetime], now: datetime
) -> Iterator[Occurrence]:
    """The same of several schedules, in order of their slots."""
    each = (upcoming(stored, newest.get(stored.id), now) for stored in found)
    return heapq.merge(*each, key=lambda one: (one.slot.at, one.slot.schedule))
