"""Worked examples: perfect weeks and months, paid once, when the period closes at six."""

from datetime import UTC, datetime

import pytest

from tests.support.momentum.check_series import CheckSeries, RunSeries
from tests.support.momentum.scenario import MomentumScenario
from tests.support.training.session_documents import insert_session, insert_sessions

WITHOUT_SESSIONS = ("games_imported", "games_analysed", "puzzles", "reflections", "streak_days")
NOT_PERFECT = {
    "12": ["completed", "missed"],
    "12-open": ["completed", "scheduled"],
    "12-none": [],
    "13": ["cancelled"],
}
EXAMPLE_15 = {"in-time": "05:30", "late": "06:30"}


@pytest.fixture(scope="module")
def series(run_series: RunSeries) -> CheckSeries:
    """The checks of Monday, 9 March, at which W10 closes."""
    return run_series(_run_checks)


async def _run_checks(series: CheckSeries) -> None:
    await series.check("03-01T00:00")
    _add_players(series)
    await series.check("03-09T00:05")
    await series.check("03-09T02:00", "weekly")
    await series.check("03-09T05:05")
    await series.check("03-09T06:00")
    await series.check("03-09T07:00", "weekly")
    for check in ("05:05", "06:05", "07:05"):  # in New York; 4 hours from UTC since that Sunday
        done = [user_id for user_id, at in EXAMPLE_15.items() if at < check]
        completed = {"$set": {"status": "completed"}}
        series.db.training_sessions.update_many({"user_id": {"$in": done}}, completed)
        await series.check(f"03-09T{int(check[:2]) + 4:02}:05")


def _add_players(series: CheckSeries) -> None:
    db, add_player = series.db, series.scenario.add_player
    add_player("11", xp=80)
    insert_sessions(db, "11", "2026-03-03", ["completed", "cancelled", "completed"])
    for user_id, week in NOT_PERFECT.items():
        add_player(user_id)
        insert_sessions(db, user_id, "2026-03-07", week)  # Saturday and Sunday
    add_player("14")
    insert_session(db, "14", "2026-03-09")  # Monday of W11, completed at once
    for user_id in EXAMPLE_15:
        add_player(user_id, "America/New_York")
        insert_session(db, user_id, "2026-03-08", "scheduled")
    add_player("17", xp=500)
    insert_session(db, "17", "2026-03-04")
    series.application.reflect("17", datetime(2026, 3, 9, 3, tzinfo=UTC))


async def test_example_11_a_perfect_week_is_paid_once_however_often_it_is_checked(
    momentum: MomentumScenario,
) -> None:
    """In Pago Pago, 11 hours behind, one check ends and closes the week."""
    momentum.change_settings(book=WITHOUT_SESSIONS)
    await momentum.begin("2026-03-01T00:00:00Z")
    counters = {"xp": 80, "momentum_xp": 70, "weekly_xp": 50, "monthly_xp": 70}
    keys = {"weekly_key": "2026-W10", "monthly_key": "2026-03"}
    users = {"often": "UTC", "once": "Pacific/Pago_Pago"}
    for user_id, timezone in users.items():
        momentum.add_player(user_id, timezone, **counters, **keys)
        momentum.add_points(user_id, 20, "2026-03-01")
        momentum.add_points(user_id, 50, "2026-03-02")
        week = ["completed", "cancelled", "completed"]
        insert_sessions(momentum.db, user_id, "2026-03-03", week)

    for at in ("09T00:05", "09T05:59", "09T06:00", "09T06:00", "10T12:00", "10T12:00"):
        await momentum.check(f"2026-03-{at}:00Z", "weekly")

    for user_id in users:
        assert momentum.bonuses(user_id) == [("2026-W10", 30)]
        assert momentum.fields("xp", "momentum_xp", user_id=user_id) == (110, 100)
        assert momentum.week(user_id) == (0, "2026-W11")
        previous = momentum.fields("weekly_prev_xp", "weekly_prev_key", user_id=user_id)
        assert previous == (80, "2026-W10")
        assert momentum.month(user_id) == (100, "2026-03")
        assert len(momentum.notices("perfect_week", user_id)) == 1


def test_example_11_with_sessions_booked_each_of_them_pays_seven_as_well(
    series: CheckSeries,
) -> None:
    after = series.after["03-09T06:00"]

    assert after.fields("xp", "weekly_prev_xp", user_id="11") == (80 + 2 * 7 + 30, 44)


@pytest.mark.parametrize("user_id", NOT_PERFECT)
def test_examples_12_and_13_a_missed_session_or_none_at_all_is_not_perfect(
    series: CheckSeries, user_id: str
) -> None:
    after = series.after["03-09T11:05"]

    assert after.bonuses(user_id) == []
    assert after.notices("perfect_week", user_id) == []


def test_example_14_the_running_week_is_not_judged(series: CheckSeries) -> None:
    for now in ("03-09T02:00", "03-09T07:00"):
        assert series.after[now].bonuses("14") == []
        assert series.after[now].period("2026-W11", "14") is None


@pytest.mark.parametrize(("user_id", "perfect"), [("in-time", True), ("late", False)])
def test_example_15_a_session_counts_if_it_is_completed_before_the_week_closes(
    series: CheckSeries, user_id: str, perfect: bool
) -> None:
    """The hourly check closes the week at six; what comes later finds it closed."""
    after = series.after["03-09T11:05"]

    assert after.bonuses(user_id) == [("2026-W10", 30)] * perfect
    period = after.period("2026-W10", user_id)
    assert period is not None
    assert (period["planned"], period["done"], period["perfect"]) == (1, int(perfect), perfect)


async def test_example_16_a_perfect_month_needs_ten_sessions(
    momentum: MomentumScenario,
) -> None:
    await momentum.begin("2026-04-05T00:00:00Z")
    for user_id, completed in (("ten", 10), ("nine", 9)):
        momentum.add_player(user_id)
        insert_sessions(momentum.db, user_id, "2026-04-06", ["completed"] * completed)

    await momentum.check("2026-05-01T05:59:00Z", "monthly")
    before = momentum.events("ten", "perfect_month")
    await momentum.check("2026-05-01T06:00:00Z", "monthly")
    await momentum.check("2026-05-01T07:00:00Z", "all")

    assert before == []
    for user_id, paid in (("ten", [("2026-04", 150)]), ("nine", [])):
        assert [each for each in momentum.bonuses(user_id) if "W" not in each[0]] == paid
        assert len(momentum.notices("perfect_month", user_id)) == len(paid)


def test_example_17_a_bonus_after_the_reset_counts_in_the_week_that_it_is_for(
    series: CheckSeries,
) -> None:
    before, after = series.after["03-09T05:05"], series.after["03-09T06:00"]

    assert after.fields("xp", user_id="17") == (before.fields("xp", user_id="17")[0] + 30,)
    assert after.week("17") == before.week("17") == (10, "2026-W11")
    previous = after.fields("weekly_prev_xp", "weekly_prev_key", user_id="17")
    assert previous == (37, "2026-W10")
    period = after.period("2026-W10", "17")
    assert period is not None
    assert (period["points"], period["perfect"]) == (37, True)
