from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chesscoach.sync.fetching import archive_months

INSTANTS = st.datetimes(
    datetime.fromisoformat("1990-01-01"),
    datetime.fromisoformat("2100-01-01"),
    timezones=st.just(UTC),
)


@pytest.mark.parametrize(
    ("text", "month", "first_open"),
    [
        ("2026-11-21T12:00", "2026-11", "2026-11"),
        ("2026-11-01T00:00", "2026-11", "2026-10"),
        ("2026-11-03T23:59", "2026-11", "2026-10"),
        ("2026-11-04T00:00", "2026-11", "2026-11"),
        ("2026-01-01T00:00", "2026-01", "2025-12"),
        ("2024-03-03T10:00", "2024-03", "2024-02"),
        ("2026-12-31T23:59", "2026-12", "2026-12"),
    ],
)
def test_a_month_stays_open_for_72_hours_after_its_end(
    text: str, month: str, first_open: str
) -> None:
    instant = datetime.fromisoformat(text).replace(tzinfo=UTC)
    assert archive_months.month_of(instant) == month
    assert archive_months.first_open_month(instant) == first_open


@pytest.mark.parametrize(
    ("first", "last", "names"),
    [
        ("2026-11", "2026-11", ["2026-11"]),
        ("2026-11", "2027-02", ["2026-11", "2026-12", "2027-01", "2027-02"]),
        ("2026-12", "2026-11", []),
        ("2027-01", "2026-12", []),
    ],
)
def test_a_span_has_both_its_ends(first: str, last: str, names: list[str]) -> None:
    assert list(archive_months.month_range(first, last)) == names


@pytest.mark.parametrize(
    ("text", "count", "then"),
    [
        ("2026-11-21T12:34:56", 3, "2026-08-21T12:34:56"),
        ("2026-01-15T00:00", 1, "2025-12-15T00:00"),
        ("2026-01-15T00:00", 25, "2023-12-15T00:00"),
        ("2026-12-15T00:00", 12, "2025-12-15T00:00"),
        ("2026-05-31T00:00", 3, "2026-02-28T00:00"),
        ("2024-05-31T00:00", 3, "2024-02-29T00:00"),
        ("2024-02-29T00:00", 12, "2023-02-28T00:00"),
        ("2026-11-21T00:00", 0, "2026-11-21T00:00"),
    ],
)
def test_going_back_keeps_the_day_or_takes_the_last_one(text: str, count: int, then: str) -> None:
    assert archive_months.months_before(
        datetime.fromisoformat(text), count
    ) == datetime.fromisoformat(then)


@given(INSTANTS, st.integers(0, 11))
def test_going_back_passes_as_many_months_as_it_says(instant: datetime, count: int) -> None:
    then = archive_months.months_before(instant, count)
    assert (
        len(
            list(
                archive_months.month_range(
                    archive_months.month_of(then), archive_months.month_of(instant)
                )
            )
        )
        == count + 1
    )
    assert then <= instant
    assert then.tzinfo is UTC


@given(INSTANTS)
def test_at_most_two_months_are_open(instant: datetime) -> None:
    names = list(
        archive_months.month_range(
            archive_months.first_open_month(instant), archive_months.month_of(instant)
        )
    )
    assert len(names) == (1 if instant.day > 3 else 2)
    assert archive_months.month_of(instant - timedelta(days=4)) <= names[0]
