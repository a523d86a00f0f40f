"""What becomes of slots that have fallen due."""

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chesscoach.schedules import due
from chesscoach.schedules.due import SlotRange
from chesscoach.schedules.schedule import Every, Schedule
from tests.conftest import NOON

HOUR = timedelta(hours=1)


def hourly_schedule(**fields: Any) -> Schedule:
    return Schedule(job="sync_games", cron="0 * * * *", **fields)


def slots_in_hours(plan: due.DueSlots) -> dict[str, Any]:
    """A plan in hours from noon."""

    def hours(span: SlotRange | None) -> Any:
        if span is None:
            return None
        return ((span.first.at - NOON) // HOUR, (span.last.at - NOON) // HOUR, span.count)

    return {
        "missed": hours(plan.missed),
        "coalesced": hours(plan.coalesced),
        "work": (plan.slot.at - NOON) // HOUR if plan.slot else None,
        "again": (plan.next_check_at - NOON) / HOUR if plan.next_check_at else None,
    }


NOTHING_DUE = {"missed": None, "coalesced": None, "work": None}


@pytest.mark.parametrize(
    ("fields", "passed", "expected"),
    [
        ({}, 0.5, {**NOTHING_DUE, "again": 1}),
        ({}, 1, {**NOTHING_DUE, "work": 1, "again": 2}),
        ({}, 3.5, {"missed": None, "coalesced": (1, 2, 2), "work": 3, "again": 4}),
        ({"coalesce": False}, 3.5, {**NOTHING_DUE, "work": 1, "again": 3.5}),
        ({"coalesce": False}, 1.5, {**NOTHING_DUE, "work": 1, "again": 2}),
        # Nothing later than half an hour; the third slot is not that late.
        (
            {"misfire_grace_s": 1800},
            3.25,
            {**NOTHING_DUE, "missed": (1, 2, 2), "work": 3, "again": 4},
        ),
        ({"misfire_grace_s": 1800}, 3.75, {**NOTHING_DUE, "missed": (1, 3, 3), "again": 4}),
        (
            {"misfire_grace_s": 5400},
            4.25,
            {"missed": (1, 2, 2), "coalesced": (3, 3, 1), "work": 4, "again": 5},
        ),
        (
            {"misfire_grace_s": 5400, "coalesce": False},
            4.25,
            {"missed": (1, 2, 2), "coalesced": None, "work": 3, "again": 4.25},
        ),
    ],
)
def test_the_right_ones_of_the_due_slots_run(
    fields: dict[str, Any], passed: float, expected: dict[str, Any]
) -> None:
    assert (
        slots_in_hours(due.due_slots("s", hourly_schedule(**fields), NOON, NOON + passed * HOUR))
        == expected
    )


def test_a_slot_exactly_as_late_as_its_grace_runs() -> None:
    schedule = hourly_schedule(misfire_grace_s=60)
    for late, work in ((60, 1), (61, None)):
        plan = due.due_slots("s", schedule, NOON, NOON + HOUR + timedelta(seconds=late))
        assert slots_in_hours(plan)["work"] == work


def test_jitter_delays_the_run_and_not_the_slot() -> None:
    schedule = hourly_schedule(jitter_s=1800)
    first = due.due_slots("s", schedule, NOON, NOON + HOUR)
    assert first.slot is None
    assert first.next_check_at is not None
    assert NOON + HOUR < first.next_check_at < NOON + 1.5 * HOUR
    then = due.due_slots("s", schedule, NOON, first.next_check_at)
    assert then.slot is not None
    assert then.slot.at == NOON + HOUR


def test_a_schedule_without_further_slots_is_not_read_again() -> None:
    once = Schedule(job="sync_games", at=NOON)
    assert slots_in_hours(due.due_slots("s", once, NOON - HOUR, NOON)) == {
        **NOTHING_DUE,
        "work": 0,
        "again": None,
    }
    assert slots_in_hours(due.due_slots("s", once, NOON, NOON + HOUR)) == {
        **NOTHING_DUE,
        "again": None,
    }


@pytest.mark.parametrize("coalesce", [True, False])
def test_every_slot_of_a_very_long_downtime_is_accounted_for(
    coalesce: bool,
) -> None:
    minutely = Schedule(
        job="sync_games",
        every=Every(minutes=1),
        anchor=NOON,
        coalesce=coalesce,
        misfire_grace_s=None if coalesce else 600,
    )
    now, last, counted, parts = NOON + timedelta(days=10), NOON, 0, 0
    while True:
        plan = due.due_slots("s", minutely, last, now)
        for span in (plan.missed, plan.coalesced):
            if span is not None:
                counted, last = counted + span.count, span.last.at
        if plan.slot is not None:
            counted, last = counted + 1, plan.slot.at
        parts += 1
        if plan.next_check_at is None or plan.next_check_at > now:
            break
    assert counted == 10 * 1440
    assert last == now
    assert parts < 20


@given(
    st.integers(1, 200),
    st.integers(0, 3000),
    st.booleans(),
    st.one_of(st.none(), st.integers(1, 5000)),
    st.integers(0, 60),
)
def test_each_slot_is_accounted_for_once_at_any_check_times(
    step: int, length: int, coalesce: bool, grace: int | None, jitter: int
) -> None:
    schedule = Schedule(
        job="sync_games",
        every=Every(minutes=7),
        anchor=NOON,
        coalesce=coalesce,
        misfire_grace_s=grace,
        jitter_s=jitter,
    )
    accounted, last, now = [], NOON, NOON
    end = NOON + timedelta(minutes=length)
    while now < end:
        now += timedelta(minutes=step)
        while True:
            plan = due.due_slots("s", schedule, last, now)
            spans = [span for span in (plan.missed, plan.coalesced) if span is not None]
            for span in spans:
                accounted += [span.first.at + n * timedelta(minutes=7) for n in range(span.count)]
                assert accounted[-1] == span.last.at
            accounted += [plan.slot.at] if plan.slot else []
            last = max([last, *accounted])
            if plan.next_check_at is None or plan.next_check_at > now:
                break

    assert accounted == [NOON + n * timedelta(minutes=7) for n in range(1, len(accounted) + 1)]
    assert all(one < next_ for one, next_ in pairwise(accounted))
    assert NOON + (len(accounted) + 1) * timedelta(minutes=7) > now - timedelta(minutes=1)
