"""Chess.com's archive months, written `2026-11`, and how long they may still change.

A month is asked for until one check has succeeded at least 72 hours after its end. Games are listed
late, and the time zone of the source's months is not documented.
"""

import calendar
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

LATE_GAMES_PERIOD = timedelta(hours=72)


def month_of(instant: datetime) -> str:
    """The month of an instant."""
    return f"{instant:%Y-%m}"


def month_start(month: str) -> datetime:
    """The first instant of a month, in UTC."""
    return datetime(int(month[:4]), int(month[5:]), 1, tzinfo=UTC)


def first_open_month(instant: datetime) -> str:
    """The oldest month that may still change at an instant; all before it are sealed."""
    return month_of(instant - LATE_GAMES_PERIOD)


def month_range(first: str, last: str) -> Iterator[str]:
    """The months from the first to the last, both included; none if they are out of order."""
    year, month = (int(part) for part in first.split("-"))
    while (name := f"{year:04}-{month:02}") <= last:
        yield name
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)


def months_before(instant: datetime, count: int) -> datetime:
    """The same day and time `count` months earlier, or that month's last day."""
    years, month = divmod(instant.year * 12 + instant.month - 1 - count, 12)
    day = min(instant.day, calendar.monthrange(years, month + 1)[1])
    return instant.replace(year=years, month=month + 1, day=day)
