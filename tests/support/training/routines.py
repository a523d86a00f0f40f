"""Random routines by the words of their options, and sessions as the database has them."""

import calendar
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from msgspec import Struct

from chesscoach.training.sessions import recurrence, rule_text
from chesscoach.training.sessions.friendly_options import (
    FREQUENCIES,
    WITH_DAYS,
    Frequency,
    FriendlyOptions,
    to_rule,
)
from chesscoach.training.sessions.recurrence import Recurrence
from chesscoach.training.sessions.routine import Routine
from chesscoach.training.sessions.session import Session, StoredSession

ZONES = (
    "UTC", "Europe/Berlin", "Europe/London", "Europe/Dublin", "Europe/Chisinau", "Africa/Cairo",
    "Africa/Casablanca", "Africa/El_Aaiun", "Asia/Beirut", "Asia/Jerusalem", "Asia/Gaza",
    "Asia/Kolkata", "Asia/Kathmandu", "Australia/Sydney", "Australia/Adelaide",
    "Australia/Lord_Howe", "Pacific/Auckland", "Pacific/Chatham", "Pacific/Norfolk",
    "Pacific/Easter", "America/New_York", "America/Los_Angeles", "America/St_Johns",
    "America/Havana", "America/Santiago", "America/Asuncion", "America/Nuuk",
    "America/Scoresbysund", "Atlantic/Azores", "Antarctica/Troll",
)  # fmt: skip


class Wish(Struct, frozen=True, kw_only=True):
    """What a person asks for, in the words of the options."""

    friendly: FriendlyOptions
    first: date
    until: date | None
    skip: tuple[date, ...]
    at: time
    zone: ZoneInfo

    def matches(self, day: date) -> bool:
        """Whether a day has a session, by the meaning of the words."""
        if day < self.first or day in self.skip or (self.until and day > self.until):
            return False
        wish, weekdays = self.friendly, self.friendly.weekdays or (self.first.weekday(),)
        match wish.frequency:
            case "once":
                return day == self.first
            case "daily":
                return not wish.weekdays or day.weekday() in wish.weekdays
            case "weekly":
                return day.weekday() in weekdays
            case "fortnightly":
                weeks = (_monday(day) - _monday(self.first)).days // 7
                return day.weekday() in weekdays and weeks % 2 == 0
        wanted = wish.day_of_month or self.first.day
        return day.day == min(wanted, calendar.monthrange(day.year, day.month)[1])

    def recurrence(self) -> Recurrence:
        """The same as a rule; raises ValueError if there is no session."""
        parts = to_rule(self.friendly, self.first)
        if self.until is not None:
            parts = rule_text.with_until(parts, rule_text.end_of_day(self.until), self.zone)
        start = datetime.combine(self.first, self.at)
        return recurrence.make_recurrence(parts, start, self.skip, self.zone)


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _friendly(frequency: Frequency, weekdays: Sequence[int], day: int | None) -> FriendlyOptions:
    return FriendlyOptions(
        frequency=frequency,
        weekdays=tuple(sorted(set(weekdays))) if frequency in WITH_DAYS else (),
        day_of_month=day if frequency == "monthly" else None,
    )


@st.composite
def wishes(draw: st.DrawFn, around: date | None = None) -> Wish:
    """Wishes that begin in 2024 to 2030, or in the two months before a day."""
    if around is None:
        first = draw(st.dates(date(2024, 1, 1), date(2030, 12, 31)))
    else:
        first = around - timedelta(days=draw(st.integers(0, 60)))
    days = st.integers(0, 120).map(lambda n: first + timedelta(days=n))
    frequency = draw(st.sampled_from(FREQUENCIES))
    return Wish(
        friendly=_friendly(
            frequency,
            draw(st.lists(st.integers(0, 6), max_size=4)),
            draw(st.none() | st.integers(1, 31)),
        ),
        first=first,
        until=draw(st.none() | days) if frequency != "once" else None,
        skip=tuple(draw(st.lists(days, max_size=3))),
        at=time(draw(st.sampled_from([0, 1, 2, 3, 12, 23])), draw(st.sampled_from([0, 15, 30]))),
        zone=ZoneInfo(draw(st.sampled_from(ZONES))),
    )


def make_routine(recurs: Recurrence, **fields: object) -> Routine:
    """A routine of a recurrence."""
    at = datetime(2024, 1, 1, tzinfo=UTC)
    values = {
        "id": "routine_1", "user_id": "u1", "title": "Games; with, commas", "kind": "manual",
        "count": 1, "minutes": 45, "recurrence": recurs, "zone_source": "routine",
        "first_day": recurs.dtstart.date(), "created_at": at, "updated_at": at, **fields,
    }  # fmt: skip
    return Routine(**values)  # type: ignore[arg-type]  # each has its own type


def clock_changes(zone: ZoneInfo, first_year: int, last_year: int) -> list[datetime]:
    """The instants, in UTC, from which the clocks of a zone differ from a quarter before."""
    at, end = datetime(first_year, 1, 1, tzinfo=UTC), datetime(last_year, 12, 31, tzinfo=UTC)
    changes = []
    while at < end:
        if utc_offset(at, zone) != utc_offset(at + timedelta(days=1), zone):
            quarters = (at + n * timedelta(minutes=15) for n in range(97))
            changes.append(next(q for q in quarters if utc_offset(q, zone) != utc_offset(at, zone)))
        at += timedelta(days=1)
    return changes


def utc_offset(at: datetime, zone: ZoneInfo) -> timedelta:
    """How far a zone's clocks are ahead of UTC at an instant."""
    return at.astimezone(zone).utcoffset() or timedelta(0)


def to_stored(sessions: Sequence[Session]) -> list[StoredSession]:
    """Planned sessions as the database has them."""
    return [
        StoredSession(
            id=s.id, routine_id=s.routine.id, user_id=s.routine.user_id, local_date=s.day,
            starts_at=s.starts_at, duration_min=s.routine.minutes, status="scheduled",
            timezone=s.routine.recurrence.zone.key, revision=s.routine.revision,
        )
        for s in sessions
    ]  # fmt: skip
