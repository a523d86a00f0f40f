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


class Days(Struct, frozen=True, kw_only=True):
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
    def by_both(self) -> bool:
        """Whether both dates and weekdays leave days out."""
        return self.dates != DAYS and self.weekdays != WEEKDAYS

    def moved(self, by: int) -> "Days":
        """The days before (-1) or after (1), and maybe more."""
        if by == 0:
            return self
        dates = {date + by for date in self.dates} & DAYS
        if by > 0 and max(self.dates) >= 28:
            dates |= {1}
        if by < 0 and min(self.dates) == 1:
            dates |= {28, 29, 30, 31}
        return Days(
            dates=frozenset(dates) if self.dates != DAYS else DAYS,
            months=self.months | {(month - 1 + by) % 12 + 1 for month in self.months},
            weekdays=frozenset((day + by) % 7 for day in self.weekdays),
            either=self.either,
        )


class Wake(Struct, frozen=True, kw_only=True):
    """Times of day on some days, in a zone that whoever has it knows."""

    days: Days
    hours: frozenset[int]
    minutes: frozenset[int]
    seconds: frozenset[int] = frozenset({0})


class Wakes(Struct, frozen=True, kw_only=True):
    """All wake-ups of a schedule, in the local time of `timezone`.

    `exact` says that, days on which clocks change aside, each of them is a slot. Without `times`
    there is a reason why nothing can be said.
    """

    times: tuple[Wake, ...] = ()
    timezone: str = "UTC"
    exact: bool = False
    reason: str = ""


def of(schedule: Schedule) -> Wakes:
    """The wake-ups of a schedule."""
    if schedule.cron is not None:
        return _of_cron(schedule.cron, schedule.timezone)
    if schedule.every is not None:
        return _of_period(schedule.every.period, schedule.anchor.astimezone(UTC))
    return _of_instant((schedule.at or schedule.anchor).astimezone(UTC))


def _of_cron(text: str, timezone: str) -> Wakes:
    cron = CronSim(text, datetime(2026, 1, 1, tzinfo=UTC))
    dates = _plain(_LAST_DAYS.get(day, frozenset({day})) for day in cron.days)
    weekdays = _plain({(day if isinstance(day, int) else day[0]) % 7} for day in cron.weekdays)
    if not cron.day_and and (dates == DAYS or weekdays == WEEKDAYS):
        dates, weekdays = DAYS, WEEKDAYS
    days = Days(
        dates=dates,
        months=frozenset(cron.months),
        weekdays=weekdays,
        either=not cron.day_and and dates != DAYS,
    )
    wake = Wake(
        days=days,
        hours=frozenset(cron.hours),
        minutes=frozenset(cron.minutes),
        seconds=frozenset(cron.seconds),
    )
    exact = all(day > 0 for day in cron.days) and all(isinstance(day, int) for day in cron.weekdays)
    return Wakes(times=(wake,), timezone=timezone, exact=exact)


def _plain(parts: Iterable[Iterable[int]]) -> frozenset[int]:
    return frozenset(each for part in parts for each in part)


def _of_period(period: timedelta, anchor: datetime) -> Wakes:
    minutes, rest = divmod(period, timedelta(minutes=1))
    if rest:
        return Wakes(reason="its period is no whole number of minutes")
    first = anchor.hour * 60 + anchor.minute
    if _DAY % minutes == 0:
        days = Days()
        times = {(first + minutes * n) % _DAY for n in range(_DAY // minutes)}
    elif minutes % _DAY == 0:
        weekly = minutes % _WEEK == 0
        days = Days(weekdays=frozenset({anchor.isoweekday() % 7})) if weekly else Days()
        times = {first}
    else:
        return Wakes(reason="no whole number of its periods makes a day")
    return Wakes(
        times=_grouped({days: times}, frozenset({anchor.second})),
        exact=minutes <= _DAY or minutes == _WEEK,
    )


def _of_instant(at: datetime) -> Wakes:
    day = Days(dates=frozenset({at.day}), months=frozenset({at.month}), year=at.year)
    times = _grouped({day: {at.hour * 60 + at.minute}}, frozenset({at.second}))
    return Wakes(times=times)


def in_zone(wakes: Wakes, timezone: str, now: datetime) -> tuple[Wake, ...]:
    """The same by a clock in another zone, whatever the two zones' clocks do in two years.

    Where their distance changes the wake-ups of all distances are taken together.
    """
    distances = _distances(wakes.timezone, timezone, now)
    if distances == {0}:
        return wakes.times
    found: dict[Days, set[int]] = defaultdict(set)
    for wake, distance in product(wakes.times, sorted(distances)):
        for hour, minute in product(wake.hours, wake.minutes):
            carry, time = divmod(hour * 60 + minute + distance, _DAY)
            found[wake.days.moved(carry)].add(time)
    return _grouped(found, frozenset({0}))


def _distances(there: str, here: str, now: datetime) -> set[int]:
    if there == here:
        return {0}
    zones = ZoneInfo(there), ZoneInfo(here)
    found = set()
    for hour in range(2 * 366 * 24):
        at = now + timedelta(hours=hour)
        their, our = (at.astimezone(zone).utcoffset() or timedelta(0) for zone in zones)
        found.add((our - their) // timedelta(minutes=1))
    return found


def _grouped(times: dict[Days, set[int]], seconds: frozenset[int]) -> tuple[Wake, ...]:
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
            Wake(days=days, hours=frozenset(hours), minutes=minutes, seconds=seconds)
            for minutes, hours in by_minutes.items()
        ]
    return tuple(found)
