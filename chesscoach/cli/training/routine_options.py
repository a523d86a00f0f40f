"""The options of `routines add` and `edit`, and their values."""

import re
from collections.abc import Callable
from datetime import date, time
from typing import Any

import click

from chesscoach.training.sessions.friendly_options import FREQUENCIES
from chesscoach.training.sessions.options import RoutineOptions
from chesscoach.training.sessions.recurrence import FIRST_YEAR, LAST_YEAR
from chesscoach.training.sessions.routine import KINDS, MAX_COUNT, MAX_MINUTES

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def parse_date(text: str) -> date:
    """A date such as 2026-03-09."""
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
        try:
            day = date.fromisoformat(text)
        except ValueError:
            day = date.min
        if FIRST_YEAR <= day.year <= LAST_YEAR:
            return day
    msg = f"{text[:40]!r} is not a date, such as 2026-03-09, from {FIRST_YEAR} to {LAST_YEAR}"
    raise click.BadParameter(msg)


def parse_time(text: str) -> time:
    """A time of the day such as 18:30."""
    if re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text, re.ASCII) is None:
        msg = f"{text[:40]!r} is not a time, such as 18:30: give HH:MM"
        raise click.BadParameter(msg)
    return time.fromisoformat(text)


def parse_weekdays(text: str) -> tuple[int, ...]:
    """Weekdays such as mon,wed; Monday is 0."""
    days = set()
    for word in text.lower().split(","):
        names = [name for name in _WEEKDAYS if word.strip() in (name, name[:3])]
        if not names:
            short = ",".join(name[:3] for name in _WEEKDAYS)
            msg = f"{word[:40]!r} is not a weekday: give some of {short}"
            raise click.BadParameter(msg)
        days.add(_WEEKDAYS.index(names[0]))
    return tuple(sorted(days))


_OPTIONS = (
    click.option("--title", metavar="TEXT", help="What the session is called."),
    click.option("--kind", type=click.Choice(KINDS), help="What completes a session."),
    click.option(
        "--count",
        type=click.IntRange(1, MAX_COUNT),
        metavar="N",
        help="Number of games, puzzles, analyses or reflections that complete it (default: 1).",
    ),
    click.option("--recurrence", type=click.Choice(FREQUENCIES), help="How often it recurs."),
    click.option(
        "--on",
        type=parse_weekdays,
        metavar="DAYS",
        help="Weekdays, such as mon,wed (default: every day; weekly: that of --from).",
    ),
    click.option(
        "--day-of-month",
        type=click.IntRange(1, 31),
        metavar="N",
        help="Day of a monthly session; shorter months have it on their last day.",
    ),
    click.option(
        "--from", "from_date", type=parse_date, metavar="DATE", help="First day, as 2026-03-09."
    ),
    click.option("--until", type=parse_date, metavar="DATE", help="Last day (default: no end)."),
    click.option(
        "--skip",
        type=parse_date,
        multiple=True,
        metavar="DATE",
        help="Day without a session; may be repeated.",
    ),
    click.option("--at", type=parse_time, metavar="HH:MM", help="Local time of the start."),
    click.option(
        "--minutes", type=click.IntRange(1, MAX_MINUTES), metavar="N", help="Planned duration."
    ),
    click.option(
        "--timezone",
        metavar="ZONE",
        help="Time zone, such as Europe/Berlin (default: the user's, and it follows the user).",
    ),
    click.option(
        "--rrule",
        metavar="TEXT",
        help='Rule in place of recurrence, days and end: "FREQ=MONTHLY;BYDAY=1SU" (RFC 5545).',
    ),
)


def routine_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options of a routine to a command; the default of each is None."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def to_options(given: dict[str, Any]) -> RoutineOptions:
    """The given options as a value; no --skip at all is None."""
    return RoutineOptions(**{**given, "skip": given["skip"] or None})
