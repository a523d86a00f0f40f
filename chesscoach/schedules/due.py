"""What happens to the slots that are due since the last recorded one."""

from datetime import datetime, timedelta
from itertools import islice

from msgspec import Struct

from chesscoach.schedules import slots
from chesscoach.schedules.schedule import Schedule, Slot

MAX_SLOTS_WALKED = 5000
"""Maximum number of slots in one plan; the next plan continues after a long downtime."""


class SlotRange(Struct, frozen=True, kw_only=True):
    """Slots of a schedule that do not run, from the first to the last."""

    first: Slot
    last: Slot
    count: int


class DueSlots(Struct, frozen=True, kw_only=True):
    """What is due now.

    `slot` is the slot to run. `missed` slots are too late; `slot` replaces those in `coalesced`.
    `next_check_at` is when to look again: at the next slot, or at once if there may be more.
    """

    missed: SlotRange | None = None
    coalesced: SlotRange | None = None
    slot: Slot | None = None
    next_check_at: datetime | None = None


def due_slots(schedule_id: str, schedule: Schedule, last: datetime, now: datetime) -> DueSlots:
    """Returns what to do about the slots after `last`, the newest recorded one."""
    due: list[Slot] = []
    next_at = None
    for slot in islice(slots.slots_after(schedule_id, schedule, last), MAX_SLOTS_WALKED):
        at = slot.at + slots.jitter(schedule, slot)
        if at > now:
            next_at = at
            break
        due.append(slot)
    if len(due) == MAX_SLOTS_WALKED:
        return _partial_plan(schedule, due, now)
    late = [slot for slot in due if is_too_late(schedule, slot, now)]
    rest = due[len(late) :]
    if not rest:
        return DueSlots(missed=_slot_range(late), next_check_at=next_at)
    if schedule.coalesce:
        return DueSlots(
            missed=_slot_range(late),
            coalesced=_slot_range(rest[:-1]),
            slot=rest[-1],
            next_check_at=next_at,
        )
    return DueSlots(
        missed=_slot_range(late), slot=rest[0], next_check_at=now if rest[1:] else next_at
    )


def _partial_plan(schedule: Schedule, due: list[Slot], now: datetime) -> DueSlots:
    """Returns the plan for slots that do not reach the present: the latest is not among them."""
    late = [slot for slot in due if is_too_late(schedule, slot, now)]
    if not schedule.coalesce and len(late) < len(due):
        return DueSlots(missed=_slot_range(late), slot=due[len(late)], next_check_at=now)
    return DueSlots(
        missed=_slot_range(late), coalesced=_slot_range(due[len(late) :]), next_check_at=now
    )


def is_too_late(schedule: Schedule, slot: Slot, now: datetime) -> bool:
    """Whether a slot's grace has passed, counted from the slot and its jitter."""
    grace = schedule.misfire_grace_s
    if grace is None or now - slot.at <= timedelta(seconds=grace):
        return False
    return now - slot.at - slots.jitter(schedule, slot) > timedelta(seconds=grace)


def _slot_range(skipped: list[Slot]) -> SlotRange | None:
    if not skipped:
        return None
    return SlotRange(first=skipped[0], last=skipped[-1], count=len(skipped))
