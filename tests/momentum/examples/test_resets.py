"""Worked examples: weekly and monthly counters, each player by their own calendar.

W10 of 2026 is Monday, 2 March, to Sunday, 8 March. The players of most examples share one series
of checks.
"""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.momentum.check_series import CheckSeries, RunSeries
from tests.support.momentum.scenario import MomentumScenario

W10: dict[str, Any] = {
    "weekly_xp": 50,
    "weekly_key": "2026-W10",
    "monthly_xp": 70,
    "monthly_key": "2026-03",
}
EARLY = {
    "all": ("Atlantic/Azores", "03-09T01:30"),
    "streaks": ("Atlantic/South_Georgia", "03-09T02:30"),
    "monthly": ("America/Sao_Paulo", "03-09T03:30"),
}
"""Checks at half past midnight in a time zone where none has come since Monday has begun."""

UNUSABLE_ZONES: tuple[Any, ...] = ("Mars/Phobos", "", 7, ["UTC"], "../etc/passwd", None)


def at(text: str) -> datetime:
    """An instant of March 2026, such as `09T05:00`, in UTC."""
    return datetime.fromisoformat(f"2026-03-{text}:00").replace(tzinfo=UTC)


@pytest.fixture(scope="module")
def series(run_series: RunSeries) -> CheckSeries:
    """The checks from 28 February on; most of them are weekly ones."""
    return run_series(_run_checks)


async def _run_checks(series: CheckSeries) -> None:
    await series.check("02-28T00:00")
    _add_players(series)
    await series.check("03-01T06:00")
    await series.check("03-08T11:00", "weekly")
    # Back from a place where it was Monday.
    flown: dict[str, Any] = {
        **W10,
        "weekly_xp": 30,
        "weekly_key": "2026-W11",
        "tz": "Pacific/Auckland",
    }
    series.scenario.add_player("flown", "Pacific/Honolulu", xp=70, **flown)
    series.scenario.unlock("flown", "first_steps")
    await series.check("03-08T20:00", "weekly")
    series.application.sync_game("flown", at("08T20:00"))  # 5 points
    await series.check("03-08T20:00", "weekly", name="after a game")
    await series.check("03-08T23:59", "weekly")
    await series.check("03-09T00:00", "weekly")
    for check, (_, now) in EARLY.items():
        await series.check(now, check)
    await series.check("03-09T06:00", "weekly")
    await series.check("03-09T06:00", "weekly", name="repeated")
    await series.check("03-09T09:59", "weekly")
    await series.check("03-09T10:00", "weekly")


def _add_players(series: CheckSeries) -> None:
    add_player = series.scenario.add_player
    add_player("utc", xp=70, **W10)
    add_player("active", xp=70, **W10)
    series.scenario.unlock("active", "curious_mind")
    series.application.analyse_by_worker("active", at("09T05:00"))  # 25 points
    add_player("east", "Pacific/Auckland", xp=70, **W10)
    add_player("west", "Pacific/Honolulu", xp=70, **W10)
    for check, (timezone, now) in EARLY.items():
        counters = {**W10, "weekly_xp": 80, "monthly_xp": 90}
        add_player(f"early-{check}", timezone, xp=300, level=3, **counters)
        series.application.reflect(f"early-{check}", at(now[3:]))  # 10 points
    february: dict[str, Any] = {"weekly_xp": 50, "weekly_key": "2026-W09"}
    add_player("february", xp=70, **february, monthly_xp=70, monthly_key="2026-02")
    for number, timezone in enumerate(UNUSABLE_ZONES):
        add_player(f"zone-{number}", timezone, xp=70, **W10)


def test_example_1_a_minute_before_the_week_ends_nothing_is_reset(series: CheckSeries) -> None:
    after = series.after["03-08T23:59"]

    assert after.week("utc") == (50, "2026-W10")
    assert after.month("utc") == (70, "2026-03")


def test_example_2_at_midnight_the_week_begins_and_the_month_goes_on(series: CheckSeries) -> None:
    after = series.after["03-09T00:00"]

    assert after.week("utc") == (0, "2026-W11")
    previous = after.fields("weekly_prev_xp", "weekly_prev_key", user_id="utc")
    assert previous == (50, "2026-W10")
    assert after.month("utc") == (70, "2026-03")


def test_example_3_a_second_run_on_monday_keeps_what_was_earned_since(series: CheckSeries) -> None:
    first, second = series.after["03-09T06:00"], series.after["repeated"]

    assert first.week("active") == (25, "2026-W11")
    assert first.month("active") == (95, "2026-03")
    previous = first.fields("weekly_prev_xp", "weekly_prev_key", user_id="active")
    assert previous == (50, "2026-W10")
    assert second.progress("active") == first.progress("active")


def test_example_4_each_player_begins_the_week_at_their_own_midnight(series: CheckSeries) -> None:
    after = series.after["03-08T11:00"]

    assert after.week("east") == (0, "2026-W11")
    assert after.week("west") == (50, "2026-W10")


def test_example_5_a_western_players_week_ends_ten_hours_after_utc(series: CheckSeries) -> None:
    assert series.after["03-09T09:59"].week("west") == (50, "2026-W10")
    assert series.after["03-09T10:00"].week("west") == (0, "2026-W11")


async def test_example_6_a_job_that_was_down_for_weeks_resets_to_the_current_periods(
    momentum: MomentumScenario,
) -> None:
    await momentum.begin("2026-02-20T00:00:00Z")
    february = {"weekly_key": "2026-W09", "monthly_key": "2026-02"}
    momentum.add_player("u1", xp=90, weekly_xp=80, monthly_xp=90, **february)

    await momentum.check("2026-03-12T03:00:00Z")

    assert momentum.week() == (0, "2026-W11")
    assert momentum.month() == (0, "2026-03")
    assert momentum.fields("weekly_prev_xp", "weekly_prev_key") == (80, "2026-W09")
    assert momentum.fields("monthly_prev_xp", "monthly_prev_key") == (90, "2026-02")


@pytest.mark.parametrize("check", EARLY)
def test_example_7_an_award_before_any_reset_begins_the_new_week(
    series: CheckSeries, check: str
) -> None:
    user_id, (_, now) = f"early-{check}", EARLY[check]
    after = series.after[now]

    assert after.week(user_id) == (10, "2026-W11")
    assert after.month(user_id) == (100, "2026-03")
    assert after.fields("xp", user_id=user_id) == (310,)


def test_example_8_a_player_who_flies_west_keeps_the_newer_week(series: CheckSeries) -> None:
    assert series.after["03-08T20:00"].week("flown") == (30, "2026-W11")
    assert series.after["after a game"].week("flown") == (35, "2026-W11")


@pytest.mark.parametrize(
    ("begun", "weeks"),
    [
        pytest.param("2024-12-29", {"2024-12-30": "2025-W01"}, marks=pytest.mark.long),
        (
            "2026-12-30",
            {"2026-12-31": "2026-W53", "2027-01-03": "2026-W53", "2027-01-04": "2027-W01"},
        ),
    ],
)
async def test_example_9_weeks_are_those_of_iso_also_around_the_new_year(
    momentum: MomentumScenario, begun: str, weeks: dict[str, str]
) -> None:
    await momentum.begin(f"{begun}T00:00:00Z")
    momentum.add_player("u1")
    for day in weeks:
        momentum.application.reflect("u1", datetime.fromisoformat(f"{day}T12:00:00+00:00"))

    await momentum.check(f"{max(weeks)}T13:00:00Z")

    reflections = [event for event in momentum.events() if event["points"] == 10]
    assert {event["local_date"]: event["week_key"] for event in reflections} == weeks
    last = weeks[max(weeks)]
    points = sum(event["points"] for event in momentum.events() if event["week_key"] == last)
    assert momentum.week() == (points, last)


def test_example_10_a_month_that_begins_on_a_sunday_resets_the_month_alone(
    series: CheckSeries,
) -> None:
    after = series.after["03-01T06:00"]

    assert after.month("february") == (0, "2026-03")
    assert after.week("february") == (50, "2026-W09")


@pytest.mark.parametrize("number", range(len(UNUSABLE_ZONES)))
def test_example_46_a_user_without_a_usable_zone_is_in_utc_and_flagged(
    series: CheckSeries, number: int
) -> None:
    after, user_id = series.after["03-09T00:00"], f"zone-{number}"

    assert after.week(user_id) == (0, "2026-W11")
    tz, source = after.fields("tz", "tz_source", user_id=user_id)
    assert tz == "UTC"
    assert source not in (None, "", "user", "users")
