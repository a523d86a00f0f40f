"""The rules of weeks and months: keys, days, and when they close."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from chesscoach.momentum import periods

BERLIN, ASUNCION = ZoneInfo("Europe/Berlin"), ZoneInfo("America/Asuncion")


@pytest.mark.parametrize(
    ("day", "key"),
    [
        ("2026-12-31", "2026-W53"),
        ("2027-01-03", "2026-W53"),
        ("2027-01-04", "2027-W01"),
        ("2024-12-30", "2025-W01"),
    ],
)
def test_a_week_is_that_of_iso(day: str, key: str) -> None:
    assert periods.key_of("week", date.fromisoformat(day)) == key


def test_a_month_has_its_days_and_its_neighbours() -> None:
    month = periods.parse_key("month", "2024-02")

    assert (month.first, month.last) == (date(2024, 2, 1), date(2024, 2, 29))
    assert (month.before.key, month.after.key) == ("2024-01", "2024-03")
    assert periods.parse_key("month", "2026-12").after.key == "2027-01"


@pytest.mark.parametrize(("kind", "key"), [("week", "2026-W54"), ("month", "2026-13")])
def test_a_text_that_is_not_a_key_is_refused(kind: periods.Kind, key: str) -> None:
    with pytest.raises(ValueError, match=r"2026|month"):
        periods.parse_key(kind, key)


def test_a_week_closes_at_six_local_time_of_the_next_monday() -> None:
    week = periods.parse_key("week", "2026-W10")

    assert week.closes_at(BERLIN, 6) == datetime(2026, 3, 9, 5, tzinfo=UTC)
    assert week.ranked_at(18) == datetime(2026, 3, 9, 18, tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "closed"), [("2026-03-09T04:59:59", "2026-W09"), ("2026-03-09T05:00:00", "2026-W10")]
)
def test_the_last_closed_week_changes_when_it_closes(at: str, closed: str) -> None:
    instant = datetime.fromisoformat(at).replace(tzinfo=UTC)

    assert periods.last_closed("week", instant, BERLIN, 6).key == closed
    assert periods.last_ended("week", instant, BERLIN).key == "2026-W10"


def test_every_zone_has_closed_a_week_when_it_is_ranked() -> None:
    week = periods.parse_key("week", "2026-W10")

    assert week.closes_at(ZoneInfo("Etc/GMT+12"), 6) == week.ranked_at(18)


def test_a_month_ends_where_a_change_of_clocks_skips_midnight() -> None:
    """Paraguay's clocks went from 0:00 to 1:00 on Sunday, 2023-10-01: the month began at 1:00."""
    month = periods.parse_key("month", "2023-09")

    assert month.ends_at(ASUNCION) == datetime(2023, 10, 1, 4, tzinfo=UTC)
