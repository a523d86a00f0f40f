"""How wake-ups are spelled: as five cron fields, or as systemd's calendar events."""

from collections.abc import Sequence

from chesscoach.deploy.fire_times import (
    DAYS,
    HOURS,
    MINUTES,
    MONTHS,
    WEEKDAYS,
    DayPattern,
    FireTime,
)

_WEEKDAY_NAMES = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")


def to_cron(wake: FireTime) -> str:
    """Minute, hour, day of month, month and day of week.

    Steps stand only where no reader takes them for anything else: a day that begins with `*` is
    read in two ways. Nor is Sunday ever a 7, which not everybody knows.
    """
    return " ".join(
        (
            _field(wake.minutes, MINUTES, step="*/{}"),
            _field(wake.hours, HOURS, step="*/{}"),
            _field(wake.days.dates, DAYS),
            _field(wake.days.months, MONTHS),
            _field(wake.days.weekdays, WEEKDAYS),
        )
    )


def to_on_calendar(wake: FireTime, timezone: str) -> list[str]:
    """The values of `OnCalendar=` that say the same together; date and weekday both count there."""
    days = wake.days
    if not (days.either and days.restricts_both):
        return [_event(wake, days, timezone)]
    by_date = DayPattern(dates=days.dates, months=days.months)
    by_weekday = DayPattern(weekdays=days.weekdays, months=days.months)
    return [_event(wake, each, timezone) for each in (by_date, by_weekday)]


def _event(wake: FireTime, days: DayPattern, timezone: str) -> str:
    names = "" if days.weekdays == WEEKDAYS else _weekday_names(days.weekdays) + " "
    year = "*" if days.year is None else days.year
    month = _field(days.months, MONTHS, range_="{:02}..{:02}", one="{:02}")
    date = _field(days.dates, DAYS, range_="{:02}..{:02}", one="{:02}")
    hour, minute, second = (
        _field(values, full, step="00/{}", range_="{:02}..{:02}", one="{:02}")
        for values, full in ((wake.hours, HOURS), (wake.minutes, MINUTES), (wake.seconds, MINUTES))
    )
    return f"{names}{year}-{month}-{date} {hour}:{minute}:{second} {timezone}"


def _weekday_names(weekdays: frozenset[int]) -> str:
    monday_first = sorted((day - 1) % 7 for day in weekdays)
    return ",".join(
        _WEEKDAY_NAMES[(run[0] + 1) % 7]
        if run[0] == run[1]
        else f"{_WEEKDAY_NAMES[(run[0] + 1) % 7]}..{_WEEKDAY_NAMES[(run[1] + 1) % 7]}"
        for run in _ranges(monday_first)
    )


def _field(
    values: frozenset[int],
    full: frozenset[int],
    *,
    step: str = "",
    range_: str = "{}-{}",
    one: str = "{}",
) -> str:
    if values == full:
        return "*"
    listed = sorted(values)
    apart = listed[1] if len(listed) > 2 else 0
    if step and apart and listed == list(range(0, max(full) + 1, apart)):
        return step.format(apart)
    return ",".join(
        one.format(low) if low == high else range_.format(low, high)
        for low, high in _ranges(listed)
    )


def _ranges(listed: Sequence[int]) -> list[tuple[int, int]]:
    """Neighbours as (first, last); two alone stay alone."""
    runs: list[tuple[int, int]] = []
    for value in listed:
        if runs and value == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], value)
        else:
            runs.append((value, value))
    return [
        each
        for low, high in runs
        for each in ([(low, low), (high, high)] if high == low + 1 else [(low, high)])
    ]
