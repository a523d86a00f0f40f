from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from chesscoach.schedules import week_bounds
from chesscoach.schedules.iso_week import Week

TICK = timedelta(microseconds=1)
HOUR = timedelta(hours=1)


def parse_utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "midnight"),
    [
        ("UTC", "2026-11-23T00:00"),
        ("Europe/Berlin", "2026-11-22T23:00"),
        ("America/Los_Angeles", "2026-11-23T08:00"),
        ("Pacific/Kiritimati", "2026-11-22T10:00"),
        ("Asia/Kathmandu", "2026-11-22T18:15"),
    ],
)
def test_a_week_is_over_at_mondays_midnight_in_its_zone_and_not_a_microsecond_before(
    zone: str, midnight: str
) -> None:
    place, monday = ZoneInfo(zone), parse_utc(midnight)
    week = week_bounds.last_closed_week(monday, place)
    assert week == Week(2026, 47)
    assert week_bounds.last_closed_week(monday - TICK, place) == week.before
    assert week_bounds.last_closed_week(monday + timedelta(days=7) - TICK, place) == week
    assert week_bounds.week_bounds(week, place) == (monday - timedelta(days=7), monday)


@pytest.mark.parametrize("zone", ["UTC", "America/Santiago", "Asia/Tehran", "Africa/Cairo"])
def test_each_week_begins_where_the_one_before_it_ends(zone: str) -> None:
    place, week = ZoneInfo(zone), Week(2018, 1)
    start, end = week_bounds.week_bounds(week, place)
    for _ in range(700):
        assert week.before.after == week == Week.parse(week.key)
        assert week_bounds.last_closed_week(end, place) == week
        assert week_bounds.last_closed_week(end - TICK, place) == week.before
        week, was = week.after, end
        start, end = week_bounds.week_bounds(week, place)
        assert start == was < end
    assert start.tzinfo is end.tzinfo is UTC


@pytest.mark.parametrize(
    ("zone", "key", "hours"),
    [
        ("Europe/Berlin", "2026-W13", 167),
        ("Europe/Berlin", "2026-W43", 169),
        ("Europe/Berlin", "2026-W47", 168),
        ("America/New_York", "2026-W10", 167),
        ("America/New_York", "2026-W44", 169),
        ("Australia/Lord_Howe", "2026-W14", 168.5),  # half an hour of summer time
        ("America/Santiago", "2026-W36", 167),  # Sunday's midnight is left out
        ("America/Santiago", "2026-W14", 169),  # Saturday's last hour comes twice
    ],
)
def test_a_week_in_which_the_clocks_change_has_an_hour_less_or_more(
    zone: str, key: str, hours: float
) -> None:
    start, end = week_bounds.week_bounds(Week.parse(key), ZoneInfo(zone))
    assert end - start == hours * HOUR


def test_a_monday_without_a_midnight_begins_at_the_change_of_the_clocks() -> None:
    tehran = ZoneInfo("Asia/Tehran")
    start, end = week_bounds.week_bounds(Week(2021, 12), tehran)
    assert start == parse_utc("2021-03-21T20:30")
    assert start.astimezone(tehran).isoformat() == "2021-03-22T01:00:00+04:30"
    assert (start - TICK).astimezone(tehran).date() == date(2021, 3, 21)
    assert end - start == 168 * HOUR - HOUR
    assert week_bounds.last_closed_week(start, tehran) == Week(2021, 11)
    assert week_bounds.last_closed_week(start - TICK, tehran) == Week(2021, 10)


def test_the_53rd_week_reaches_into_the_next_year() -> None:
    zone = ZoneInfo("UTC")
    week = Week.containing(date(2027, 1, 1))
    assert week.key == "2026-W53"
    assert week_bounds.week_bounds(week, zone) == (
        parse_utc("2026-12-28T00:00"),
        parse_utc("2027-01-04T00:00"),
    )
    assert week_bounds.last_closed_week(parse_utc("2027-01-04T00:00"), zone) == week
    assert (week.before.key, week.after.key) == ("2026-W52", "2027-W01")
