"""Computes the next slot of each schedule and whether one is late; keeps it while it is true.

Computing the slots of a hundred schedules takes longer than all of an overview's queries.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice

from msgspec import Struct

from chesscoach.schedules import slots
from chesscoach.schedules.preview import UpcomingSlot
from chesscoach.web.dashboard.drawing.timeline import FUTURE
from chesscoach.worker.scheduler import upcoming
from chesscoach.worker.store.schedules import StoredSchedule

LATE_AFTER = timedelta(seconds=60)
"""How long after its slot and its jitter a run that has not begun counts as late."""

_COMPUTED_AHEAD = timedelta(minutes=30)
_MAX_COMING = 400


class SlotStatus(Struct, frozen=True, kw_only=True):
    """The next slot, the coming slots of the timeline, and since when a due slot has not begun."""

    next: UpcomingSlot | None = None
    coming: tuple[datetime, ...] = ()
    late_since: datetime | None = None


class _Known(Struct, kw_only=True):
    key: tuple[int, datetime | None]
    begins_at: datetime | None
    next: UpcomingSlot | None
    coming: tuple[datetime, ...]
    coming_until: datetime


class SlotStatusCache:
    """The statuses of stored schedules, computed again only when they may have changed."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}

    def find(self, stored: StoredSchedule, newest: datetime | None, now: datetime) -> SlotStatus:
        """Returns the status of a schedule; `newest` is its newest recorded slot."""
        if not stored.is_active:
            return SlotStatus()
        known = self._known.get(stored.id)
        if known is None or known.key != (stored.revision, newest) or _is_used_up(known, now):
            known = self._known[stored.id] = _look_ahead(stored, newest, now)
        late = known.begins_at is not None and now - known.begins_at > LATE_AFTER
        until = now + FUTURE
        return SlotStatus(
            next=known.next,
            coming=tuple(slot for slot in known.coming if now < slot <= until),
            late_since=known.begins_at if late else None,
        )

    def forget(self, kept: set[str]) -> None:
        """Forgets schedules that do not exist any more."""
        for schedule in self._known.keys() - kept:
            del self._known[schedule]


def _is_used_up(known: _Known, now: datetime) -> bool:
    passed = known.next is not None and known.next.begins_at <= now
    return passed or now + FUTURE > known.coming_until


def _look_ahead(stored: StoredSchedule, newest: datetime | None, now: datetime) -> _Known:
    recorded = max(stored.effective_since, newest or stored.effective_since)
    first = next(slots.slots_after(stored.id, stored.schedule, recorded), None)
    until = now + FUTURE + _COMPUTED_AHEAD
    return _Known(
        key=(stored.revision, newest),
        begins_at=first.at + slots.jitter(stored.schedule, first) if first is not None else None,
        next=next(upcoming.upcoming_slots(stored, newest, now), None),
        coming=tuple(islice(_slots_until(stored, now, until), _MAX_COMING)),
        coming_until=until,
    )


def _slots_until(stored: StoredSchedule, now: datetime, until: datetime) -> Iterator[datetime]:
    for slot in slots.slots_after(stored.id, stored.schedule, now):
        if slot.at > until:
            return
        yield slot.at
