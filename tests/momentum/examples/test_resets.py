"""Worked examples: weekly and monthly counters, each player by their own calendar.

W10 of 2026 is Monday, 2 March, to Sunday, 8 March.
"""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.momentum.scenario import MomentumScenario
from tests.support.processes import run

JOB = "chesscoach.jobs.momentum"
W10: dict[str, Any] = {
    "weekly_xp": 50,
    "weekly_key": "2026-W10",
    "monthly_xp": 70,
    "monthly_key": "2026-03",
}


def at(text: str) -> datetime:
    """An instant of March 2026, such as `09 05:00`, in UTC."""
    return datetime.fromisoformat(f"2026-03-{text}:00").replace(tzinfo=UTC)


async def test_example_1_a_minute_before_the_week_ends_nothing_is_reset(
    momentum: MomentumScenario,
) -> None:
    await momentum.begin("2026-03-01T00:00:00Z")
    momentum.add_player("u1", xp=70, **W10)

    await momentum.check("2026-03-08T23:59:00Z", "weekly")

    assert momentum.week() == (50, "2026-W10")
    assert momentum.month() == (70, "2026-03")


async def test_example_2_at_midnight_the_week_begins_and_the_month_goes_on(
    environment: dict[str, str], momentum: MomentumScenario
) -> None:
    await momentum.begin("2026-03-01T00:00:00Z")
    momentum.add_player("u1", xp=70, **W10)
    flags = ("--check=weekly", "--now", "2026-03-09T00:00:00Z", "--json")

    done = await run(environment, JOB, *flags)

    assert (done.code, done.record["outcome"]) == (0, "succeeded"), done
    assert momentum.week() == (0, "2026-W11")
    assert momentum.fields("weekly_prev_xp", "weekly_prev_key") == (50, "2026-W10")
    assert momentum.month() == (70, "2026-03")


async def test_example_3_a_second_run_on_monday_keeps_what_was_earned_since(
    momentum: MomentumScenario,
) -> None:
    await momentum.begin("2026-03-01T00:00:00Z")
    momentum.add_player("u1", xp=70, **W10)
    momentum.unlock("u1", "curious_mind")
    await momentum.check("2026-03-09T00:00:00Z", "weekly")
    momentum.application.analyse_by_worker("u1", at("09 05:00"))  # 25 points

    await momentum.check("2026-03-09T06:00:00Z", "weekly")
    first = momentum.progress()
    await momentum.check("2026-03-09T06:00:00Z", "weekly")

    assert momentum.week() == (25, "2026-W11")
    assert momentum.month() == (95, "2026-03")
    assert momentum.fields("weekly_prev_xp", "weekly_prev_key") == (50, "2026-W10")
    assert momentum.progress() == first


async def test_example_4_each_player_begins_the_week_at_their_own_midnight(
    momentum: MomentumScenario,
) -> None:
    await momentum.begin("2026-03-01T00:00:00Z")
    momentum.add_player("u1", "Pacific/Auckland", xp=70, **W10)
    momentum.add_player("u2", "Pacific/Honolulu", xp=70, **W10)

    await momentum.check("2026-03-08T11:00:00Z", "weekly")

    assert momentum.week("u1") == (0, "2026-W11")
    assert momentum.week("u2") == (50, "2026-W10")


async def test_example_5_a_western_players_week_ends_ten_hours_after_utc(
    momentum: MomentumScenario,
) -> None:
    await momentum.begin("2026-03-01T00:00:00Z")
    momentum.add_player("u1", "Pacific/Honolulu", xp=70, **W10)

    await momentum.check("2026-03-09T09:59:00Z", "weekly")
    before = momentum.week()
    await momentum.check("2026-03-09T10:00:00Z", "weekly")

    assert before == (50, "2026-W10")
    assert momentum.week() == (0, "2026-W11")


async def test_example_6_a_job_that_was_down_for_weeks_resets_to_the_current_periods(
    momentum: MomentumScenario,
) -> None:
    await momentum.begin("2026-02-01T00:00:00Z")
    momentum.add_player(
        "u1",
        xp=90,
        weekly_xp=80,
        weekly_key="2026-W09",
        monthly_xp=90,
        monthly_key="2026-02",
    )

    await momentum.check("2026-03-12T03:00:00Z")

    assert momentum.week() == (0, "2026-W11")
    assert momentum.month() == (0, "2026-03")
    assert momentum.fields("weekly_prev_xp", "weekly_prev_key") == (80, "2026-W09")
    assert momentum.fields("monthly_prev_xp", "monthly_prev_key") == (90, "2026-02")


@pytest.mark.parametrize("check", ["all", "streaks", "monthly"])
async def test_example_7_an_award_before_any_reset_begins_the_new_week(
    momentum: MomentumScenario, check: str
) -> None:
    await momentum.begin("2026-03-01T00:00:00Z")
    counters = {**W10, "weekly_xp": 80, "monthly_xp": 90}
    momentum.add_player("u1", xp=300, level=3, **counters)
    momentum.application.reflect("u1", at("09 00:30"))  # 10 points

    await momentum.check("2026-03-09T00:30:00Z", check)

    assert momentum.week() == (10, "2026-W11")
    assert momentum.month() == (100, "2026-03")
    assert momentum.fields("xp") == (310,)


async def test_example_8_a_player_who_flies_west_keeps_the_newer_week(
    momentum: MomentumScenario,
) -> None:
    await momentum.begin("2026-03-01T00:00:00Z")
    counters = {**W10, "weekly_xp": 30, "weekly_key": "2026-W11"}
    momentum.add_player("u1", "Pacific/Honolulu", xp=70, **counters, tz="Pacific/Auckland")
    momentum.unlock("u1", "first_steps")

    await momentum.check("2026-03-08T20:00:00Z", "weekly")
    after_reset = momentum.week()
    momentum.application.sync_game("u1", at("08 20:00"))  # 5 points
    await momentum.check("2026-03-08T20:00:00Z", "weekly")

    assert after_reset == (30, "2026-W11")
    assert momentum.week() == (35, "2026-W11")


@pytest.mark.parametrize(
    ("begun", "weeks"),
    [
        ("2024-12-29", {"2024-12-30": "2025-W01"}),
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
    assert momentum.week() == (momentum_points(momentum, last), last)


def momentum_points(momentum: MomentumScenario, week: str) -> int:
    """The sum of the ledger for a week."""
    return sum(event["points"] for event in momentum.events() if event["week_key"] == week)


async def test_example_10_a_month_that_begins_on_a_sunday_resets_the_month_alone(
    momentum: MomentumScenario,
) -> None:
    await momentum.begin("2026-02-01T00:00:00Z")
    momentum.add_player(
        "u1",
        xp=70,
        weekly_xp=50,
        weekly_key="2026-W09",
        monthly_xp=70,
        monthly_key="2026-02",
    )

    await momentum.check("2026-03-01T06:00:00Z")

    assert momentum.month() == (0, "2026-03")
    assert momentum.week() == (50, "2026-W09")


async def test_example_46_a_user_without_a_usable_zone_is_in_utc_and_flagged(
    momentum: MomentumScenario,
) -> None:
    await momentum.begin("2026-03-01T00:00:00Z")
    unusable: tuple[Any, ...] = ("Mars/Phobos", "", 7, ["UTC"], "../etc/passwd", None)
    users = {f"u{number}": timezone for number, timezone in enumerate(unusable)}
    for user_id, timezone in users.items():
        momentum.add_player(user_id, timezone, xp=70, **W10)

    await momentum.check("2026-03-09T00:00:00Z")

    for user_id, timezone in users.items():
        assert momentum.week(user_id) == (0, "2026-W11"), timezone
        tz, source = momentum.fields("tz", "tz_source", user_id=user_id)
        assert tz == "UTC", timezone
        assert source not in (None, "", "user", "users"), timezone
