"""FriendlyOptions options against the meaning of their words, and rules as texts."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st

from chesscoach.training.sessions import recurrence, rule_text
from chesscoach.training.sessions.friendly_options import from_rule
from chesscoach.training.sessions.recurrence import make_recurrence
from chesscoach.training.sessions.start_times import start_instant
from tests.conftest import scaled_rounds
from tests.support.random_texts import texts
from tests.support.training.routines import ZONES, Wish, clock_changes, utc_offset, wishes

DAY = timedelta(days=1)


def wanted_days(wish: Wish, days: int) -> list[date]:
    return [day for n in range(days) if wish.matches(day := wish.first + n * DAY)]


@pytest.mark.soak
@settings(max_examples=scaled_rounds(3000, 40))
@given(wishes())
def test_the_rule_of_friendly_options_has_the_days_that_their_words_mean(wish: Wish) -> None:
    wanted = wanted_days(wish, 430)
    try:
        made = wish.recurrence()
    except ValueError:
        assert not wanted
        return
    assert made.days(wish.first, wish.first + 429 * DAY) == wanted
    assert made.days(wish.first + 100 * DAY, wish.first + 120 * DAY) == [
        day for day in wanted if 100 * DAY <= day - wish.first <= 120 * DAY
    ]


@pytest.mark.soak
@settings(max_examples=scaled_rounds(1000, 20))
@given(wishes())
def test_the_rule_means_the_same_options_again_and_the_same_to_dateutil(wish: Wish) -> None:
    try:
        made = wish.recurrence()
    except ValueError:
        return
    again = from_rule(made.parts)
    assert again is not None
    assert again.frequency == wish.friendly.frequency
    assert Wish(
        friendly=again, first=wish.first, until=wish.until, skip=wish.skip, at=wish.at,
        zone=wish.zone,
    ).recurrence() == made  # fmt: skip

    start = made.dtstart.replace(tzinfo=made.zone)
    plain = rrulestr(made.rrule, dtstart=start).between(start, start + 60 * DAY, inc=True)
    assert made.matches(start.date(), (start + 60 * DAY).date()) == [at.date() for at in plain]


def local_times_around(change: datetime, zone: ZoneInfo) -> dict[datetime, list[datetime]]:
    """The instants of each local time in quarters of an hour around a change, for 30 hours."""
    instants: dict[datetime, list[datetime]] = {}
    for quarter in range(-120, 121):
        at = change + quarter * timedelta(minutes=15)
        local = at.astimezone(zone).replace(tzinfo=None, fold=0)
        instants.setdefault(local, []).append(at)
    return instants


@pytest.mark.soak
@pytest.mark.parametrize("name", ZONES)
def test_a_start_is_the_second_of_two_instants_and_moves_on_by_a_gap(name: str) -> None:
    zone = ZoneInfo(name)
    for change in clock_changes(zone, 2026, scaled_rounds(2037, 2026)):
        instants = local_times_around(change, zone)
        local = min(instants) + DAY
        gap = utc_offset(change, zone) - utc_offset(change - timedelta(minutes=15), zone)
        while local < max(instants) - DAY:
            found = instants.get(local) or instants[local + gap]
            assert start_instant(local, zone) == max(found), (name, local)
            local += timedelta(minutes=15)


def test_a_user_of_another_zone_keeps_days_times_and_the_last_day() -> None:
    parts = rule_text.parse_rule("FREQ=DAILY;UNTIL=20260310")
    berlin = make_recurrence(
        parts, datetime.fromisoformat("2026-03-01T23:30"), (), ZoneInfo("Europe/Berlin")
    )
    assert berlin.rrule == "FREQ=DAILY;UNTIL=20260310T225959Z"

    honolulu = berlin.in_zone(ZoneInfo("Pacific/Honolulu"))

    assert honolulu.rrule == "FREQ=DAILY;UNTIL=20260311T095959Z"
    assert honolulu.days(date(2026, 3, 9), date(2026, 4, 1)) == [
        date(2026, 3, 9),
        date(2026, 3, 10),
    ]
    assert honolulu.start_on(date(2026, 3, 9)) == datetime(2026, 3, 10, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("rule", "first", "days"),
    [
        ("FREQ=WEEKLY;BYDAY=TU;COUNT=2", "2026-03-03", ["03-03", "03-10"]),
        ("RRULE:freq=monthly;byday=1su", "2026-03-01", ["03-01", "04-05"]),
        ("FREQ=DAILY;INTERVAL=20", "2026-03-01", ["03-01", "03-21", "04-10", "04-30"]),
        ("FREQ=WEEKLY;INTERVAL=3;BYDAY=MO", "2026-03-16", ["03-16", "04-06", "04-27"]),
        ("FREQ=YEARLY;BYMONTH=3,4;BYMONTHDAY=-1", "2026-03-31", ["03-31", "04-30"]),
    ],
)
def test_a_rule_of_ones_own_begins_with_its_first_match(
    rule: str, first: str, days: list[str]
) -> None:
    start = datetime.fromisoformat("2026-03-01T18:00")
    made = make_recurrence(rule_text.parse_rule(rule), start, (), ZoneInfo("UTC"))

    assert made.dtstart.date().isoformat() == first
    found = made.days(date(2026, 1, 1), date(2026, 4, 30))
    assert [day.isoformat()[5:] for day in found] == days


@pytest.mark.parametrize(
    "rule",
    [
        "", "FREQ", "FREQ=", "=DAILY", "FREQ=HOURLY", "FREQ=SECONDLY", "FREQ=NEVER", "BYDAY=MO",
        "FREQ=DAILY;FREQ=DAILY", "FREQ=DAILY;INTERVAL=0", "FREQ=DAILY;INTERVAL=-1",
        "FREQ=DAILY;INTERVAL=9999999", "FREQ=DAILY;COUNT=0", "FREQ=DAILY;COUNT=1;UNTIL=20270101",
        "FREQ=DAILY;UNTIL=20261399", "FREQ=DAILY;UNTIL=tomorrow", "FREQ=DAILY;UNTIL=20270101T10",
        "FREQ=DAILY;BYHOUR=3", "FREQ=DAILY;BYSECOND=3", "FREQ=DAILY;BYEASTER=1", "FREQ=DAILY;X=1",
        "FREQ=WEEKLY;BYDAY=2MO", "FREQ=WEEKLY;BYMONTHDAY=3", "FREQ=MONTHLY;BYDAY=0MO",
        "FREQ=MONTHLY;BYDAY=XX", "FREQ=MONTHLY;BYMONTHDAY=0", "FREQ=MONTHLY;BYMONTHDAY=32",
        "FREQ=MONTHLY;BYWEEKNO=3", "FREQ=YEARLY;BYMONTH=-1", "FREQ=DAILY;BYSETPOS=1",
        "FREQ=YEARLY;BYWEEKNO=3;BYDAY=1MO", "FREQ=DAILY;WKST=XX", "FREQ=DAILY\nEXDATE:20260101",
        "FREQ=DAILY;BYMONTH=1,,2", "FREQ=DAILY;BYMONTH=\u0661", "FREQ=DAILY" + ";X" * 500,
    ],
)  # fmt: skip
def test_a_text_that_is_not_a_valid_rule_is_refused(rule: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        rule_text.parse_rule(rule)


@pytest.mark.soak
@settings(max_examples=scaled_rounds(1000, 40))
@given(texts(max_size=60) | st.text("FREQ=DAILYWKMOSU;,0123-BYNTH", max_size=60))
def test_any_text_is_a_rule_or_refused(rule: str) -> None:
    try:
        parts = rule_text.parse_rule(rule)
    except ValueError:
        return
    assert rule_text.parse_rule(rule_text.format_rule(parts)) == parts


@pytest.mark.parametrize(
    "rule", ["FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "FREQ=MONTHLY;BYMONTHDAY=31;BYMONTH=4,6"]
)
def test_a_rule_that_never_matches_has_no_first_match(rule: str) -> None:
    assert (
        recurrence.first_match(rule_text.parse_rule(rule), datetime.fromisoformat("2026-03-01"))
        is None
    )
