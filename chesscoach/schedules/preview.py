"""A schedule in words, its next slots, and what a change of clocks does to them."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice, takewhile
from typing import Literal
from zoneinfo import ZoneInfo

from cronsim import CronSim
from msgspec import Struct

from chesscoach.schedules import dst, slots
from chesscoach.schedules.schedule import Schedule, Slot, format_rfc3339

_SEARCH_WINDOWS = tuple(timedelta(days=d) for d in (1, 8, 32, 367))
_MAX_SLOTS = 1000
"""Maximum number of slots that are compared, and of local times that are checked."""


class UpcomingSlot(Struct, frozen=True, kw_only=True):
    """A slot, and what a change of clocks does to it.

    `local` is its instant in the schedule's zone. The run begins at `begins_at`, which is later
    than the slot by its jitter. `clocks` is set on a local day on which clocks change. Local times
    that clocks skip between the slot before and this one are in `moved` if this slot runs in their
    place, else in `left_out`. If the local time comes `twice`, the slot runs once, or it is the
    first or the second of two.
    """

    slot: Slot
    local: datetime
    begins_at: datetime
    clocks: Literal["forward", "back"] | None = None
    moved: tuple[datetime, ...] = ()
    left_out: tuple[datetime, ...] = ()
    twice: Literal["once", "first", "second"] | None = None


class SlotDiff(Struct, frozen=True, kw_only=True):
    """The slots up to an instant that only one of two schedules has."""

    until: datetime
    dropped: tuple[datetime, ...]
    added: tuple[datetime, ...]


def upcoming_slots(schedule_id: str, schedule: Schedule, after: datetime) -> Iterator[UpcomingSlot]:
    """Yields the slots later than an instant, in order."""
    zone = ZoneInfo(schedule.timezone)
    before = after
    for slot in slots.slots_after(schedule_id, schedule, after):
        local = slot.at.astimezone(zone)
        shift = dst.dst_shift(local.date(), zone)
        skipped = _skipped_times(schedule, zone, before, slot.at)
        fixed = schedule.cron is not None and slots.has_fixed_times(schedule.cron)
        yield UpcomingSlot(
            slot=slot,
            local=local,
            begins_at=slot.at + slots.jitter(schedule, slot),
            clocks="forward" if shift > timedelta(0) else "back" if shift else None,
            moved=skipped if fixed else (),
            left_out=() if fixed else skipped,
            twice=_repeat_kind(schedule, zone, local),
        )
        before = slot.at


def _skipped_times(
    schedule: Schedule, zone: ZoneInfo, before: datetime, at: datetime
) -> tuple[datetime, ...]:
    """Returns the local times of a cron expression between two slots that clocks skip."""
    if schedule.cron is None:
        return ()
    begin, end = (instant.astimezone(zone).replace(tzinfo=None, fold=0) for instant in (before, at))
    times = takewhile(lambda local: local < end, CronSim(schedule.cron, begin))
    return tuple(
        local for local in islice(times, _MAX_SLOTS) if not dst.utc_instants_of(local, zone)
    )


def _repeat_kind(
    schedule: Schedule, zone: ZoneInfo, local: datetime
) -> Literal["once", "first", "second"] | None:
    shown = local.replace(tzinfo=None, fold=0)
    if schedule.cron is None or len(dst.utc_instants_of(shown, zone)) < 2:
        return None
    if slots.has_fixed_times(schedule.cron):
        return "once"
    return "second" if local.fold else "first"


def describe(schedule: Schedule) -> str:
    """Returns when a schedule runs, in words."""
    if schedule.cron is not None:
        words = CronSim(schedule.cron, datetime(2026, 1, 1)).explain()  # noqa: DTZ001  # it reads no clock
        return f"{words}, {schedule.timezone} time"
    if schedule.every is not None:
        anchor = format_rfc3339(schedule.anchor)
        return f"Every {schedule.every.text} of real time, counted from {anchor}"
    return f"Once, at {format_rfc3339(schedule.at)}" if schedule.at is not None else "Never"


def slot_notes(upcoming: UpcomingSlot) -> str:
    """What differs from the usual slot: its jitter, and what a change of clocks does to it."""
    notes = []
    if upcoming.begins_at > upcoming.slot.at:
        delay_s = (upcoming.begins_at - upcoming.slot.at).total_seconds()
        notes.append(f"begins {delay_s:.0f} s later")
    if upcoming.clocks is not None:
        notes.append(f"clocks go {upcoming.clocks} that day")
    if upcoming.moved:
        notes.append(f"runs in place of {_join_times(upcoming.moved)}, which the clocks skip")
    if upcoming.left_out:
        notes.append(f"the clocks skip {_join_times(upcoming.left_out)} before it")
    if upcoming.twice == "once":
        notes.append("the local time comes twice; runs the first time")
    elif upcoming.twice is not None:
        notes.append(f"the local time comes twice; this is the {upcoming.twice}")
    return "; ".join(notes)


def _join_times(times: tuple[datetime, ...]) -> str:
    first = f"{times[0]:%Y-%m-%d %H:%M}"
    if len(times) <= 3:
        return " and ".join([first, *(f"{local:%H:%M}" for local in times[1:])])
    return f"{first} to {times[-1]:%H:%M} ({len(times)} times)"


def slot_diff(old: Schedule | None, new: Schedule | None, now: datetime) -> SlotDiff:
    """Returns what a change does to the slots of the next day, or of longer if it has none.

    None is a schedule that does not run.
    """
    for span in _SEARCH_WINDOWS:
        until = now + span
        before, later = (_slots_until(schedule, now, until) for schedule in (old, new))
        if before or later:
            break
    until = min([until, *(ats[-1] for ats in (before, later) if len(ats) == _MAX_SLOTS)])
    dropped, added = ({at for at in ats if at <= until} for ats in (before, later))
    return SlotDiff(
        until=until,
        dropped=tuple(sorted(dropped - added)),
        added=tuple(sorted(added - dropped)),
    )


def _slots_until(schedule: Schedule | None, now: datetime, until: datetime) -> list[datetime]:
    if schedule is None:
        return []
    next_slots = islice(slots.slots_after("", schedule, now), _MAX_SLOTS)
    return [slot.at for slot in next_slots if slot.at <= until]
