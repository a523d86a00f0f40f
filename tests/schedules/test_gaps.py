from datetime import UTC, datetime, timedelta

import pytest

from chesscoach.schedules import gaps
from chesscoach.schedules.schedule import Every, Schedule

WEDNESDAY = datetime(2026, 6, 17, 12, 0, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("cron", "gap"),
    [
        ("* * * * * *", timedelta(seconds=1)),
        ("* * * * *", timedelta(minutes=1)),
        ("0-30 * * * *", timedelta(minutes=30)),
        ("0 */6 * * *", timedelta(hours=6)),
        ("0 1,3,20 * * *", timedelta(hours=17)),
        ("30 2 * * *", timedelta(days=1)),
        ("*/5 9-17 * * *", timedelta(hours=15, minutes=5)),
        ("* * 9-17 * * *", timedelta(hours=15, seconds=1)),
        ("*/5 9-17 * * 1-5", timedelta(days=2, hours=15, minutes=5)),
        ("0 9 * * 1-5", timedelta(days=3)),
        ("0 9 * * 1", timedelta(days=7)),
        ("0 0 1 * *", timedelta(days=31)),
        ("0 0 29 2 *", timedelta(days=1461)),
    ],
)
def test_the_period_is_the_longest_gap_between_two_slots(cron: str, gap: timedelta) -> None:
    for days in range(7):
        found = gaps.longest_gap(Schedule(job="a", cron=cron), WEDNESDAY + timedelta(days=days))
        assert found == gap, days


def test_an_hour_that_comes_twice_counts() -> None:
    schedule = Schedule(job="a", cron="30 2 * * *", timezone="Europe/Berlin")
    october = datetime(2026, 10, 21, tzinfo=UTC)
    assert gaps.longest_gap(schedule, october) == timedelta(hours=25)


def test_an_interval_is_its_own_period() -> None:
    every = Schedule(job="a", every=Every(weeks=2))
    assert gaps.longest_gap(every, WEDNESDAY) == timedelta(days=14)


def test_a_one_time_schedule_has_no_period() -> None:
    assert gaps.longest_gap(Schedule(job="a", at=WEDNESDAY + timedelta(1)), WEDNESDAY) is None
    assert gaps.longest_gap(Schedule(job="a", at=WEDNESDAY), WEDNESDAY) is None
