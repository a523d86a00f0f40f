"""What becomes of slots that have fallen due: pure, from the last one that is recorded."""

from datetime import datetime, timedelta
from itertools import islice

from msgspec import Struct

from chesscoach.schedules import slots
from chesscoach.schedules.schedule import Schedule, Slot

WALK = 5000
"""Slots that are looked at in one go; the rest of a long absence is left for the next."""


class Span(Struct, frozen=True, kw_only=True):
    """Slots of a schedule, from the first to the last, that are not worked."""

    first: Slot
    last: Slot
    count: int


class Plan(Struct, frozen=True, kw_only=True):
    """What is to be done now.

    `missed` are too late, `coalesced` are stood for by `work`; `work` is the slot to be worked.
    `again_at` is when to look again: the next slot's time, or at once if there may be more.
    """

    missed: Span | None = None
    coalesced: Span | None = None
    work: Slot | None = None
    again_at: datetime | None = None


def plan(schedule_id: str, schedule: Schedule, last: datetime, now: datetime) -> Plan:
    """What to do about the slots after `last`, the newest that is accounted for."""
    due: list[Slot] = []
    again_at = None
    for slot in islice(slots.after(schedule_id, schedule, last), WALK):
        at = slot.at + slots.late_by(schedule, slot)
        if at > now:
            again_at = at
            break
        due.append(slot)
    if len(due) == WALK:
        return _long_absence(schedule, due, now)
    late = [slot for slot in due if too_late(schedule, slot, now)]
    rest = due[len(late) :]
    if not rest:
        return Plan(missed=_span(late), again_at=again_at)
    if schedule.coalesce:
        return Plan(
            missed=_span(late), coalesced=_span(rest[:-1]), work=rest[-1], again_at=again_at
        )
    return Plan(missed=_span(late), work=rest[0], again_at=now if rest[1:] else again_at)


def _long_absence(schedule: Schedule, due: list[Slot], now: datetime) -> Plan:
    """The beginning of a walk that did not come to now: nothing in it can be the latest slot."""
    late = [slot for slot in due if too_late(schedule, slot, now)]
    if not schedule.coalesce and len(late) < len(due):
        return Plan(missed=_span(late), work=due[len(late)], again_at=now)
    return Plan(missed=_span(late), coalesced=_span(due[len(late) :]), again_at=now)


def too_late(schedule: Schedule, slot: Slot, now: datetime) -> bool:
    """Whether a slot's grace is over, counted from when work on it was to begin."""
    grace = schedule.misfire_grace_s
    if grace is None or now - slot.at <= timedelta(seconds=grace):
        return False
    return now - slot.at - slots.late_by(schedule, slot) > timedelta(seconds=grace)


def _span(found: list[Slot]) -> Span | None:
    return Span(first=found[0], last=found[-1], count=len(found)) if found else None
