"""The next slots of a schedule, and the notes on days on which clocks change."""

from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from chesscoach.schedules import dst, preview, slots
from chesscoach.schedules.schedule import Every, Schedule
from tests.conftest import NOON, scaled_rounds
from tests.support.cron_cases import CRONS, INSTANTS, NEW_YORK, ZONES

DAY = timedelta(days=1)


def make_schedule(cron: str, timezone: str = NEW_YORK, **fields: Any) -> Schedule:
    return Schedule(job="sync_games", cron=cron, timezone=timezone, **fields)


def slot_notes(schedule: Schedule, day: str, count: int = 1) -> list[str]:
    """Returns the notes on the slots after noon of the day before a local day."""
    begin = datetime.fromisoformat(day).replace(hour=17, tzinfo=UTC) - DAY
    lines = []
    for upcoming in islice(preview.upcoming_slots("s", schedule, begin), count):
        words = [f"{upcoming.local:%d %H:%M%z}", upcoming.clocks or "", upcoming.twice or ""]
        words += [f"for {local:%H:%M}" for local in upcoming.moved]
        words += [f"without {local:%d %H:%M}" for local in upcoming.left_out]
        lines.append(" ".join(word for word in words if word))
    return lines


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (make_schedule("30 2 * * *"), "08 03:00-0400 forward for 02:30"),
        (make_schedule("15,45 2 * * *"), "08 03:00-0400 forward for 02:15 for 02:45"),
        (make_schedule("0 2,3 * * *"), "08 03:00-0400 forward for 02:00"),
        (make_schedule("0 30 2,3 * * *"), "08 03:30-0400 forward without 08 02:30"),
        (make_schedule("*/60 2,3 * * *"), "08 03:00-0400 forward without 08 02:00"),
        (make_schedule("0 30 2 * * *"), "09 02:30-0400 without 08 02:30"),
        (make_schedule("0 6 * * *"), "08 06:00-0400 forward"),
        (Schedule(job="x", at=datetime(2026, 3, 8, 20, tzinfo=UTC)), "08 20:00+0000"),
        (
            Schedule(job="x", at=datetime(2026, 3, 8, 20, tzinfo=UTC), timezone=NEW_YORK),
            "08 16:00-0400 forward",
        ),
    ],
)
def test_notes_name_times_that_are_moved_or_skipped_when_clocks_go_forward(
    schedule: Schedule, expected: str
) -> None:
    assert slot_notes(schedule, "2026-03-08") == [expected]


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (make_schedule("30 1 * * *"), ["01 01:30-0400 back once", "02 01:30-0500"]),
        (make_schedule("0 30 1 * * *"), ["01 01:30-0400 back first", "01 01:30-0500 back second"]),
        (make_schedule("30 2 * * *"), ["01 02:30-0500 back", "02 02:30-0500"]),
    ],
)
def test_notes_name_times_that_occur_twice_when_clocks_go_back(
    schedule: Schedule, expected: list[str]
) -> None:
    assert slot_notes(schedule, "2026-11-01", 2) == expected


def test_an_ordinary_day_has_no_notes_on_clocks() -> None:
    assert slot_notes(make_schedule("30 2 * * *"), "2026-07-01") == ["01 02:30-0400"]


def test_the_delay_of_a_jitter_is_the_slots_own() -> None:
    schedule = make_schedule("30 2 * * *", jitter_s=600.0)
    for upcoming in islice(preview.upcoming_slots("s", schedule, NOON), 5):
        assert upcoming.begins_at == upcoming.slot.at + slots.jitter(schedule, upcoming.slot)
        assert timedelta(0) <= upcoming.begins_at - upcoming.slot.at < timedelta(minutes=10)


@pytest.mark.soak
@settings(max_examples=scaled_rounds(500, 25))
@given(st.sampled_from(CRONS), st.sampled_from(ZONES), INSTANTS)
def test_every_configured_local_time_runs_is_moved_or_is_skipped(
    cron: str, zone: str, instant: datetime
) -> None:
    schedule = make_schedule(cron, zone)
    seen = list(islice(preview.upcoming_slots("s", schedule, instant), 60))

    assert [upcoming.slot for upcoming in seen] == list(
        islice(slots.slots_after("s", schedule, instant), 60)
    )
    here = ZoneInfo(zone)
    begin, end = (
        at.astimezone(here).replace(tzinfo=None, fold=0) for at in (instant, seen[-1].local)
    )
    named = takewhile(lambda local: local < end, CronSim(cron, begin))
    never = [local for local in named if not dst.utc_instants_of(local, here)]
    assert never == [
        local for upcoming in seen for local in sorted((*upcoming.moved, *upcoming.left_out))
    ]
    for upcoming in seen:
        both = dst.utc_instants_of(upcoming.local.replace(tzinfo=None, fold=0), here)
        others = [at for at in both if at != upcoming.slot.at and slots.is_slot("s", schedule, at)]
        assert (upcoming.twice is None) == (len(both) != 2)
        if upcoming.twice is not None:
            assert bool(others) == (upcoming.twice != "once")


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (
            make_schedule("30 5 * * mon-fri"),
            "At 05:30 on Monday through Friday, America/New_York time",
        ),
        (make_schedule("*/10 * * * * *", "UTC"), "Every 10th second of every minute, UTC time"),
        (
            Schedule(job="x", every=Every(weeks=1, days=2)),
            "Every 1w 2d of real time, counted from 2001-01-01T00:00:00Z",
        ),
        (Schedule(job="x", at=NOON), "Once, at 2026-10-21T12:00:00Z"),
    ],
)
def test_a_schedule_is_described_in_words(schedule: Schedule, expected: str) -> None:
    assert preview.describe(schedule) == expected


def to_hours(schedule: tuple[datetime, ...]) -> list[str]:
    return [f"{at:%d %H}" for at in schedule]


def test_a_change_is_shown_by_the_slots_of_the_next_day() -> None:
    four = preview.slot_diff(
        make_schedule("0 */6 * * *", "UTC"), make_schedule("0 */4 * * *", "UTC"), NOON
    )

    assert four.until == NOON + DAY
    assert to_hours(four.dropped) == ["21 18", "22 06"]
    assert to_hours(four.added) == ["21 16", "21 20", "22 04", "22 08"]


def test_a_change_of_a_rare_schedule_is_shown_by_the_first_days_with_a_slot() -> None:
    weekly, later = make_schedule("0 9 * * mon", "UTC"), make_schedule("0 9 * * tue", "UTC")
    change = preview.slot_diff(weekly, later, NOON)

    assert (change.until, to_hours(change.dropped), to_hours(change.added)) == (
        NOON + 8 * DAY,
        ["26 09"],
        ["27 09"],
    )
    assert preview.slot_diff(weekly, None, NOON).added == ()
    assert preview.slot_diff(None, None, NOON).dropped == ()


def test_a_change_of_a_frequent_schedule_shows_no_more_than_is_compared() -> None:
    secondly, minutely = make_schedule("* * * * * *", "UTC"), make_schedule("* * * * *", "UTC")
    change = preview.slot_diff(secondly, minutely, NOON)

    assert change.until == NOON + timedelta(seconds=1000)
    assert (len(change.dropped), change.added) == (1000 - 16, ())
