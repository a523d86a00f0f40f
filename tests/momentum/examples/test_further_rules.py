"""Rules beyond the worked examples: each through the job, on a real database."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tests.support.momentum import comparison
from tests.support.momentum.scenario import MomentumScenario
from tests.support.processes import run
from tests.support.training.session_documents import insert_session, insert_sessions

JOB = "chesscoach.jobs.momentum"
W10: dict[str, Any] = {
    "weekly_xp": 50,
    "weekly_key": "2026-W10",
    "monthly_xp": 70,
    "monthly_key": "2026-03",
}


def march(day: int, hour: int = 12) -> datetime:
    """An instant of March 2026 in UTC."""
    return datetime(2026, 3, day, hour, tzinfo=UTC)


async def test_a_month_that_ends_on_a_sunday_pays_into_that_week(
    momentum: MomentumScenario,
) -> None:
    await momentum.begin("2026-05-01T00:00:00Z")
    momentum.add_player("u1")
    insert_sessions(momentum.db, "u1", "2026-05-18", ["completed"] * 14)  # to Sunday, 31 May

    await momentum.check("2026-06-01T06:00:00Z", "weekly")
    await momentum.check("2026-06-01T06:00:00Z")

    week, month = momentum.period("2026-W22"), momentum.period("2026-05")
    assert week is not None
    assert month is not None
    (bonus,) = momentum.events(action="perfect_month")
    assert (bonus["week_key"], bonus["month_key"]) == ("2026-W22", "2026-05")
    assert (week["perfect"], month["perfect"]) == (True, True)
    assert comparison.ledger_errors(momentum.db) == []
    assert momentum.fields("monthly_prev_key", "weekly_prev_key") == ("2026-05", "2026-W22")


async def test_what_is_older_than_the_first_run_is_not_booked_closed_or_notified(
    momentum: MomentumScenario,
) -> None:
    momentum.add_player(
        "u1", xp=40, current_streak=12, longest_streak=12, last_activity_date=march(1)
    )
    momentum.application.reflect("u1", march(4))
    momentum.application.analyse_by_worker("u1", march(8, 23))
    insert_sessions(momentum.db, "u1", "2026-03-03", ["completed"] * 3)

    await momentum.begin("2026-03-09T07:00:00Z")
    await momentum.check("2026-03-09T18:05:00Z")

    assert momentum.events() == []
    assert momentum.fields("xp", "current_streak", "longest_streak") == (40, 0, 12)
    assert momentum.db.notifications.count_documents({}) == 0
    assert momentum.db.momentum_periods.count_documents({"perfect": True}) == 0


async def test_the_days_of_a_streak_pay_from_the_second_on(momentum: MomentumScenario) -> None:
    await momentum.begin("2026-03-01T00:00:00Z")
    momentum.add_player("u1")
    for day in range(31):
        momentum.application.attempt_puzzle("u1", march(1) + timedelta(days=day))

    await momentum.check("2026-03-31T23:05:00Z")

    paid: dict[str, int] = {}
    for event in momentum.events():
        if event["action"].startswith("streak"):
            paid[event["local_date"]] = paid.get(event["local_date"], 0) + event["points"]
    expected = {
        f"{date(2026, 3, n)}": 20 * min(n, 7) + {7: 100, 30: 500}.get(n, 0) for n in range(2, 32)
    }
    assert paid == expected
    assert momentum.fields("current_streak") == (31,)
    assert momentum.achievements() == [
        "chess_warrior",
        "climbing_ranks",
        "dedicated_student",
        "leaderboard_legend",
        "on_fire",
        "rising_star",
        "vishys_apprentice",
    ]


async def test_an_import_is_not_activity(momentum: MomentumScenario) -> None:
    await momentum.begin("2026-03-01T00:00:00Z")
    momentum.add_player("u1")
    momentum.application.sync_game("u1", march(2))

    await momentum.check("2026-03-02T18:05:00Z")

    assert momentum.fields("current_streak") == (0,)


async def test_a_claim_of_the_daily_reward_is_activity(momentum: MomentumScenario) -> None:
    await momentum.begin("2026-03-01T00:00:00Z")
    momentum.add_player("u1")
    momentum.application.claim_daily_reward("u1", march(2))

    await momentum.check("2026-03-02T18:05:00Z")

    assert momentum.fields("current_streak", "xp") == (1, 10)


async def test_a_rise_of_several_levels_is_notified_once(momentum: MomentumScenario) -> None:
    await momentum.begin("2026-03-01T00:00:00Z")
    momentum.add_player("u1")
    for _ in range(60):
        momentum.application.reflect("u1", march(2))

    await momentum.check("2026-03-02T18:05:00Z")

    assert momentum.fields("xp", "level") == (600, 4)
    assert len(momentum.notices("level_up")) == 1


async def test_the_first_three_of_a_period_are_notified_of_their_rank(
    momentum: MomentumScenario,
) -> None:
    await momentum.begin("2026-03-01T00:00:00Z")
    for user_id, points in {"a": 90, "b": 80, "c": 70, "d": 60}.items():
        momentum.add_player(user_id)
        momentum.add_points(user_id, points, "2026-03-04")

    for _ in range(2):
        await momentum.check("2026-03-09T18:00:00Z")

    notified = [notice["user_id"] for notice in momentum.db.notifications.find()]
    assert sorted(notified) == ["a", "b", "c"]


async def test_deleted_and_disabled_users_are_not_ranked(
    momentum: MomentumScenario,
) -> None:
    await momentum.begin("2026-03-01T00:00:00Z")
    for user_id, points in {"gone": 210, "inactive": 200, "disabled": 190, "b": 180}.items():
        momentum.add_player(user_id)
        momentum.add_points(user_id, points, "2026-03-04")
    momentum.db.users.delete_one({"user_id": "gone"})
    momentum.db.users.update_one({"user_id": "inactive"}, {"$set": {"is_active": False}})
    momentum.db.users.update_one({"user_id": "disabled"}, {"$set": {"disabled": True}})

    await momentum.check("2026-03-09T18:00:00Z")

    assert momentum.ranks("2026-W10") == {"b": 1}
    assert momentum.achievements("b") == ["leaderboard_legend"]


async def test_a_lost_streak_of_two_days_is_not_notified(momentum: MomentumScenario) -> None:
    await momentum.begin("2026-03-01T00:00:00Z")
    momentum.add_player("u1")
    for day in (2, 3):
        momentum.application.reflect("u1", march(day))
    await momentum.check("2026-03-03T18:05:00Z")

    await momentum.check("2026-03-06T18:05:00Z")

    assert momentum.fields("current_streak", "longest_streak") == (0, 2)
    assert momentum.notices("streak_lost") == []


async def test_a_dry_run_changes_nothing(
    environment: dict[str, str], momentum: MomentumScenario
) -> None:
    await momentum.begin("2026-03-01T00:00:00Z")
    momentum.add_player("u1", xp=70, **W10)
    momentum.application.reflect("u1", march(4))
    insert_session(momentum.db, "u1", "2026-03-04")
    before = comparison.state(momentum.db)
    guarded = {**environment, "CHESSCOACH_DATABASE__PRODUCTION": "true"}
    flags = ("--now", "2026-03-09T18:05:00Z", "--json")

    done = await run(guarded, JOB, *flags, "--dry-run")
    refused = await run(guarded, JOB, *flags)

    assert (done.code, done.record["outcome"]) == (0, "dry_run"), done
    assert refused.code == 2, refused
    assert "production" in refused.err
    assert comparison.state(momentum.db) == before


async def test_a_run_for_one_user_changes_no_other(momentum: MomentumScenario) -> None:
    await momentum.begin("2026-03-01T00:00:00Z")
    for user_id in ("u1", "u2"):
        momentum.add_player(user_id, xp=70, **W10)
        momentum.application.reflect(user_id, march(9))

    await momentum.check("2026-03-09T18:05:00Z", user="u1")
    other = momentum.fields("xp", "weekly_xp", "weekly_key", user_id="u2")
    await momentum.check("2026-03-09T18:05:00Z")

    assert other == (70, 50, "2026-W10")
    assert momentum.fields("xp", "weekly_xp", user_id="u1") == (80, 10)
    assert momentum.fields("xp", "weekly_xp", user_id="u2") == (80, 10)


@pytest.mark.parametrize(
    "flags", [("--check=daily",), ("--now", "tomorrow"), ("--user", "nobody-of-that-name")]
)
async def test_wrong_usage_is_refused_in_one_line(
    environment: dict[str, str], momentum: MomentumScenario, flags: tuple[str, ...]
) -> None:
    done = await run(environment, JOB, *flags)

    assert done.code == 2, done
    assert "Traceback" not in done.out + done.err
    assert flags[0].split("=")[0] in done.out + done.err


async def test_a_check_that_fails_stops_no_other_and_fails_the_run(
    momentum: MomentumScenario,
) -> None:
    await momentum.begin("2026-03-01T00:00:00Z")
    momentum.add_player("u1", xp=70, **W10)
    momentum.application.reflect("u1", march(4))
    await momentum.check("2026-03-04T18:05:00Z")
    momentum.db.drop_collection("momentum_streaks")
    broken = [{"$set": {"current": {"$divide": [1, 0]}}}]
    momentum.db.create_collection("momentum_streaks", viewOn="users", pipeline=broken)

    result = await momentum.try_check("2026-03-09T07:05:00Z")

    assert result.exit_code == 1, result.record
    assert momentum.week() == (0, "2026-W11")


async def test_an_instant_in_the_past_changes_nothing(momentum: MomentumScenario) -> None:
    await momentum.begin("2026-03-01T00:00:00Z")
    momentum.add_player("u1", xp=70, **W10)
    momentum.application.reflect("u1", march(9))
    await momentum.check("2026-03-09T18:05:00Z")
    before = comparison.state(momentum.db)

    await momentum.check("2026-03-04T18:05:00Z")

    assert comparison.state(momentum.db) == before


async def test_a_player_who_moves_is_paid_for_no_period_twice(momentum: MomentumScenario) -> None:
    await momentum.begin("2026-03-01T00:00:00Z")
    momentum.add_player("u1", "Pacific/Auckland")
    insert_session(momentum.db, "u1", "2026-03-04")
    for day in range(2, 10):
        momentum.application.reflect("u1", march(day))
    for hour, zone in (
        (17, "Pacific/Auckland"),  # W10 has closed there
        (18, "Pacific/Honolulu"),
        (20, "Pacific/Honolulu"),
        (41, "Pacific/Honolulu"),  # and closes here
        (42, "Pacific/Kiritimati"),
        (43, "America/Los_Angeles"),
    ):
        momentum.db.users.update_one({"user_id": "u1"}, {"$set": {"timezone": zone}})
        await momentum.check((march(8, 0) + timedelta(hours=hour)).isoformat())

    assert [event["points"] for event in momentum.events(action="perfect_week")] == [30]
    assert comparison.ledger_errors(momentum.db) == []
    reflections = [event for event in momentum.events() if event["points"] == 10]
    assert len(reflections) == 8
