"""Our calendars, read by a second library, against the sessions that they were made of."""

import random
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import icalendar
import pytest
import recurring_ical_events
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from chesscoach.training.sessions.feed import calendar_of
from chesscoach.training.sessions.friendly_options import FriendlyOptions
from chesscoach.training.sessions.generation import changes_of
from chesscoach.training.sessions.session import StoredSession
from tests.conftest import scaled_rounds
from tests.support.training.routines import Wish, make_routine, to_stored, wishes

Occurrence = tuple[datetime, timedelta, str]
AROUND_CHANGES = (date(2026, 3, 8), date(2026, 3, 29), date(2026, 10, 25), date(2026, 11, 1))


def read_feed(feed: bytes, now: datetime) -> list[Occurrence]:
    """What a calendar shows of the time around `now`."""
    calendar = icalendar.Calendar.from_ical(feed)
    found = recurring_ical_events.of(calendar).between(
        now - timedelta(days=400), now + timedelta(days=400)
    )
    return sorted(
        (event.start.astimezone(UTC), event.end - event.start, str(event.get("STATUS", "")))
        for event in found
    )


def of_sessions(sessions: list[StoredSession], now: datetime) -> list[Occurrence]:
    return sorted(
        (
            session.starts_at,
            timedelta(minutes=session.duration_min),
            "CANCELLED" if session.status == "cancelled" else "",
        )
        for session in sessions
        if session.starts_at > now
    )


@pytest.mark.soak
@settings(max_examples=scaled_rounds(2000, 30))
@given(st.data(), st.sampled_from(AROUND_CHANGES), st.integers(0, 2**32))
def test_a_calendar_shows_exactly_the_sessions(
    data: st.DataObject, around: date, seed: int
) -> None:
    wish: Wish = data.draw(wishes(around))
    # Its clocks change by two hours. The feed is right, and the library finds no such occurrence.
    assume(wish.zone.key != "Antarctica/Troll")
    try:
        routine = make_routine(wish.recurrence())
    except ValueError:
        return
    now = datetime(around.year, around.month, around.day, tzinfo=UTC) - timedelta(days=7)
    sessions = to_stored(changes_of(routine, (), now, 21).add)
    chance = random.Random(seed)
    changed = [
        replace(
            session,
            status=chance.choice(["scheduled", "scheduled", "completed", "cancelled"]),
            starts_at=session.starts_at + timedelta(minutes=chance.choice([0, 0, 0, 75])),
        )
        for session in sessions
        if chance.random() < 0.9
    ]
    chance.shuffle(changed)

    assert read_feed(calendar_of(routine, changed, now), now) == of_sessions(changed, now)


NEW_YORK = Wish(
    friendly=FriendlyOptions(frequency="daily"),
    first=date(2026, 10, 30),
    until=None,
    skip=(date(2026, 11, 3),),
    at=time(1, 30),
    zone=ZoneInfo("America/New_York"),
)


def test_a_calendar_has_its_zone_stable_ids_and_the_revision() -> None:
    routine = make_routine(NEW_YORK.recurrence(), revision=4)
    now = datetime(2026, 10, 29, tzinfo=UTC)
    sessions = to_stored(changes_of(routine, (), now, 8).add)
    sessions[0] = replace(sessions[0], status="cancelled")

    feed = calendar_of(routine, sessions, now).decode()

    lines = feed.replace("\r\n ", "").split("\r\n")
    for line in (
        "TZID:America/New_York",
        "DTSTART;TZID=America/New_York:20261030T013000",
        "RRULE:FREQ=DAILY;UNTIL=20261104T063000Z",
        "EXDATE;TZID=America/New_York:20261101T013000,20261103T013000",
        "RDATE:20261101T063000Z",
        "RECURRENCE-ID;TZID=America/New_York:20261030T013000",
        "STATUS:CANCELLED",
        "SUMMARY:Games\\; with\\, commas",
    ):
        assert line in lines
    assert {line for line in lines if line.startswith(("UID", "SEQUENCE"))} == {
        "UID:routine_1@chesscoach", "SEQUENCE:4",
    }  # fmt: skip


def test_a_single_session_is_one_event_also_where_its_local_time_comes_twice() -> None:
    once = FriendlyOptions(frequency="once")
    wish = replace(NEW_YORK, friendly=once, first=date(2026, 11, 1), skip=())
    routine = make_routine(wish.recurrence())
    now = datetime(2026, 10, 29, tzinfo=UTC)
    sessions = to_stored(changes_of(routine, (), now, 8).add)
    for status in ("scheduled", "cancelled"):
        stored = [replace(session, status=status) for session in sessions]

        feed = calendar_of(routine, stored, now)

        assert read_feed(feed, now) == of_sessions(stored, now)
        assert feed.count(b"BEGIN:VEVENT") == 1
        assert b"DTSTART:20261101T063000Z" in feed
        assert b"RRULE" not in feed.split(b"BEGIN:VEVENT")[1]


def test_a_calendar_without_coming_sessions_can_be_read() -> None:
    routine = make_routine(NEW_YORK.recurrence())

    feed = calendar_of(routine, [], datetime(2026, 10, 29, tzinfo=UTC))

    assert read_feed(feed, datetime(2026, 10, 29, tzinfo=UTC)) == []
