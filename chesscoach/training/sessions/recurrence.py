"""When a routine recurs, as RFC 5545 has it: RRULE, EXDATE, and DTSTART with its zone.

`dateutil.rrule` expands the rule. A local time that comes twice is the second one here, while a
plain RRULE means the first: such a day is left out of the rule and added as an instant in UTC.
"""

from datetime import date, datetime, time
from itertools import islice
from typing import cast
from zoneinfo import ZoneInfo

from dateutil import rrule as dateutil_rrule
from msgspec import Struct
from msgspec.structs import replace

from chesscoach.training.sessions import rule_text
from chesscoach.training.sessions.rule_text import RuleParts
from chesscoach.training.sessions.start_times import start_instant

FIRST_YEAR, LAST_YEAR = 2000, 2199
_CYCLE_YEARS = 400 * 19
"""A multiple of the calendar's 400 years, after which all weekdays repeat; ends before 9999."""


class Recurrence(Struct, frozen=True, kw_only=True):
    """A rule, its DTSTART in the local time of `zone`, and the days that it leaves out."""

    rrule: str
    dtstart: datetime
    exdates: tuple[date, ...]
    zone: ZoneInfo

    @property
    def parts(self) -> RuleParts:
        """The parts of the rule."""
        return rule_text.parse_rule(self.rrule)

    @property
    def until(self) -> datetime | None:
        """The last local time that the rule allows."""
        return rule_text.until_of(self.parts, self.zone)

    @property
    def is_single(self) -> bool:
        """Whether there is one session only."""
        return self.parts.get("COUNT") == "1"

    def matches(self, first: date, last: date) -> list[date]:
        """The days from `first` to `last`, both included, that the rule matches."""
        parts, start = self.parts, self.dtstart
        if parts["FREQ"] == "DAILY" and not parts.keys() & {"INTERVAL", "COUNT"}:
            # Such a rule does not depend on its start; years of days need not be counted.
            start = max(start, datetime.combine(first, start.time()))
        found = _expand(parts, start, self.until).between(
            datetime.combine(first, time.min), datetime.combine(last, time.max), inc=True
        )
        return [at.date() for at in found]

    def days(self, first: date, last: date) -> list[date]:
        """The same days without those that are skipped: the days of sessions."""
        return [day for day in self.matches(first, last) if day not in self.exdates]

    def starts(self, first: date, last: date) -> dict[date, datetime]:
        """The same days, each with the instant at which its session starts."""
        return {day: self.start_on(day) for day in self.days(first, last)}

    def start_on(self, day: date) -> datetime:
        """The instant at which a session of a day starts, in UTC."""
        return start_instant(datetime.combine(day, self.dtstart.time()), self.zone)

    def in_zone(self, zone: ZoneInfo) -> "Recurrence":
        """The same local days and times in another zone."""
        parts = rule_text.with_until(self.parts, self.until, zone)
        return replace(self, rrule=rule_text.format_rule(parts), zone=zone)

    def _expansion(self) -> dateutil_rrule.rrule:
        return _expand(self.parts, self.dtstart, self.until)


def make_recurrence(
    parts: RuleParts, start: datetime, exdates: tuple[date, ...], zone: ZoneInfo
) -> Recurrence:
    """The recurrence of a rule from a local time on: DTSTART is the rule's first match.

    Raises:
        ValueError: there is no session; the message says why.
    """
    until = rule_text.until_of(parts, zone)
    first = first_match(parts, start)
    if first is None or (until is not None and first > until):
        msg = f"no day matches from {start:%Y-%m-%d}" + (f" to {until:%Y-%m-%d}" if until else "")
        raise ValueError(msg)
    made = Recurrence(
        rrule=rule_text.format_rule(rule_text.with_until(parts, until, zone)),
        dtstart=first,
        exdates=tuple(sorted(set(exdates))),
        zone=zone,
    )
    matches = islice(made._expansion(), len(made.exdates) + 1)
    if all(match.date() in made.exdates for match in matches):
        msg = "every day that matches is skipped"
        raise ValueError(msg)
    return made


def first_match(parts: RuleParts, start: datetime) -> datetime | None:
    """The first local time from `start` on that a rule matches; None if there is none.

    A rule that never matches is followed until the year 9999, so the search begins late.
    """
    shifted = start.replace(year=start.year + _CYCLE_YEARS)
    match = _expand({**parts, "COUNT": "1"}, shifted, None).after(shifted, inc=True)
    return match.replace(year=match.year - _CYCLE_YEARS) if match is not None else None


def _expand(parts: RuleParts, dtstart: datetime, until: datetime | None) -> dateutil_rrule.rrule:
    """The rule in local times: its end is given as a local time too."""
    text = rule_text.format_rule({n: value for n, value in parts.items() if n != "UNTIL"})
    expanded = cast(dateutil_rrule.rrule, dateutil_rrule.rrulestr(text, dtstart=dtstart))
    return expanded if until is None else expanded.replace(until=until)
