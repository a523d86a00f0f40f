"""Intervals, dates and jitter; cron is in test_slots."""

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chesscoach.schedules import slots
from chesscoach.schedules.schedule import Every, Schedule, Slot
from tests.conftest import NOON

HOUR = timedelta(hours=1)


def every_schedule(anchor: datetime = NOON, **period: int) -> Schedule:
    return Schedule(job="sync_games", every=Every(**period), anchor=anchor)


def next_slots(schedule: Schedule, instant: datetime, count: int) -> list[datetime]:
    return [slot.at for slot in islice(slots.slots_after("s", schedule, instant), count)]


def test_an_interval_is_counted_from_its_anchor_and_not_from_a_start() -> None:
    schedule = every_schedule(hours=6)
    for late in (timedelta(0), timedelta(seconds=1), 5 * HOUR):
        assert next_slots(schedule, NOON + late, 2) == [NOON + 6 * HOUR, NOON + 12 * HOUR]
        assert slots.latest_slot("s", schedule, NOON + late) == Slot(schedule="s", at=NOON)
    assert slots.is_slot("s", schedule, NOON + 6 * HOUR)
    assert not slots.is_slot("s", schedule, NOON + 7 * HOUR)


def test_an_interval_keeps_real_elapsed_time_when_clocks_change() -> None:
    begin = datetime(2026, 10, 24, 12, tzinfo=UTC)  # a day before Berlin's clocks go back
    found = next_slots(every_schedule(begin, days=1, hours=1), begin, 5)
    assert {later - one for one, later in pairwise(found)} == {25 * HOUR}


def test_before_its_anchor_an_interval_is_not_due() -> None:
    schedule = every_schedule(weeks=2)
    assert slots.latest_slot("s", schedule, NOON - HOUR) is None
    assert next_slots(schedule, NOON - HOUR, 1) == [NOON]


def test_all_parts_of_a_period_count() -> None:
    period = Every(weeks=1, days=2, hours=3, minutes=4, seconds=5).period
    assert period == timedelta(weeks=1, days=2, hours=3, minutes=4, seconds=5)


def test_a_date_is_due_once() -> None:
    schedule = Schedule(job="sync_games", at=NOON)
    assert next_slots(schedule, NOON - HOUR, 5) == [NOON]
    assert next_slots(schedule, NOON, 5) == []
    assert slots.latest_slot("s", schedule, NOON - HOUR) is None
    assert slots.latest_slot("s", schedule, NOON + HOUR) == Slot(schedule="s", at=NOON)
    assert slots.is_slot("s", schedule, NOON)


@given(
    st.integers(1, 10**7),
    st.datetimes(datetime(2001, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  # hypothesis adds the zone
    st.integers(0, 2 * 10**7),
)
def test_slots_of_an_interval_do_not_depend_on_the_starting_point(
    seconds: int, instant: datetime, later: int
) -> None:
    schedule = every_schedule(seconds=seconds)
    found = next_slots(schedule, instant, 20)
    begin = instant + timedelta(seconds=later)

    assert all(one < next_ for one, next_ in pairwise([instant, *found]))
    assert next_slots(schedule, begin, 1)[0] >= found[0]
    assert set(next_slots(schedule, begin, 1)) & set(
        next_slots(schedule, begin - HOUR, 10**5 // 20)
    )
    latest = slots.latest_slot("s", schedule, begin)
    assert latest is None or (begin - latest.at) < timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "period", [{"hours": 6}, {"seconds": 10}], ids=["long period", "period below the jitter"]
)
def test_jitter_is_a_slots_own_and_ends_before_the_next_slot(period: Any) -> None:
    exact = every_schedule(**period)
    schedule = Schedule(job="sync_games", every=exact.every, anchor=NOON, jitter_s=300)
    found = list(islice(slots.slots_after("s", schedule, NOON), 200))
    late = [slots.jitter(schedule, slot) for slot in found]

    assert late == [slots.jitter(schedule, slot) for slot in found]
    assert len(set(late)) > 150
    most = min(timedelta(seconds=300), schedule.every.period if schedule.every else HOUR)
    assert timedelta(0) <= min(late) < max(late) < most
    assert slots.jitter(exact, found[0]) == timedelta(0)
