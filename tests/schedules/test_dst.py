"""What a policy makes of local times that never come and of those that come twice."""

from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from chesscoach.schedules import dst, slots
from chesscoach.schedules.schedule import Schedule
from tests.conftest import scaled_rounds
from tests.schedules.test_slots import CRONS, INSTANTS, LORD_HOWE, NEW_YORK, ZONES

MINUTE = timedelta(minutes=1)
FIVE_FIELDS = tuple(cron for cron in CRONS if len(cron.split()) == 5)


def slots_on_day(cron: str, timezone: str, day: str, **policy: Any) -> list[str]:
    """The slots of a local day, as `HH:MM±HHMM` there."""
    zone = ZoneInfo(timezone)
    midnight = datetime.fromisoformat(day).replace(tzinfo=zone)
    schedule = Schedule(job="sync_games", cron=cron, timezone=timezone, **policy)
    begin = midnight.astimezone(UTC) - timedelta(seconds=1)
    found = [
        slot.at.astimezone(zone) for slot in islice(slots.slots_after("s", schedule, begin), 90)
    ]
    return [f"{at:%H:%M%z}" for at in found if at.date() == midnight.date()]


@pytest.mark.parametrize(
    ("cron", "gap", "expected"),
    [
        ("30 2 * * *", "run_after", ["03:00-0400"]),
        ("30 2 * * *", "skip", []),
        ("15,45 2 * * *", "run_after", ["03:00-0400"]),
        ("*/15 2 * * *", "run_after", ["03:00-0400"]),
        ("*/15 2 * * *", "skip", []),
        ("0 30 2 * * *", "run_after", ["03:00-0400"]),
        ("0 3 * * *", "run_after", ["03:00-0400"]),
        ("30 2,3 * * *", "skip", ["03:30-0400"]),
    ],
)
def test_times_that_are_left_out_in_spring(cron: str, gap: str, expected: list[str]) -> None:
    assert slots_on_day(cron, NEW_YORK, "2026-03-08", gap=gap) == expected


@pytest.mark.parametrize(
    ("cron", "fold", "expected"),
    [
        ("30 1 * * *", "first", ["01:30-0400"]),
        ("30 1 * * *", "both", ["01:30-0400", "01:30-0500"]),
        ("15,45 1 * * *", "both", ["01:15-0400", "01:45-0400", "01:15-0500", "01:45-0500"]),
        ("*/30 1 * * *", "first", ["01:00-0400", "01:30-0400"]),
        ("0 30 1 * * *", "first", ["01:30-0400"]),
    ],
)
def test_times_that_come_twice_in_autumn(cron: str, fold: str, expected: list[str]) -> None:
    assert slots_on_day(cron, NEW_YORK, "2026-11-01", fold=fold) == expected


def test_of_two_policies_the_one_that_is_not_said_is_as_cronsim_has_it() -> None:
    assert slots_on_day("30 2 * * *", NEW_YORK, "2026-03-08", fold="both") == ["03:00-0400"]
    assert slots_on_day("*/30 2 * * *", NEW_YORK, "2026-03-08", fold="first") == []
    assert slots_on_day("30 1 * * *", NEW_YORK, "2026-11-01", gap="skip") == ["01:30-0400"]
    assert len(slots_on_day("*/30 1 * * *", NEW_YORK, "2026-11-01", gap="skip")) == 4


@pytest.mark.parametrize("day", ["2026-04-05", "2026-10-04"])
def test_with_a_policy_no_slot_is_lost_where_the_clocks_change_by_half_an_hour(day: str) -> None:
    found = slots_on_day("0 */6 * * *", LORD_HOWE, day, gap="run_after")
    assert [at[:5] for at in found] == ["00:00", "06:00", "12:00", "18:00"]


def test_a_day_that_never_was_ends_at_its_end() -> None:
    zone = "Pacific/Apia"  # there was no 30 December
    assert slots_on_day("0 0 30 12 *", zone, "2011-12-31", gap="run_after") == ["00:00+1400"]
    assert slots_on_day("0 0 30 12 *", zone, "2011-12-31", gap="skip") == []


def slots_by_minute(
    cron: str, zone: ZoneInfo, begin: datetime, gap: str, fold: str, days: int
) -> list[datetime]:
    """The same, by looking at each minute of some days as a clock on the wall shows it."""
    first = begin.astimezone(zone).replace(tzinfo=None) - timedelta(days=1)
    last = first + timedelta(days=days + 3)
    named = set(takewhile(lambda at: at < last, CronSim(cron, first)))
    found, seen, at = [], set[datetime](), begin.replace(second=0, microsecond=0)
    before = (at - MINUTE).astimezone(zone)
    for _ in range(days * 1440):
        local = at.astimezone(zone)
        shown = local.replace(tzinfo=None, fold=0)
        left_out = shown - before.replace(tzinfo=None, fold=0) - MINUTE
        missed = [shown - MINUTE * n for n in range(1, int(left_out / MINUTE) + 1)]
        if (
            (shown in named and (not local.fold or fold == "both"))
            or (gap == "run_after" and any(each in named for each in missed))
        ) and at > begin:
            found.append(at)
        seen.add(shown)
        before, at = local, at + MINUTE
    return found


@pytest.mark.soak
@settings(max_examples=scaled_rounds(1000))
@given(
    st.sampled_from(FIVE_FIELDS),
    st.sampled_from((*ZONES, LORD_HOWE)),
    INSTANTS,
    st.sampled_from(["run_after", "skip"]),
    st.sampled_from(["first", "both"]),
)
def test_a_policy_names_what_a_clock_on_the_wall_shows(
    cron: str,
    zone: str,
    instant: datetime,
    gap: Literal["run_after", "skip"],
    fold: Literal["first", "both"],
) -> None:
    expected = slots_by_minute(cron, ZoneInfo(zone), instant, gap, fold, 3)
    schedule = Schedule(job="a", cron=cron, timezone=zone, gap=gap, fold=fold)
    end = instant.replace(second=0, microsecond=0) + timedelta(days=3)

    found = takewhile(lambda slot: slot.at < end, slots.slots_after("s", schedule, instant))

    assert [slot.at for slot in found] == expected


def test_second_passes_wait_for_their_turn() -> None:
    zone, begin = ZoneInfo(NEW_YORK), datetime(2026, 11, 1, 4, 59, tzinfo=UTC)
    found = dst.cron_instants("*/20 * * * *", zone, begin, gap="skip", fold="both")
    times = [f"{at.astimezone(zone):%H:%M%z}" for at in islice(found, 8)]
    assert times == [
        "01:00-0400", "01:20-0400", "01:40-0400",
        "01:00-0500", "01:20-0500", "01:40-0500",
        "02:00-0500", "02:20-0500",
    ]  # fmt: skip
