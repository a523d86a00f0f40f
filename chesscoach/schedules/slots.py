"""Slot arithmetic: the instants at which a schedule is due.

cronsim is iterated forward only: its reverse iteration errs if a zone shifts by half an hour. At
the end of daylight saving it can also return an earlier instant, so results that do not increase in
UTC are dropped.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zlib import crc32
from zoneinfo import ZoneInfo

from cronsim import CronSim

from chesscoach.schedules.schedule import Schedule, Slot

_SEARCH_WINDOWS = tuple(timedelta(days=d) for d in (1 / 24, 1, 32, 366, 5 * 366, 29 * 366))
"""How far back to look for the latest slot. Every date occurs in 29 years, also a 29 February on a
given weekday."""


def slots_after(schedule_id: str, schedule: Schedule, instant: datetime) -> Iterator[Slot]:
    """Yields the slots later than an instant, strictly increasing, until the trigger ends."""
    last = instant
    try:
        for at in _instants(schedule, instant):
            if at > last:
                last = at
                yield Slot(schedule=schedule_id, at=at)
    except OverflowError:  # the calendar has ended
        return


def _instants(schedule: Schedule, instant: datetime) -> Iterator[datetime]:
    """Yields the trigger's instants, in UTC; some of the first may not be later than `instant`."""
    if schedule.at is not None:
        yield schedule.at.astimezone(UTC)
    elif schedule.every is not None:
        period, anchor = schedule.every.period, schedule.anchor.astimezone(UTC)
        number = max((instant - anchor) // period, 0)
        while True:
            yield anchor + number * period
            number += 1
    elif schedule.cron is not None:
        zone = ZoneInfo(schedule.timezone)
        for local in CronSim(schedule.cron, instant.astimezone(zone)):
            yield local.astimezone(UTC)


def has_fixed_times(cron: str) -> bool:
    """Whether Debian's rule for fixed times applies when clocks change.

    A fixed time that is skipped runs right after the gap, and one that comes twice runs once. Any
    other expression follows the clock.
    """
    fields = cron.split()
    return len(fields) == 5 and not any(field.startswith("*") for field in fields[:2])


def latest_slot(schedule_id: str, schedule: Schedule, instant: datetime) -> Slot | None:
    """Returns the newest slot at or before an instant; None if 29 years have none."""
    if schedule.at is not None:
        at = schedule.at.astimezone(UTC)
        return Slot(schedule=schedule_id, at=at) if at <= instant else None
    if schedule.every is not None:
        anchor, period = schedule.anchor.astimezone(UTC), schedule.every.period
        number = (instant - anchor) // period
        return Slot(schedule=schedule_id, at=anchor + number * period) if number >= 0 else None
    for span in _SEARCH_WINDOWS:
        latest = None
        for slot in slots_after(schedule_id, schedule, instant - span):
            if slot.at > instant:
                break
            latest = slot
        if latest is not None:
            return latest
    return None


def is_slot(schedule_id: str, schedule: Schedule, instant: datetime) -> bool:
    """Whether the schedule is due at exactly this instant."""
    first = next(slots_after(schedule_id, schedule, instant - timedelta(seconds=1)), None)
    return first is not None and first.at == instant


def jitter(schedule: Schedule, slot: Slot) -> timedelta:
    """Returns how long after its slot a run begins: the same on every machine.

    The run always begins before the next slot.
    """
    if schedule.jitter_s == 0:
        return timedelta(0)
    share = crc32(f"{schedule.job}:{slot.key}".encode()) / 2**32
    longest = timedelta(seconds=schedule.jitter_s)
    following = next(slots_after(slot.schedule, schedule, slot.at), None)
    if following is not None:
        longest = min(longest, following.at - slot.at)
    return share * longest
