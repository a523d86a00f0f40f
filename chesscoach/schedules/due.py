"""What becomes of slots that have fallen due: pure, from the last one that is recorded."""

from datetime import datetime, timedelta
from itertools import islice

from msgspec import Struct

from chesscoach.schedules import slots
from chesscoach.schedules.schedule import Schedule, Slot

MAX_SLOTS_WALKED = 5000
"""Slots that are looked at in one go; the rest of a long absence is left for the next."""


class SlotRange(Struct, frozen=True, kw_only=True):
    """Slots of a schedule, from the first to the last, that are not worked."""

    first: Slot
    last: Slot
    count: int


class DueSlots(Struct, frozen=True, kw_only=True):
    """What is due now.

    `slot` is the slot to run. `missed` are too late, and `coalesced` are covered by `slot`.
    `next_check_at` is when to look again: the next slot's time, or at once if there may be more.
    """

    missed: SlotRange | None = None
    coalesced: SlotRange | None = None
    slot: Slot | None = None
    next_check_at: datetime | None = None


def due_slots(schedule_id: str, schedule: Schedule, last: datetime, now: datetime) -> DueSlots:
    """What to do about the slots after `last`, the newest that is accounted for."""
    due: list[Slot] = []
    again_at = None
    for slot in islice(slots.slots_after(schedule_id, schedule, last), MAX_SLOTS_WALKED):
        at = slot.at + slots.jitter(schedule, slot)
        if at > now:
            again_at = at
            break
        due.append(slot)
    if len(due) == MAX_SLOTS_WALKED:
        return _long_absence(schedule, due, now)
    late = [slot for slot in due if is_too_late(schedule, slot, now)]
    rest = due[len(late) :]
    if not rest:
        return DueSlots(missed=_slot_range(late), next_check_at=again_at)
    if schedule.coalesce:
        return DueSlots(
            missed=_slot_range(late),
            coalesced=_slot_range(rest[:-1]),
            slot=rest[-1],
            next_check_at=again_at,
        )
    return DueSlots(
        missed=_slot_range(late), slot=rest[0], next_check_at=now if rest[1:] else again_at
    )


def _long_absence(schedule: Schedule, due: list[Slot], now: datetime) -> DueSlots:
    """The beginning of a walk that did not come to now: nothing in it can be the latest slot."""
    late = [slot for slot in due if is_too_late(schedule, slot, now)]
    if not schedule.coalesce and len(late) < len(due):
        return DueSlots(missed=_slot_range(late), slot=due[len(late)], next_check_at=now)
    return DueSlots(
        missed=_slot_range(late), coalesced=_slot_range(due[len(late) :]), next_check_at=now
    )


def is_too_late(schedule: Schedule, slot: Slot, now: datetime) -> bool:
    """Whether a slot's grace is over, counted from when work on it was to begin."""
    grace = schedule.misfire_grace_s
    if grace is None or now - slot.at <= timedelta(seconds=grace):
        return False
    return now - slot.at - slots.jitter(schedule, slot) > timedelta(seconds=grace)


def _slot_range(found: list[Slot]) -> SlotRange | None:
    return SlotRange(first=found[0], last=found[-1], count=len(found)) if found else None
