"""Rules beyond the worked examples: each through the job, on a real database."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.momentum import comparison
from tests.support.momentum.check_series import CheckSeries, RunSeries
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


HIDDEN: dict[str, dict[str, Any]] = {
    "deleted": {},
    "inactive": {"$set": {"is_active": False}},
    "disabled": {"$set": {"disabled": True}},
}


@pytest.fixture(scope="module")
def series(run_series: RunSeries) -> CheckSeries:
    """Checks of the first days of March, and of the Monday after them."""
    return run_series(_run_checks)


async def _run_checks(series: CheckSeries) -> None:
    await series.check("03-01T00:00")
    _add_active_players(series)
    _add_ranked_players(series)
    for now in ("02T18:05", "03T18:05", "06T18:05"):
        await series.check(f"03-{now}")
    await series.check("03-09T00:30", user="one")
    await series.check("03-09T18:05")
    await series.check("03-09T18:05", name="repeated")
    await series.check("03-04T18:05")


def _add_active_players(series: CheckSeries) -> None:
    add_player, application = series.scenario.add_player, series.application
    for user_id in ("import", "claim", "levels", "two-days"):
        add_player(user_id)
    application.sync_game("import", march(2))
    application.claim_daily_reward("claim", march(2))
    for _ in range(60):
        application.reflect("levels", march(2))
    for day in (2, 3):
        application.reflect("two-days", march(day))
    for user_id in ("one", "other"):
        add_player(user_id, xp=70, **W10)
        application.reflect(user_id, march(9, 0))


def _add_ranked_players(series: CheckSeries) -> None:
    points = {"a": 5000, "b": 4000, "c": 3000, "d": 2000, **dict.fromkeys(HIDDEN, 9000)}
    for user_id, earned in points.items():
        series.scenario.add_player(user_id)
        series.scenario.add_points(user_id, earned, "2026-03-04")
    series.db.users.delete_one({"user_id": "deleted"})
    for user_id, update in HIDDEN.items():
        if update:
            series.db.users.update_one({"user_id": user_id}, update)


async def test_a_month_that_ends_on_a_sunday_pays_into_that_week(
    momentum: MomentumScenario,
) -> None:
    await momentum.begin("2026-05-17T00:00:00Z")
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
    for day in range(1, 10):
        momentum.application.attempt_puzzle("u1", march(day))

    await momentum.check("2026-03-09T23:05:00Z")

    paid: dict[str, int] = {}
    for event in momentum.events():
        if event["action"].startswith("streak"):
            paid[event["local_date"]] = paid.get(event["local_date"], 0) + event["points"]
    expected = {f"2026-03-0{n}": 20 * min(n, 7) + {7: 100}.get(n, 0) for n in range(2, 10)}
    assert paid == expected
    assert momentum.fields("current_streak") == (9,)
    assert {"on_fire", "dedicated_student"} <= set(momentum.achievements())


def test_an_import_is_not_activity(series: CheckSeries) -> None:
    assert series.after["03-02T18:05"].fields("current_streak", user_id="import") == (0,)


def test_a_claim_of_the_daily_reward_is_activity(series: CheckSeries) -> None:
    after = series.after["03-02T18:05"]

    assert after.fields("current_streak", "xp", user_id="claim") == (1, 10)


def test_a_rise_of_several_levels_is_notified_once(series: CheckSeries) -> None:
    after = series.after["03-02T18:05"]

    assert after.fields("xp", "level", user_id="levels") == (600, 4)
    assert len(after.notices("level_up", "levels")) == 1


@pytest.mark.parametrize("check", ["03-09T18:05", "repeated"])
def test_the_first_three_of_a_period_are_notified_of_their_rank(
    series: CheckSeries, check: str
) -> None:
    after = series.after[check]

    ranks = after.ranks("2026-W10")
    assert [ranks[user_id] for user_id in "abcd"] == [1, 2, 3, 4]
    notified = {user_id: len(after.notices("week_rank", user_id)) for user_id in ranks}
    assert {user_id for user_id, count in notified.items() if count} == {"a", "b", "c"}
    assert max(notified.values()) == 1


@pytest.mark.parametrize("user_id", HIDDEN)
def test_deleted_and_disabled_users_are_not_ranked(series: CheckSeries, user_id: str) -> None:
    after = series.after["03-09T18:05"]

    assert user_id not in after.ranks("2026-W10")
    assert after.achievements(user_id) == []
    assert after.achievements("a") == ["leaderboard_legend"]


def test_a_lost_streak_of_two_days_is_not_notified(series: CheckSeries) -> None:
    before, after = series.after["03-03T18:05"], series.after["03-06T18:05"]

    assert before.streak("two-days") == (2, 2)
    assert after.streak("two-days") == (0, 2)
    assert after.notices("streak_lost", "two-days") == []


def test_a_run_for_one_user_changes_no_other(series: CheckSeries) -> None:
    fields = ("xp", "weekly_xp", "weekly_key")
    alone, after = series.after["03-09T00:30"], series.after["03-09T18:05"]

    assert alone.fields(*fields, user_id="one") == (80, 10, "2026-W11")
    assert alone.fields(*fields, user_id="other") == (70, 50, "2026-W10")
    assert after.fields(*fields, user_id="one") == (80, 10, "2026-W11")
    assert after.fields(*fields, user_id="other") == (80, 10, "2026-W11")


def test_an_instant_in_the_past_changes_nothing(series: CheckSeries) -> None:
    before, after = series.after["repeated"], series.after["03-04T18:05"]

    assert after.stored() == before.stored()


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


async def test_wrong_arguments_are_refused_by_their_flag(
    environment: dict[str, str], momentum: MomentumScenario
) -> None:
    done = await run(environment, JOB, "--check=daily")

    assert (done.code, "--check" in done.err, "Traceback" in done.err) == (2, True, False), done
    for name, value in {"now": "tomorrow", "user": "missing"}.items():
        result = await momentum.try_check(**{"now": "2026-03-09T18:05:00Z", name: value})
        (error,) = result.record["errors"]
        assert (result.exit_code, error["error"].split(":")[0]) == (2, f"--{name}")


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
