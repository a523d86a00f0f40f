"""What a schedule's next slots look like to people, and what changes of clocks do to them."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Literal
from zoneinfo import ZoneInfo

from cronsim import CronSim
from msgspec import Struct

from chesscoach.schedules import dst, slots
from chesscoach.schedules.schedule import Schedule, Slot, format_rfc3339

_SEARCH_WINDOWS = tuple(timedelta(days=d) for d in (1, 8, 32, 367))
_MAX_SLOTS = 1000
"""Slots that are compared, and local times that are looked at, at most."""


class UpcomingSlot(Struct, frozen=True, kw_only=True):
    """A slot and what is to be known of it.

    `local` is its instant in the schedule's zone; work begins at `begins_at`, later than the slot
    by its share of the jitter. `clocks` tells how clocks are put on its local day. It stands for
    the local times in `moved` that never come; those in `left_out` never came since the slot
    before, and nothing stands for them. A local time that comes `twice` is worked once, or this
    is the first or second of both passes.
    """

    slot: Slot
    local: datetime
    begins_at: datetime
    clocks: Literal["forward", "back"] | None = None
    moved: tuple[datetime, ...] = ()
    left_out: tuple[datetime, ...] = ()
    twice: Literal["once", "first", "second"] | None = None


class SlotDiff(Struct, frozen=True, kw_only=True):
    """The slots up to an instant that one schedule has and another has not."""

    until: datetime
    dropped: tuple[datetime, ...]
    added: tuple[datetime, ...]


def upcoming_slots(schedule_id: str, schedule: Schedule, after: datetime) -> Iterator[UpcomingSlot]:
    """The slots later than an instant, in order."""
    zone = ZoneInfo(schedule.timezone)
    before = after
    for slot in slots.slots_after(schedule_id, schedule, after):
        local = slot.at.astimezone(zone)
        turn = dst.dst_shift(local.date(), zone)
        moved, left_out = _skipped_times(schedule, zone, before, slot.at)
        yield UpcomingSlot(
            slot=slot,
            local=local,
            begins_at=slot.at + slots.jitter(schedule, slot),
            clocks="forward" if turn > timedelta(0) else "back" if turn else None,
            moved=moved,
            left_out=left_out,
            twice=_repeat_kind(schedule, zone, local),
        )
        before = slot.at


def _skipped_times(
    schedule: Schedule, zone: ZoneInfo, before: datetime, at: datetime
) -> tuple[tuple[datetime, ...], tuple[datetime, ...]]:
    """The local times named between two slots that never come: stood for by the later, or not."""
    if schedule.cron is None:
        return (), ()
    begin, end = (each.astimezone(zone).replace(tzinfo=None, fold=0) for each in (before, at))
    gone = []
    for local in islice(CronSim(schedule.cron, begin), _MAX_SLOTS):
        if local >= end:
            break
        if not dst.utc_instants_of(local, zone):
            gone.append(local)
    if slots.dst_policy(schedule.cron, schedule)[0] == "skip":
        return (), tuple(gone)
    moved = tuple(local for local in gone if dst.end_of_gap(local, zone) == at)
    return moved, tuple(local for local in gone if local not in moved)


def _repeat_kind(
    schedule: Schedule, zone: ZoneInfo, local: datetime
) -> Literal["once", "first", "second"] | None:
    shown = local.replace(tzinfo=None, fold=0)
    if schedule.cron is None or len(dst.utc_instants_of(shown, zone)) < 2:
        return None
    if slots.dst_policy(schedule.cron, schedule)[1] == "first":
        return "once"
    return "second" if local.fold else "first"


def describe(schedule: Schedule) -> str:
    """When it runs, in a sentence without its end."""
    if schedule.cron is not None:
        said = CronSim(schedule.cron, datetime(2026, 1, 1)).explain()  # noqa: DTZ001  # it reads no clock
        return f"{said}, {schedule.timezone} time"
    if schedule.every is not None:
        anchor = format_rfc3339(schedule.anchor)
        return f"Every {schedule.every.text} of real time, counted from {anchor}"
    return f"Once, at {format_rfc3339(schedule.at)}" if schedule.at is not None else "Never"


def slot_diff(old: Schedule | None, new: Schedule | None, now: datetime) -> SlotDiff:
    """What a change does to the slots of the next day, or of longer if there is none in it.

    None stands for a schedule whose slots are not worked.
    """
    for span in _SEARCH_WINDOWS:
        until = now + span
        before, later = (_slots_until(each, now, until) for each in (old, new))
        if before or later:
            break
    until = min([until, *(found[-1] for found in (before, later) if len(found) == _MAX_SLOTS)])
    one, other = ({at for at in found if at <= until} for found in (before, later))
    return SlotDiff(
        until=until, dropped=tuple(sorted(one - other)), added=tuple(sorted(other - one))
    )


def _slots_until(schedule: Schedule | None, now: datetime, until: datetime) -> list[datetime]:
    if schedule is None:
        return []
    found = islice(slots.slots_after("", schedule, now), _MAX_SLOTS)
    return [slot.at for slot in found if slot.at <= until]
