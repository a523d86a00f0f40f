"""Streaks of days: how activity moves them, when they are over, and what pages show.

Our streak counts local days. The application counts UTC days in `current_streak`, by other
activity, and never ends a streak. Pages show the longer one of those that are alive.
"""

from collections.abc import Iterable
from datetime import date, timedelta

from msgspec import Struct

_DAY = timedelta(days=1)
_MAX_DAYS_KEPT = 62
"""Active days that are kept, so that evidence that comes late still joins a streak."""


class Streak(Struct, frozen=True, kw_only=True):
    """The days on which a player was active, as one streak and what is known of the days before.

    `current` is 0 when the streak is over; `last` and `longest` stay. `days` are the last active
    days in their order.
    """

    current: int = 0
    longest: int = 0
    started: date | None = None
    last: date | None = None
    days: tuple[date, ...] = ()


class Change(Struct, frozen=True, kw_only=True):
    """What activity did to a streak: `grown` maps days to the length that they brought it to.

    `lost` are the streaks that ended before a later one began: their last day and their length.
    """

    streak: Streak
    grown: dict[date, int] = {}
    lost: tuple[tuple[date, int], ...] = ()


class ApplicationStreak(Struct, frozen=True, kw_only=True):
    """The application's own streak, and the local and UTC date on which it last grew."""

    current: int = 0
    last_local: date | None = None
    last_utc: date | None = None

    def is_over(self, today: date, today_utc: date) -> bool:
        """Whether it has ended by either date."""
        return is_over(self.last_local, today) and is_over(self.last_utc, today_utc)


def add_days(streak: Streak, active: Iterable[date]) -> Change:
    """Adds active days, in any order; days that are known change nothing."""
    known = set(streak.days)
    new = {day for day in active if day not in known and not _is_counted(streak, day)}
    if not new:
        return Change(streak=streak)
    runs = _runs([*known, *new], streak)
    grown: dict[date, int] = {}
    for first, last in runs:
        # A day that joins two runs makes the later days longer, so these have new lengths as well.
        begun = min((day for day in new if first <= day <= last), default=None)
        if begun is not None:
            grown |= {day: _length(first, day) for day in _days_between(begun, last)}
    *ended, (first, last) = runs
    return Change(
        streak=Streak(
            current=_length(first, last),
            longest=max([streak.longest, *(_length(*run) for run in runs)]),
            started=first,
            last=last,
            days=tuple(sorted(known | new))[-_MAX_DAYS_KEPT:],
        ),
        grown=grown,
        lost=tuple(
            (run[1], _length(*run)) for run in ended if streak.last is None or run[1] >= streak.last
        ),
    )


def is_over(last: date | None, today: date) -> bool:
    """Whether a streak has ended: its last day is before yesterday."""
    return last is None or last < today - _DAY


def shown_length(ours: Streak, application: ApplicationStreak, today: date, today_utc: date) -> int:
    """The streak that pages show: the longer one of those that are alive, 0 if both are over."""
    own = 0 if is_over(ours.last, today) else ours.current
    other = 0 if application.is_over(today, today_utc) else application.current
    return max(own, other)


def _is_counted(streak: Streak, day: date) -> bool:
    """Whether a day is in the streak that was counted, or too long ago to matter."""
    if streak.started is None or streak.last is None:
        return False
    forgotten = len(streak.days) == _MAX_DAYS_KEPT and day < streak.days[0]
    return streak.started <= day <= streak.last or (forgotten and day < streak.started - _DAY)


def _runs(days: Iterable[date], streak: Streak) -> list[tuple[date, date]]:
    """The first and last days of consecutive days, oldest first, with the streak as counted."""
    spans = [(day, day) for day in days]
    if streak.started is not None and streak.last is not None:
        spans.append((streak.started, streak.last))
    runs: list[tuple[date, date]] = []
    for first, last in sorted(spans):
        if runs and first <= runs[-1][1] + _DAY:
            runs[-1] = (runs[-1][0], max(runs[-1][1], last))
        else:
            runs.append((first, last))
    return runs


def _length(first: date, last: date) -> int:
    return (last - first).days + 1


def _days_between(first: date, last: date) -> list[date]:
    return [first + n * _DAY for n in range(_length(first, last))]
