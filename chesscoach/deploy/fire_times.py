"""When somebody else must wake us so that every slot of a schedule finds one of ours awake.

A wake-up too many does no harm where `--scheduled` asks for the latest slot: it finds it closed. A
wake-up too few does. So what a home cannot say exactly is widened, and `exact` tells that it was.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import product
from zoneinfo import ZoneInfo

from cronsim import CronSim
from msgspec import Struct

from chesscoach.schedules.schedule import Schedule

MINUTES = frozenset(range(60))
HOURS = frozenset(range(24))
DAYS = frozenset(range(1, 32))
MONTHS = frozenset(range(1, 13))
WEEKDAYS = frozenset(range(7))

_DAY, _WEEK = 24 * 60, 7 * 24 * 60
_LAST_DAYS = {
    CronSim.LAST: frozenset(range(28, 32)),
    CronSim.LAST_WEEKDAY: frozenset(range(26, 32)),
}


class DayPattern(Struct, frozen=True, kw_only=True):
    """Days by date, month and weekday (Sunday is 0).

    A day counts if date and weekday fit, or, with `either`, one of them. `year` is for a day that
    comes once.
    """

    dates: frozenset[int] = DAYS
    months: frozenset[int] = MONTHS
    weekdays: frozenset[int] = WEEKDAYS
    either: bool = False
    year: int | None = None

    @property
    def restricts_both(self) -> bool:
        """Whether both dates and weekdays leave days out."""
        return self.dates != DAYS and self.weekdays != WEEKDAYS

    def shifted(self, by: int) -> "DayPattern":
        """The days before (-1) or after (1), and maybe more."""
        if by == 0:
            return self
        dates = {date + by for date in self.dates} & DAYS
        if by > 0 and max(self.dates) >= 28:
            dates |= {1}
        if by < 0 and min(self.dates) == 1:
            dates |= {28, 29, 30, 31}
        return DayPattern(
            dates=frozenset(dates) if self.dates != DAYS else DAYS,
            months=self.months | {(month - 1 + by) % 12 + 1 for month in self.months},
            weekdays=frozenset((day + by) % 7 for day in self.weekdays),
            either=self.either,
        )


class FireTime(Struct, frozen=True, kw_only=True):
    """Times of day on some days, in a zone that whoever has it knows."""

    days: DayPattern
    hours: frozenset[int]
    minutes: frozenset[int]
    seconds: frozenset[int] = frozenset({0})


class FireTimes(Struct, frozen=True, kw_only=True):
    """All wake-ups of a schedule, in the local time of `timezone`.

    `exact` says that, days on which clocks change aside, each of them is a slot. Without `times`
    there is a reason why nothing can be said.
    """

    times: tuple[FireTime, ...] = ()
    timezone: str = "UTC"
    exact: bool = False
    reason: str = ""


def fire_times(schedule: Schedule) -> FireTimes:
    """The wake-ups of a schedule."""
    if schedule.cron is not None:
        return _cron_fire_times(schedule.cron, schedule.timezone)
    if schedule.every is not None:
        return _period_fire_times(schedule.every.period, schedule.anchor.astimezone(UTC))
    return _instant_fire_times((schedule.at or schedule.anchor).astimezone(UTC))


def _cron_fire_times(text: str, timezone: str) -> FireTimes:
    cron = CronSim(text, datetime(2026, 1, 1, tzinfo=UTC))
    dates = _merge_values(_LAST_DAYS.get(day, frozenset({day})) for day in cron.days)
    weekdays = _merge_values(
        {(day if isinstance(day, int) else day[0]) % 7} for day in cron.weekdays
    )
    if not cron.day_and and (dates == DAYS or weekdays == WEEKDAYS):
        dates, weekdays = DAYS, WEEKDAYS
    days = DayPattern(
        dates=dates,
        months=frozenset(cron.months),
        weekdays=weekdays,
        either=not cron.day_and and dates != DAYS,
    )
    wake = FireTime(
        days=days,
        hours=frozenset(cron.hours),
        minutes=frozenset(cron.minutes),
        seconds=frozenset(cron.seconds),
    )
    exact = all(day > 0 for day in cron.days) and all(isinstance(day, int) for day in cron.weekdays)
    return FireTimes(times=(wake,), timezone=timezone, exact=exact)


def _merge_values(parts: Iterable[Iterable[int]]) -> frozenset[int]:
    return frozenset(each for part in parts for each in part)


def _period_fire_times(period: timedelta, anchor: datetime) -> FireTimes:
    minutes, rest = divmod(period, timedelta(minutes=1))
    if rest:
        return FireTimes(reason="its period is no whole number of minutes")
    first = anchor.hour * 60 + anchor.minute
    if _DAY % minutes == 0:
        days = DayPattern()
        times = {(first + minutes * n) % _DAY for n in range(_DAY // minutes)}
    elif minutes % _DAY == 0:
        weekly = minutes % _WEEK == 0
        days = DayPattern(weekdays=frozenset({anchor.isoweekday() % 7})) if weekly else DayPattern()
        times = {first}
    else:
        return FireTimes(reason="no whole number of its periods makes a day")
    return FireTimes(
        times=_group_by_hour({days: times}, frozenset({anchor.second})),
        exact=minutes <= _DAY or minutes == _WEEK,
    )


def _instant_fire_times(at: datetime) -> FireTimes:
    day = DayPattern(dates=frozenset({at.day}), months=frozenset({at.month}), year=at.year)
    times = _group_by_hour({day: {at.hour * 60 + at.minute}}, frozenset({at.second}))
    return FireTimes(times=times)


def convert_timezone(wakes: FireTimes, timezone: str, now: datetime) -> tuple[FireTime, ...]:
    """The same by a clock in another zone, whatever the two zones' clocks do in two years.

    Where their distance changes the wake-ups of all distances are taken together.
    """
    distances = _utc_offsets(wakes.timezone, timezone, now)
    if distances == {0}:
        return wakes.times
    found: dict[DayPattern, set[int]] = defaultdict(set)
    for wake, distance in product(wakes.times, sorted(distances)):
        for hour, minute in product(wake.hours, wake.minutes):
            carry, time = divmod(hour * 60 + minute + distance, _DAY)
            found[wake.days.shifted(carry)].add(time)
    return _group_by_hour(found, frozenset({0}))


def _utc_offsets(there: str, here: str, now: datetime) -> set[int]:
    if there == here:
        return {0}
    zones = ZoneInfo(there), ZoneInfo(here)
    found = set()
    for hour in range(2 * 366 * 24):
        at = now + timedelta(hours=hour)
        their, our = (at.astimezone(zone).utcoffset() or timedelta(0) for zone in zones)
        found.add((our - their) // timedelta(minutes=1))
    return found


def _group_by_hour(
    times: dict[DayPattern, set[int]], seconds: frozenset[int]
) -> tuple[FireTime, ...]:
    """Minutes of the day as few wake-ups: hours that share their minutes stand together."""
    found = []
    for days, of_day in times.items():
        by_hour: dict[int, set[int]] = defaultdict(set)
        for time in of_day:
            by_hour[time // 60].add(time % 60)
        by_minutes: dict[frozenset[int], set[int]] = defaultdict(set)
        for hour, minutes in sorted(by_hour.items()):
            by_minutes[frozenset(minutes)].add(hour)
        found += [
            FireTime(days=days, hours=frozenset(hours), minutes=minutes, seconds=seconds)
            for minutes, hours in by_minutes.items()
        ]
    return tuple(found)
