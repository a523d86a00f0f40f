"""Worked examples: the board of a week, ranked once it has closed everywhere."""

from datetime import UTC, datetime

import pytest

from tests.support.momentum.check_series import CheckSeries, RunSeries
from tests.support.momentum.scenario import MomentumScenario


@pytest.fixture(scope="module")
def series(run_series: RunSeries) -> CheckSeries:
    """Four players, and the checks of three weeks."""
    return run_series(_run_checks)


async def _run_checks(series: CheckSeries) -> None:
    await series.check("03-01T00:00")
    for user_id, points in {"p": 180, "q": 180, "a": 120, "r": 99}.items():
        series.scenario.add_player(user_id, xp=900, level=5)
        series.scenario.add_points(user_id, points, "2026-03-04")
    series.scenario.add_points("r", 99, "2026-03-11")
    for user_id, points in {"p": 300, "q": 150, "a": 140}.items():
        series.scenario.add_points(user_id, points, "2026-03-18")
    await series.check("03-08T23:59", "leaderboard")
    await series.check("03-09T17:05")
    await series.check("03-09T17:59")
    await series.check("03-09T17:59", "leaderboard")
    await series.check("03-09T18:00")
    await series.check("03-09T18:00", name="repeated")
    await series.check("03-16T18:00")
    await series.check("03-23T18:00")


@pytest.mark.parametrize("check", ["03-09T18:00", "repeated"])
def test_example_18_all_who_share_the_first_rank_become_legends_once(
    series: CheckSeries, check: str
) -> None:
    after = series.after[check]

    assert after.ranks("2026-W10") == {"p": 1, "q": 1, "a": 3, "r": 4}
    legends = [user for user in "pqar" if after.achievements(user) == ["leaderboard_legend"]]
    assert legends == ["p", "q"]
    assert [after.fields("xp", user_id=user)[0] for user in "pqar"] == [1100, 1100, 900, 900]
    # The reward belongs to no week and no month.
    assert after.week("p") == (0, "2026-W11")
    assert [len(after.notices("leaderboard_legend", user)) for user in "pqar"] == [1, 1, 0, 0]


@pytest.mark.parametrize("check", ["03-09T17:05", "03-09T17:59"])
def test_example_18_before_six_in_the_evening_of_monday_no_week_is_ranked(
    series: CheckSeries, check: str
) -> None:
    after = series.after[check]

    assert after.ranks("2026-W10") == {}
    assert after.achievements("p") == []


def test_example_19_the_first_rank_with_less_than_a_hundred_points_is_not_a_legend(
    series: CheckSeries,
) -> None:
    after = series.after["03-16T18:00"]

    assert after.ranks("2026-W11") == {"r": 1}
    assert after.achievements("r") == []
    assert after.fields("xp", user_id="r") == (900,)


def test_example_20_a_legend_stays_one_and_the_second_does_not_inherit(
    series: CheckSeries,
) -> None:
    after = series.after["03-23T18:00"]

    assert after.ranks("2026-W12") == {"p": 1, "q": 2, "a": 3}
    unlocked = [after.achievements(user) for user in "pqa"]
    assert unlocked == [["leaderboard_legend"], ["leaderboard_legend"], []]
    assert after.fields("xp", user_id="p") == (1100,)


async def test_a_week_that_a_killed_run_has_not_ranked_is_ranked_before_later_evidence(
    momentum: MomentumScenario,
) -> None:
    await momentum.begin("2026-03-01T00:00:00Z")
    momentum.add_player("u1", xp=95)
    momentum.add_points("u1", 180, "2026-03-04")
    momentum.application.reflect("u1", datetime(2026, 3, 10, 0, 30, tzinfo=UTC))
    await momentum.check("2026-03-09T18:00:00Z", "streaks")  # as far as the run has come

    await momentum.check("2026-03-10T01:05:00Z")

    levels = [notice["data"]["level"] for notice in momentum.notices("level_up")]
    assert (momentum.fields("xp"), levels) == ((305,), [3])


def test_example_21_a_week_that_runs_is_not_touched(series: CheckSeries) -> None:
    after = series.after["03-08T23:59"]

    assert after.ranks("2026-W10") == {}
    assert after.period("2026-W10", "p") is None


async def test_a_user_who_is_disabled_gets_no_rank_from_those_with_the_same_points(
    momentum: MomentumScenario,
) -> None:
    momentum.change_settings(batch=10)
    await momentum.begin("2026-03-01T00:00:00Z")
    for number in range(14):  # the first page of the board ends at u09
        momentum.add_player(f"u{number:02}")
        momentum.add_points(f"u{number:02}", 20 if number < 9 else 10, "2026-03-04")
    momentum.db.users.update_one({"user_id": "u09"}, {"$set": {"disabled": True}})

    await momentum.check("2026-03-09T18:00:00Z")

    ranked = {f"u{number:02}": 1 if number < 9 else 10 for number in range(14) if number != 9}
    assert momentum.ranks("2026-W10") == ranked
