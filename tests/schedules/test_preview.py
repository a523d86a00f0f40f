"""What is to come, and what is said of days on which clocks are changed."""

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
from tests.schedules.test_slots import CRONS, INSTANTS, NEW_YORK, ZONES

DAY = timedelta(days=1)


def make_schedule(cron: str, timezone: str = NEW_YORK, **fields: Any) -> Schedule:
    return Schedule(job="sync_games", cron=cron, timezone=timezone, **fields)


def slot_notes(found: Schedule, day: str, count: int = 1) -> list[str]:
    """What is said of the slots from the noon (there) before a local day on."""
    begin = datetime.fromisoformat(day).replace(hour=17, tzinfo=UTC) - DAY
    lines = []
    for each in islice(preview.upcoming_slots("s", found, begin), count):
        said = [f"{each.local:%d %H:%M%z}", each.clocks or "", each.twice or ""]
        said += [f"for {local:%H:%M}" for local in each.moved]
        said += [f"without {local:%d %H:%M}" for local in each.left_out]
        lines.append(" ".join(word for word in said if word))
    return lines


@pytest.mark.parametrize(
    ("found", "expected"),
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
def test_where_clocks_go_forward_it_is_said_what_was_moved_or_left_out(
    found: Schedule, expected: str
) -> None:
    assert slot_notes(found, "2026-03-08") == [expected]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (make_schedule("30 1 * * *"), ["01 01:30-0400 back once", "02 01:30-0500"]),
        (
            make_schedule("0 30 1 * * *"),
            ["01 01:30-0400 back first", "01 01:30-0500 back second"],
        ),
        (make_schedule("30 2 * * *"), ["01 02:30-0500 back", "02 02:30-0500"]),
    ],
)
def test_where_clocks_go_back_it_is_said_what_comes_twice(
    found: Schedule, expected: list[str]
) -> None:
    assert slot_notes(found, "2026-11-01", 2) == expected


def test_an_ordinary_day_is_told_without_a_word_on_clocks() -> None:
    assert slot_notes(make_schedule("30 2 * * *"), "2026-07-01") == ["01 02:30-0400"]


def test_the_delay_of_a_jitter_is_the_slots_own() -> None:
    found = make_schedule("30 2 * * *", jitter_s=600.0)
    for each in islice(preview.upcoming_slots("s", found, NOON), 5):
        assert each.begins_at == each.slot.at + slots.jitter(found, each.slot)
        assert timedelta(0) <= each.begins_at - each.slot.at < timedelta(minutes=10)


@pytest.mark.soak
@settings(max_examples=scaled_rounds(500))
@given(
    st.sampled_from(CRONS),
    st.sampled_from(ZONES),
    INSTANTS,
)
def test_every_local_time_that_is_named_comes_is_moved_or_is_left_out(
    cron: str, zone: str, instant: datetime
) -> None:
    found = make_schedule(cron, zone)
    seen = list(islice(preview.upcoming_slots("s", found, instant), 60))

    assert [each.slot for each in seen] == list(islice(slots.slots_after("s", found, instant), 60))
    here = ZoneInfo(zone)
    begin, end = (
        at.astimezone(here).replace(tzinfo=None, fold=0) for at in (instant, seen[-1].local)
    )
    named = takewhile(lambda local: local < end, CronSim(cron, begin))
    never = [local for local in named if not dst.utc_instants_of(local, here)]
    assert never == [local for each in seen for local in sorted((*each.moved, *each.left_out))]
    for each in seen:
        both = dst.utc_instants_of(each.local.replace(tzinfo=None, fold=0), here)
        others = [at for at in both if at != each.slot.at and slots.is_slot("s", found, at)]
        assert (each.twice is None) == (len(both) != 2)
        if each.twice is not None:
            assert bool(others) == (each.twice != "once")


@pytest.mark.parametrize(
    ("found", "expected"),
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
def test_a_schedule_is_told_in_words(found: Schedule, expected: str) -> None:
    assert preview.describe(found) == expected


def to_hours(found: tuple[datetime, ...]) -> list[str]:
    return [f"{at:%d %H}" for at in found]


def test_a_change_is_told_by_the_slots_of_the_next_day() -> None:
    four = preview.slot_diff(
        make_schedule("0 */6 * * *", "UTC"), make_schedule("0 */4 * * *", "UTC"), NOON
    )

    assert four.until == NOON + DAY
    assert to_hours(four.dropped) == ["21 18", "22 06"]
    assert to_hours(four.added) == ["21 16", "21 20", "22 04", "22 08"]


def test_of_rare_schedules_the_first_days_that_have_a_slot_are_told() -> None:
    weekly, later = make_schedule("0 9 * * mon", "UTC"), make_schedule("0 9 * * tue", "UTC")
    found = preview.slot_diff(weekly, later, NOON)

    assert (found.until, to_hours(found.dropped), to_hours(found.added)) == (
        NOON + 8 * DAY,
        ["26 09"],
        ["27 09"],
    )
    assert preview.slot_diff(weekly, None, NOON).added == ()
    assert preview.slot_diff(None, None, NOON).dropped == ()


def test_of_frequent_schedules_no_more_is_told_than_can_be_compared() -> None:
    secondly, minutely = make_schedule("* * * * * *", "UTC"), make_schedule("* * * * *", "UTC")
    found = preview.slot_diff(secondly, minutely, NOON)

    assert found.until == NOON + timedelta(seconds=1000)
    assert (len(found.dropped), found.added) == (1000 - 16, ())
