"""Worked examples: perfect weeks and months, paid once, when the period closes at six."""

from datetime import UTC, datetime

import pytest

from tests.support.momentum.scenario import MomentumScenario
from tests.support.training.session_documents import insert_session, insert_sessions

WITHOUT_SESSIONS = ("games_imported", "games_analysed", "puzzles", "reflections", "streak_days")


def bonuses(momentum: MomentumScenario, user_id: str = "u1") -> list[tuple[str, int]]:
    """The player's bonuses in the ledger, as period and points."""
    events = momentum.events(user_id, "perfect_week") + momentum.events(user_id, "perfect_month")
    return [(event["_id"].rsplit("|", 1)[-1], event["points"]) for event in events]


@pytest.mark.parametrize("runs", [["09T06:00"], ["09T00:05", "09T05:59", "09T06:00", "10T12:00"]])
async def test_example_11_a_perfect_week_is_paid_once_however_often_it_is_checked(
    momentum: MomentumScenario, runs: list[str]
) -> None:
    momentum.change_settings(book=WITHOUT_SESSIONS)
    await momentum.begin("2026-03-01T00:00:00Z")
    momentum.add_player(
        "u1",
        xp=80,
        momentum_xp=70,
        weekly_xp=50,
        weekly_key="2026-W10",
        monthly_xp=70,
        monthly_key="2026-03",
    )
    momentum.add_points("u1", 20, "2026-03-01")
    momentum.add_points("u1", 50, "2026-03-02")
    insert_sessions(momentum.db, "u1", "2026-03-03", ["completed", "cancelled", "completed"])

    for at in runs:
        await momentum.check(f"2026-03-{at}:00Z", "weekly")
        await momentum.check(f"2026-03-{at}:00Z", "weekly")

    assert bonuses(momentum) == [("2026-W10", 30)]
    assert momentum.fields("xp", "momentum_xp") == (110, 100)
    assert momentum.week() == (0, "2026-W11")
    assert momentum.fields("weekly_prev_xp", "weekly_prev_key") == (80, "2026-W10")
    assert momentum.month() == (100, "2026-03")
    assert len(momentum.notices("perfect_week")) == 1


async def test_example_11_with_sessions_booked_each_of_them_pays_seven_as_well(
    momentum: MomentumScenario,
) -> None:
    await momentum.begin("2026-03-01T00:00:00Z")
    momentum.add_player("u1", xp=80)
    insert_sessions(momentum.db, "u1", "2026-03-03", ["completed", "cancelled", "completed"])

    await momentum.check("2026-03-09T06:00:00Z")

    assert momentum.fields("xp") == (80 + 2 * 7 + 30,)
    assert momentum.fields("weekly_prev_xp") == (44,)


async def test_examples_12_and_13_a_missed_session_or_none_at_all_is_not_perfect(
    momentum: MomentumScenario,
) -> None:
    await momentum.begin("2026-03-01T00:00:00Z")
    statuses = {
        "12": ["completed", "missed"],
        "12-open": ["completed", "scheduled"],
        "12-none": [],
        "13": ["cancelled"],
    }
    for user_id, week in statuses.items():
        momentum.add_player(user_id)
        insert_sessions(momentum.db, user_id, "2026-03-07", week)  # Saturday and Sunday

    await momentum.check("2026-03-09T06:00:00Z", "weekly")

    for user_id in statuses:
        assert bonuses(momentum, user_id) == [], user_id
        assert momentum.notices("perfect_week", user_id) == [], user_id


async def test_example_14_the_running_week_is_not_judged(momentum: MomentumScenario) -> None:
    await momentum.begin("2026-03-01T00:00:00Z")
    momentum.add_player("u1")
    insert_session(momentum.db, "u1", "2026-03-09")  # Monday of W11, completed at once

    await momentum.check("2026-03-09T02:00:00Z", "weekly")
    await momentum.check("2026-03-09T07:00:00Z", "weekly")

    assert bonuses(momentum) == []
    assert momentum.period("2026-W11") is None


async def test_example_15_a_session_counts_if_it_is_completed_before_the_week_closes(
    momentum: MomentumScenario,
) -> None:
    """The hourly check closes the week at six; what comes later finds it closed."""
    await momentum.begin("2026-03-01T00:00:00Z")
    completed = {"in-time": "05:30", "late": "06:30"}
    for user_id in completed:
        momentum.add_player(user_id, "America/New_York")
        insert_session(momentum.db, user_id, "2026-03-08", "scheduled")
    for check in ("05:05", "06:05", "07:05"):  # in New York; 4 hours from UTC since that Sunday
        done = [user_id for user_id, at in completed.items() if at < check]
        momentum.db.training_sessions.update_many(
            {"user_id": {"$in": done}}, {"$set": {"status": "completed"}}
        )
        hour = int(check[:2]) + 4
        await momentum.check(f"2026-03-09T{hour:02}:05:00Z")

    assert bonuses(momentum, "in-time") == [("2026-W10", 30)]
    assert bonuses(momentum, "late") == []
    for user_id, perfect in (("in-time", True), ("late", False)):
        period = momentum.period("2026-W10", user_id)
        assert period is not None
        assert (period["planned"], period["done"], period["perfect"]) == (1, int(perfect), perfect)


async def test_example_16_a_perfect_month_needs_ten_sessions(
    momentum: MomentumScenario,
) -> None:
    await momentum.begin("2026-03-01T00:00:00Z")
    for user_id, completed in (("ten", 10), ("nine", 9)):
        momentum.add_player(user_id)
        insert_sessions(momentum.db, user_id, "2026-04-06", ["completed"] * completed)

    await momentum.check("2026-05-01T05:59:00Z", "monthly")
    before = momentum.events("ten", "perfect_month")
    await momentum.check("2026-05-01T06:00:00Z", "monthly")
    await momentum.check("2026-05-01T07:00:00Z", "all")

    assert before == []
    for user_id, paid in (("ten", [("2026-04", 150)]), ("nine", [])):
        assert [each for each in bonuses(momentum, user_id) if "W" not in each[0]] == paid
        assert len(momentum.notices("perfect_month", user_id)) == len(paid)


async def test_example_17_a_bonus_after_the_reset_counts_in_the_week_that_it_is_for(
    momentum: MomentumScenario,
) -> None:
    await momentum.begin("2026-03-01T00:00:00Z")
    momentum.add_player("u1", xp=500)
    insert_session(momentum.db, "u1", "2026-03-04")
    await momentum.check("2026-03-09T00:05:00Z")
    momentum.application.reflect("u1", datetime(2026, 3, 9, 3, tzinfo=UTC))
    await momentum.check("2026-03-09T05:05:00Z")
    xp, this_week = momentum.fields("xp")[0], momentum.week()

    await momentum.check("2026-03-09T06:00:00Z")

    assert momentum.fields("xp") == (xp + 30,)
    assert momentum.week() == this_week == (10, "2026-W11")
    assert momentum.fields("weekly_prev_xp", "weekly_prev_key") == (37, "2026-W10")
    period = momentum.period("2026-W10")
    assert period is not None
    assert (period["points"], period["perfect"]) == (37, True)
