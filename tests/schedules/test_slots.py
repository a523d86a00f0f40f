from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chesscoach.schedules import slots
from chesscoach.schedules.schedule import Schedule, Slot
from tests.conftest import scaled_rounds
from tests.support.cron_cases import CRONS, INSTANTS, LORD_HOWE, NEW_YORK, ZONES


def make_schedule(cron: str, timezone: str) -> Schedule:
    return Schedule(job="sync_games", cron=cron, timezone=timezone)


def next_slots(cron: str, timezone: str, instant: datetime, count: int) -> list[datetime]:
    return [
        slot.at
        for slot in islice(slots.slots_after("s", make_schedule(cron, timezone), instant), count)
    ]


def slots_on_day(cron: str, timezone: str, day: str) -> list[str]:
    """The slots of a local day, as `HH:MM±HHMM` there."""
    zone = ZoneInfo(timezone)
    midnight = datetime.fromisoformat(day).replace(tzinfo=zone)
    found = next_slots(cron, timezone, midnight.astimezone(UTC) - timedelta(seconds=1), 60)
    local = [at.astimezone(zone) for at in found]
    return [f"{at:%H:%M%z}" for at in local if at.date() == midnight.date()]


NORMAL_DAY = ["06:00", "12:00", "18:00"]


@pytest.mark.parametrize(
    ("cron", "spring", "autumn"),
    [
        ("30 2 * * *", ["03:00-0400"], ["02:30-0500"]),
        ("30 1 * * *", ["01:30-0500"], ["01:30-0400"]),
        ("15,45 2 * * *", ["03:00-0400"], ["02:15-0500", "02:45-0500"]),
        ("15,45 1 * * *", ["01:15-0500", "01:45-0500"], ["01:15-0400", "01:45-0400"]),
        (
            "*/30 1 * * *",
            ["01:00-0500", "01:30-0500"],
            ["01:00-0400", "01:30-0400", "01:00-0500", "01:30-0500"],
        ),
        ("*/15 2 * * *", [], [f"02:{minute:02}-0500" for minute in (0, 15, 30, 45)]),
        (
            "0 0,6,12,18 * * *",
            ["00:00-0500", *(f"{at}-0400" for at in NORMAL_DAY)],
            ["00:00-0400", *(f"{at}-0500" for at in NORMAL_DAY)],
        ),
        (
            "0 */6 * * *",
            ["00:00-0500", *(f"{at}-0400" for at in NORMAL_DAY)],
            ["00:00-0400", *(f"{at}-0500" for at in NORMAL_DAY)],
        ),
        ("0 30 2 * * *", [], ["02:30-0500"]),
        ("0 30 1 * * *", ["01:30-0500"], ["01:30-0400", "01:30-0500"]),
    ],
)
def test_slots_in_new_york_when_the_clocks_change(
    cron: str, spring: list[str], autumn: list[str]
) -> None:
    assert slots_on_day(cron, NEW_YORK, "2026-03-08") == spring
    assert slots_on_day(cron, NEW_YORK, "2026-11-01") == autumn


def test_an_hourly_schedule_keeps_its_pace_when_the_clocks_change() -> None:
    for day, hours in (("2026-03-08", 23), ("2026-11-01", 25)):
        found = slots_on_day("0 * * * *", NEW_YORK, day)
        assert len(found) == len(set(found)) == hours


@pytest.mark.parametrize(
    ("cron", "timezone", "day", "expected"),
    [
        ("0 0 * * *", "America/Santiago", "2026-09-06", ["01:00-0300"]),  # midnight is left out
        ("0 0 * * *", "Pacific/Apia", "2011-12-29", ["00:00-1000"]),
        ("0 0 * * *", "Pacific/Apia", "2011-12-31", ["00:00+1400"]),  # the 30th never was
        ("15 2 * * *", LORD_HOWE, "2026-10-04", ["02:30+1100"]),
        ("45 1 * * *", LORD_HOWE, "2026-04-05", ["01:45+1100"]),
        ("0 6 * * *", LORD_HOWE, "2026-10-04", ["06:00+1100"]),
        ("0 6 * * *", LORD_HOWE, "2026-04-05", ["06:00+1030"]),
        ("0 */6 * * *", "Asia/Kathmandu", "2026-11-21",
         ["00:00+0545", "06:00+0545", "12:00+0545", "18:00+0545"]),
    ],
)  # fmt: skip
def test_slots_in_zones_with_unusual_clock_changes(
    cron: str, timezone: str, day: str, expected: list[str]
) -> None:
    assert slots_on_day(cron, timezone, day) == expected


@pytest.mark.xfail(
    strict=True, reason="cronsim 2.8 loses 06:00 there; this tells when it no more does"
)
@pytest.mark.parametrize("day", ["2026-04-05", "2026-10-04"])
def test_no_slot_is_lost_where_the_clocks_change_by_half_an_hour(day: str) -> None:
    assert [at[:5] for at in slots_on_day("0 */6 * * *", LORD_HOWE, day)] == ["00:00", *NORMAL_DAY]


def test_a_restart_in_the_second_pass_of_the_autumn_hour_names_nothing_that_has_passed() -> None:
    second_pass = datetime(2026, 11, 1, 6, 10, tzinfo=UTC)  # 01:10 EST; 01:30 EDT was at 05:30
    assert next_slots("30 1 * * *", NEW_YORK, second_pass, 1) == [
        datetime(2026, 11, 2, 6, 30, tzinfo=UTC)
    ]
    assert slots.latest_slot("s", make_schedule("30 1 * * *", NEW_YORK), second_pass) == Slot(
        schedule="s", at=datetime(2026, 11, 1, 5, 30, tzinfo=UTC)
    )
    assert not slots.is_slot(
        "s", make_schedule("30 1 * * *", NEW_YORK), datetime(2026, 11, 1, 6, 30, tzinfo=UTC)
    )


@pytest.mark.soak
@settings(max_examples=scaled_rounds(3000, 60))
@given(st.sampled_from(CRONS), st.sampled_from((*ZONES, LORD_HOWE)), INSTANTS)
def test_slots_increase_and_do_not_depend_on_the_starting_point(
    cron: str, zone: str, instant: datetime
) -> None:
    found = next_slots(cron, zone, instant, 40)
    assert len(found) == 40
    assert all(one < next_ for one, next_ in pairwise([instant, *found]))
    assert all(at.tzinfo is UTC and at.microsecond == 0 for at in found)
    for number in range(0, 30, 3):
        assert next_slots(cron, zone, found[number], 10) == found[number + 1 : number + 11]


@pytest.mark.soak
@settings(max_examples=scaled_rounds(3000, 60))
@given(st.sampled_from(CRONS[1:]), st.sampled_from(ZONES), INSTANTS)
def test_the_latest_slot_is_the_last_one_of_all_from_far_back(
    cron: str, zone: str, instant: datetime
) -> None:
    sparse = cron.split()[-3:] != ["*", "*", "*"]
    far = instant - timedelta(days=400 if sparse else 3)
    last = None
    for slot in slots.slots_after("s", make_schedule(cron, zone), far):
        if slot.at > instant:
            break
        last = slot
    assert last is not None
    assert slots.latest_slot("s", make_schedule(cron, zone), instant) == last
    assert slots.latest_slot("s", make_schedule(cron, zone), last.at) == last


@pytest.mark.soak
@settings(max_examples=scaled_rounds(3000, 60))
@given(st.sampled_from(CRONS), st.sampled_from(ZONES), INSTANTS)
def test_an_instant_is_a_slot_if_it_is_one_of_those_from_before(
    cron: str, zone: str, instant: datetime
) -> None:
    found = next_slots(cron, zone, instant, 12)
    plan = make_schedule(cron, zone)
    for at in found:
        assert slots.is_slot("s", plan, at)
        assert not slots.is_slot("s", plan, at + timedelta(microseconds=1))
    near = {at + timedelta(minutes=30 * n) for at in found for n in (-2, -1, 1, 2)}
    for at in near:
        if instant < at <= found[-1]:
            assert slots.is_slot("s", plan, at) == (at in found)


def test_a_schedule_that_is_never_due_has_no_slots() -> None:
    never = make_schedule("0 0 */31 * 1#5", "UTC")  # the first day of a month, on its fifth Monday
    instant = datetime(2026, 11, 21, tzinfo=UTC)
    assert list(islice(slots.slots_after("s", never, instant), 3)) == []
    assert slots.latest_slot("s", never, instant) is None
    assert not slots.is_slot("s", never, instant)


def test_a_rare_date_is_found_however_long_ago_it_was() -> None:
    rare = make_schedule("0 0 29 2 */7", "UTC")  # a 29 February that is a Sunday: 2004, then 2032
    instant = datetime(2032, 2, 28, 23, 59, tzinfo=UTC)
    found = slots.latest_slot("s", rare, instant)
    assert found is not None
    assert found.name == "2004-02-29T00:00:00Z"
    assert next_slots("0 0 29 2 */7", "UTC", instant, 1) == [datetime(2032, 2, 29, tzinfo=UTC)]


def test_a_slot_is_named_in_utc_and_keys_its_run() -> None:
    slot = Slot(schedule="nightly", at=datetime(2026, 11, 1, 1, 30, tzinfo=ZoneInfo(NEW_YORK)))
    assert slot.name == "2026-11-01T05:30:00Z"
    assert slot.key == "nightly:2026-11-01T05:30:00Z"
