"""Cases at the edge of a rule: levels of a day, late completions, odd keys, amounts of 0."""

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from tests.support.momentum.check_series import CheckSeries, RunSeries
from tests.support.momentum.outcome import Outcome
from tests.support.momentum.scenario import MomentumScenario
from tests.support.training.session_documents import insert_session


def march(day: int, hour: int = 12) -> datetime:
    """An instant of March 2026 in UTC."""
    return datetime(2026, 3, day, hour, tzinfo=UTC)


LEVELS = {
    "one-check": (march(2, 14), march(2, 20), march(3, 12)),
    "two-checks": (march(2, 12), march(2, 20), march(3, 12)),
}
ODD_KEYS: tuple[Any, ...] = ("zzz", "2026-W1", 7, ["2026-W99"], {"$gt": ""}, None)
COMPLETED: dict[str, Any] = {
    "in-time": march(9, 5),
    "in-time-as-text": march(9, 5).isoformat(),
    "late": march(9, 7),
    "late-as-text": march(9, 7).isoformat(),
}


@pytest.fixture(scope="module")
def series(run_series: RunSeries) -> CheckSeries:
    """Checks from 2 to 9 March."""
    return run_series(_run_checks)


async def _run_checks(series: CheckSeries) -> None:
    await series.check("03-01T00:00")
    for user_id, instants in LEVELS.items():
        series.scenario.add_player(user_id, xp=95)
        for at in instants:
            series.application.analyse_by_worker(user_id, at, accuracy=91.0)
    for number, key in enumerate(ODD_KEYS):
        counter = {"weekly_xp": "many", "weekly_key": key, "weekly_prev_key": key}
        series.scenario.add_player(f"key-{number}", **counter)
        series.application.reflect(f"key-{number}", march(2))
    add_sessions(series.scenario)
    for now in ("02T13:05", "04T00:05", "09T08:05"):
        await series.check(f"03-{now}")


def add_sessions(momentum: MomentumScenario) -> None:
    """Players whose session of Sunday is completed before or after the week closes."""
    for user_id, at in COMPLETED.items():
        momentum.add_player(user_id)
        insert_session(momentum.db, user_id, "2026-03-08", "completed", completed_at=at)


@pytest.mark.parametrize("user_id", LEVELS)
def test_a_day_has_one_notification_of_the_level_however_often_checks_run(
    series: CheckSeries, user_id: str
) -> None:
    after = series.after["03-04T00:05"]

    assert [notice["data"]["level"] for notice in after.notices("level_up", user_id)] == [4]
    assert after.fields("xp", "level", user_id=user_id) == (650, 4)


@pytest.mark.parametrize("user_id", COMPLETED)
def test_a_session_that_is_completed_after_the_close_does_not_make_a_week_perfect(
    series: CheckSeries, user_id: str
) -> None:
    assert_perfect_if_in_time(series.after["03-09T08:05"], user_id)


@pytest.mark.long
async def test_a_session_that_is_completed_after_the_close_counts_in_no_late_run_either(
    momentum: MomentumScenario,
) -> None:
    await momentum.begin("2026-03-01T00:00:00Z")
    add_sessions(momentum)

    await momentum.check("2026-04-05T08:05:00Z")

    for user_id in COMPLETED:
        assert_perfect_if_in_time(momentum, user_id)


def assert_perfect_if_in_time(found: Outcome, user_id: str) -> None:
    """Expects a perfect week of the players who were in time, and of no other."""
    is_perfect = user_id.startswith("in-time")
    period = found.period("2026-W10", user_id)
    assert period is not None, user_id
    assert (period["perfect"], period["done"]) == (is_perfect, int(is_perfect)), user_id
    assert len(found.events(user_id, "perfect_week")) == int(is_perfect), user_id


@pytest.mark.parametrize("number", range(len(ODD_KEYS)))
def test_a_counter_with_an_odd_key_begins_the_current_period(
    series: CheckSeries, number: int
) -> None:
    assert series.after["03-02T13:05"].week(f"key-{number}") == (10, "2026-W10")


async def test_an_amount_of_0_still_counts_what_it_is_for(momentum: MomentumScenario) -> None:
    amounts = replace(momentum.settings.config.momentum.amounts, game_analyzed=0)
    momentum.change_settings(amounts=amounts)
    await momentum.begin("2026-03-01T00:00:00Z")
    momentum.add_player("u1")
    momentum.application.analyse_by_worker("u1", march(2), accuracy=70.0, blunders=1)

    await momentum.check("2026-03-02T18:05:00Z")

    assert momentum.fields("games_analyzed", "xp") == (1, 50)
    assert momentum.achievements() == ["curious_mind"]
