"""Plain cron expressions: those that Kubernetes, systemd and cron can all express.

They have five fields of numbers, names, lists, ranges and steps, and restrict the day of the month
or the weekday, not both.
"""

from datetime import UTC, datetime
from itertools import groupby

from cronsim import CronSim
from msgspec import Struct

from chesscoach.schedules.schedule import Schedule

_MINUTES, _HOURS, _DATES, _MONTHS, _WEEKDAYS = (
    frozenset(values) for values in (range(60), range(24), range(1, 32), range(1, 13), range(7))
)
_WEEKDAY_NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


class PlainCron(Struct, frozen=True, kw_only=True):
    """The values of a plain expression's fields; Sunday is 0."""

    minutes: frozenset[int]
    hours: frozenset[int]
    dates: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    @property
    def five_fields(self) -> str:
        """Minute, hour, day of the month, month and weekday, in numbers alone."""
        return " ".join(
            (
                _field(self.minutes, _MINUTES),
                _field(self.hours, _HOURS),
                _field(self.dates, _DATES),
                _field(self.months, _MONTHS),
                _field(self.weekdays, _WEEKDAYS),
            )
        )

    def calendar_event(self, timezone: str) -> str:
        """A value for systemd's `OnCalendar=`."""
        names = ""
        if self.weekdays != _WEEKDAYS:
            ranges = _ranges({(day - 1) % 7 for day in self.weekdays})
            names = ",".join(
                "..".join(_WEEKDAY_NAMES[day] for day in dict.fromkeys(ends)) for ends in ranges
            )
        month, date, hour, minute = (
            _field(values, full, number="{:02}", to="..", step="00/{}")
            for values, full in (
                (self.months, _MONTHS),
                (self.dates, _DATES),
                (self.hours, _HOURS),
                (self.minutes, _MINUTES),
            )
        )
        return f"{names} *-{month}-{date} {hour}:{minute}:00 {timezone}".lstrip()


def unsupported_reason(schedule: Schedule) -> str:
    """Returns why a schedule is left to the daemon, as a clause; empty if it is not."""
    if not schedule.enabled:
        return "it is disabled"
    if schedule.cron is None:
        return "it has no cron expression"
    if len(schedule.cron.split()) != 5:
        return "its cron expression has a field for seconds"
    if "#" in schedule.cron or "L" in schedule.cron.split()[2] + schedule.cron.split()[4]:
        return "its cron expression has L or #"
    plain = parse(schedule.cron)
    if plain.dates != _DATES and plain.weekdays != _WEEKDAYS:
        return "its cron expression restricts both the day of the month and the weekday"
    return ""


def parse(cron: str) -> PlainCron:
    """Returns the fields of a plain expression."""
    expression = CronSim(cron, datetime(2026, 1, 1, tzinfo=UTC))
    return PlainCron(
        minutes=frozenset(expression.minutes),
        hours=frozenset(expression.hours),
        dates=frozenset(expression.days),
        months=frozenset(expression.months),
        weekdays=frozenset(day % 7 for day in expression.weekdays if isinstance(day, int)),
    )


def _field(
    values: frozenset[int],
    full: frozenset[int],
    *,
    number: str = "{}",
    to: str = "-",
    step: str = "*/{}",
) -> str:
    if values == full:
        return "*"
    apart = sorted(values)[1] if len(values) > 2 else 0
    if apart and values == set(range(0, len(full), apart)):
        return step.format(apart)
    return ",".join(
        to.join(number.format(value) for value in dict.fromkeys(ends)) for ends in _ranges(values)
    )


def _ranges(values: set[int] | frozenset[int]) -> list[tuple[int, int]]:
    """Returns runs of neighbours as (first, last)."""
    runs = groupby(enumerate(sorted(values)), key=lambda pair: pair[1] - pair[0])
    listed = [[value for _, value in run] for _, run in runs]
    return [(run[0], run[-1]) for run in listed]
