"""A routine's coming sessions as a calendar (RFC 5545), made with icalendar.

The feed has exactly the stored sessions. Those that the rule gives are one recurring event from the
first to the last of them; what the rule gives besides is left out by EXDATE. A session that differs
from the rule is an event of its own. A start that comes twice is an EXDATE and an RDATE in UTC,
because a plain rule means the first; where all starts are such, nothing is left of the rule. A
cancelled session stays, with its status.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import icalendar
from msgspec import Struct

from chesscoach.training.sessions import rule_text
from chesscoach.training.sessions.routine import Routine
from chesscoach.training.sessions.session import StoredSession
from chesscoach.training.sessions.start_times import comes_twice

_PRODUCT = "-//chesscoach//training sessions//EN"
_REFRESH = timedelta(hours=6)
_YEAR = timedelta(days=366)


def calendar_of(routine: Routine, sessions: Sequence[StoredSession], now: datetime) -> bytes:
    """The calendar of those sessions of a routine that start after `now`."""
    coming = sorted((s for s in sessions if s.starts_at > now), key=lambda s: s.starts_at)
    calendar = icalendar.Calendar()
    calendar.add("prodid", _PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add("x-wr-calname", routine.title)
    calendar.add("refresh-interval", _REFRESH, parameters={"VALUE": "DURATION"})
    series = _series_of(routine, coming)
    if series.sessions:
        calendar.add_component(_recurring_event(series))
    for session in coming:
        if session not in series.sessions:
            calendar.add_component(_event(routine, session, f"{session.id}@chesscoach"))
        elif session.status == "cancelled":
            event = _event(routine, session, _uid(routine))
            event.add("recurrence-id", _start(routine, session))
            calendar.add_component(event)
    if coming:
        first, last = coming[0].starts_at.date(), coming[-1].starts_at.date()
        calendar.add_missing_timezones(first_date=first - _YEAR, last_date=last + _YEAR)
    else:  # a calendar needs a component, and this one has no event
        zone = routine.recurrence.zone.key
        calendar.add_component(icalendar.Timezone.from_tzid(zone))
    ical: bytes = calendar.to_ical()
    return ical


class _Series(Struct, frozen=True, kw_only=True):
    """The sessions that the rule gives, and all days that it matches from the first to the last."""

    routine: Routine
    sessions: list[StoredSession]
    matches: list[date]


def _series_of(routine: Routine, coming: Sequence[StoredSession]) -> _Series:
    if not coming:
        return _Series(routine=routine, sessions=[], matches=[])
    days = [session.local_date for session in coming]
    starts = routine.recurrence.starts(min(days), max(days))
    same = [
        session
        for session in coming
        if starts.get(session.local_date) == session.starts_at
        and session.duration_min == routine.minutes
    ]
    at, zone = routine.recurrence.dtstart.time(), routine.recurrence.zone
    if len(same) == 1 or all(comes_twice(datetime.combine(s.local_date, at), zone) for s in same):
        return _Series(routine=routine, sessions=[], matches=[])
    first, last = same[0].local_date, same[-1].local_date
    return _Series(routine=routine, sessions=same, matches=routine.recurrence.matches(first, last))


def _recurring_event(series: _Series) -> icalendar.Event:
    routine = series.routine
    recurs, zone = routine.recurrence, routine.recurrence.zone
    days = {session.local_date: session for session in series.sessions}
    local = {day: datetime.combine(day, recurs.dtstart.time()) for day in series.matches}
    twice = [day for day in days if comes_twice(local[day], zone)]
    event = _new_event(routine, _uid(routine), routine.revision)
    event.add("dtstart", local[series.matches[0]].replace(tzinfo=zone))
    event.add("duration", timedelta(minutes=routine.minutes))
    event.add("rrule", icalendar.vRecur.from_ical(_bounded_rule(series)))
    left_out = [day for day in series.matches if day not in days or day in twice]
    if left_out:
        event.add("exdate", [local[day].replace(tzinfo=zone) for day in left_out])
    if twice:
        event.add("rdate", [days[day].starts_at for day in twice])
    return event


def _bounded_rule(series: _Series) -> str:
    """The rule from the first session to the last one; these count in place of its own end."""
    end = series.sessions[-1].starts_at
    parts = {n: v for n, v in series.routine.recurrence.parts.items() if n != "COUNT"}
    return rule_text.format_rule({**parts, "UNTIL": f"{end:%Y%m%dT%H%M%SZ}"})


def _event(routine: Routine, session: StoredSession, uid: str) -> icalendar.Event:
    event = _new_event(routine, uid, session.revision)
    event.add("dtstart", _start(routine, session))
    event.add("duration", timedelta(minutes=session.duration_min))
    if session.status == "cancelled":
        event.add("status", "CANCELLED")
    return event


def _new_event(routine: Routine, uid: str, revision: int) -> icalendar.Event:
    event = icalendar.Event()
    event.add("uid", uid)
    event.add("sequence", revision)
    event.add("dtstamp", routine.updated_at.astimezone(UTC))
    event.add("summary", routine.title)
    event.add("categories", [routine.kind])
    return event


def _start(routine: Routine, session: StoredSession) -> datetime:
    """The start in the routine's zone, as the rule has it; in UTC where the local time comes twice.

    A local time that the clocks skip is written as it is: the RFC reads it as our start.
    """
    zone = routine.recurrence.zone
    local = datetime.combine(session.local_date, routine.recurrence.dtstart.time())
    as_ruled = routine.recurrence.start_on(session.local_date) == session.starts_at
    if as_ruled and not comes_twice(local, zone):
        return local.replace(tzinfo=zone)
    return session.starts_at


def _uid(routine: Routine) -> str:
    return f"{routine.id}@chesscoach"
