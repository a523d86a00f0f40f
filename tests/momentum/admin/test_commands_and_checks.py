"""The administrative commands between checks, both as processes on one database."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.momentum.admin_data import digest, only_backup
from tests.support.momentum.scenario import MomentumScenario
from tests.support.processes import run

MONDAY = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
COUNTERS = ("xp", "momentum_xp", "weekly_xp", "weekly_prev_xp", "monthly_xp")


class Operator:
    """Runs `chesscoach momentum …` as a process, and expects it to succeed."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment

    async def __call__(self, *args: str) -> Any:
        """Runs a command; returns what it printed as JSON."""
        done = await run(self._environment, "chesscoach.cli", "momentum", *args, "--json")
        assert done.code == 0, done
        return json.loads(done.out)


@pytest.fixture
def operate(environment: dict[str, str]) -> Operator:
    """The commands on the test's database."""
    return Operator(environment)


@pytest.fixture
async def played(momentum: MomentumScenario, operate: Operator) -> MomentumScenario:
    """Two players with a week behind them: puzzles, analysed games, streaks, a final week."""
    await operate("init", "--now", "2026-03-01T00:00:00Z")
    for user_id, timezone in (("u1", "UTC"), ("u2", "Pacific/Auckland")):
        momentum.add_player(user_id, timezone)
        for day in range(5):
            at = MONDAY + timedelta(days=day)
            momentum.application.attempt_puzzle_by_schema(user_id, at, solved=True)
            momentum.application.analyse_by_worker(user_id, at + timedelta(hours=1))
    for now in ("2026-03-05T00:00:00Z", "2026-03-09T00:05:00Z", "2026-03-09T18:05:00Z"):
        await momentum.check(now)
    return momentum


@pytest.mark.long
async def test_after_checks_there_is_nothing_to_recompute(
    played: MomentumScenario, operate: Operator
) -> None:
    before = digest(played.db, "user_progress")

    report = await operate("recompute")

    assert report == {"players": 2, "mended": 0, "doubled_documents": 0}
    assert digest(played.db, "user_progress") == before
    assert played.fields("momentum_xp")[0] > 0


@pytest.mark.long
async def test_what_was_paid_before_a_reset_is_not_paid_again(
    played: MomentumScenario, operate: Operator
) -> None:
    await operate("rollback", "--reset-points", "--user-id", "u1")
    kept = played.fields(*COUNTERS, user_id="u2")

    await played.check("2026-03-09T19:05:00Z")
    after = played.fields(*COUNTERS)
    at = datetime(2026, 3, 9, 20, 0, tzinfo=UTC)
    played.application.reflect("u1", at)
    await played.check("2026-03-09T20:05:00Z")

    assert after == (0, 0, 0, 0, 0)
    assert played.fields(*COUNTERS) == (10, 10, 10, 0, 10)
    assert played.fields(*COUNTERS, user_id="u2") == kept
    assert (await operate("recompute"))["mended"] == 0
    await played.check("2026-03-16T00:05:00Z")
    assert played.fields("weekly_xp", "weekly_prev_xp", "weekly_prev_key") == (0, 10, "2026-W11")


async def test_achievements_come_back_with_their_rewards_only_after_both_resets(
    played: MomentumScenario, operate: Operator
) -> None:
    def rewards() -> list[str]:
        return [event["ref"] for event in played.events(action="achievement_unlocked")]

    def play(hour: int) -> None:
        at = datetime(2026, 3, 9, hour, 0, tzinfo=UTC)
        stats = {"puzzles_solved": 0, "games_analyzed": 0}
        played.db.user_progress.update_one({"user_id": "u1"}, {"$set": stats})
        played.application.attempt_puzzle_by_schema("u1", at, solved=True)
        played.application.analyse_by_worker("u1", at)

    paid = rewards()
    await operate("rollback", "--reset-achievements", "--user-id", "u1")
    play(20)
    await played.check("2026-03-09T20:05:00Z")
    unlocked_again, paid_then = played.achievements(), rewards()
    await operate("rollback", "--reset-all-users", "--user-id", "u1")
    play(21)
    await played.check("2026-03-09T21:05:00Z")

    assert {"puzzle_starter", "curious_mind"} <= set(unlocked_again)
    assert paid_then == paid
    assert {"puzzle_starter", "curious_mind"} <= {key for key in rewards() if key}
    assert played.fields("momentum_xp")[0] == played.fields("xp")[0] > 10
    assert (await operate("recompute"))["mended"] == 0


@pytest.mark.long
async def test_a_streak_begins_again_after_its_reset(
    played: MomentumScenario, operate: Operator
) -> None:
    await operate("rollback", "--reset-streaks")
    played.application.reflect("u1", datetime(2026, 3, 9, 20, 0, tzinfo=UTC))
    await played.check("2026-03-09T20:05:00Z")

    assert played.fields("current_streak", "longest_streak") == (1, 1)
    assert played.fields("current_streak", user_id="u2") == (0,)


async def test_after_a_purge_the_next_run_is_a_first_run(
    played: MomentumScenario, operate: Operator
) -> None:
    await operate("rollback", "--purge", "--keep-structure", "--yes")

    await played.check("2026-03-09T19:05:00Z")
    first = played.fields(*COUNTERS)
    played.application.reflect("u1", datetime(2026, 3, 9, 20, 0, tzinfo=UTC))
    await played.check("2026-03-09T20:05:00Z")

    assert first == (0, 0, 0, 0, 0)
    assert [event["action"] for event in played.events() if event["points"] == 10] == [
        "reflection_completed"
    ]
    assert played.fields("weekly_xp")[0] >= 10
    assert played.db.momentum_periods.count_documents({}) == 0


@pytest.mark.long
async def test_a_restored_database_goes_on_as_if_there_had_been_no_purge(
    played: MomentumScenario, operate: Operator
) -> None:
    await operate("rollback", "--backup")
    before = digest(played.db)
    await operate("rollback", "--purge", "--yes")
    await operate("restore", str(only_backup(Path())))
    restored = digest(played.db)

    await played.check("2026-03-09T19:05:00Z")

    assert restored == before
    assert played.db.momentum_events.count_documents({"user_id": "u1"}) == len(played.events())
    assert (await operate("recompute"))["mended"] == 0


@pytest.mark.long
async def test_the_board_of_a_final_week_is_that_of_its_results(
    played: MomentumScenario, operate: Operator
) -> None:
    board = await operate("board", "--week", "2026-W10")
    running = await operate("board", "--now", "2026-03-09T19:00:00Z")

    assert board["final"] is True
    assert {row["user_id"]: row["rank"] for row in board["players"]} == played.ranks("2026-W10")
    assert (running["key"], running["final"]) == ("2026-W11", False)
    shown = await operate("show", "u1", "--now", "2026-03-09T19:00:00Z")
    assert shown["xp"] == played.fields("xp")[0]
    assert len(shown["events"]) == 10


async def test_a_reset_between_the_two_halves_of_a_check_keeps_what_was_counted(
    momentum: MomentumScenario, operate: Operator
) -> None:
    await operate("init", "--now", "2026-03-01T00:00:00Z")
    momentum.add_player("u1")
    momentum.application.analyse_by_worker("u1", MONDAY, accuracy=70.0)
    before = momentum.progress()
    await momentum.check("2026-03-02T13:05:00Z")
    # As after a kill: the award is in the ledger, and nothing of it is in the player's counters.
    momentum.db.user_achievements.delete_many({})
    momentum.db.momentum_events.delete_many({"action": "achievement_unlocked"})
    momentum.db.user_progress.replace_one({"_id": before["_id"]}, before | {"tz": "UTC"})
    momentum.db.momentum_state.update_one({}, {"$set": {"applied": 0, "settled": 0, "batch": 1}})

    await operate("rollback", "--reset-points")
    await momentum.check("2026-03-02T14:05:00Z")

    assert momentum.fields("games_analyzed", "xp", "momentum_xp", "weekly_xp") == (1, 50, 50, 50)
    assert (await operate("recompute"))["mended"] == 0


async def test_after_a_reset_of_achievements_the_next_award_unlocks_what_still_holds(
    played: MomentumScenario, operate: Operator
) -> None:
    owned, xp = played.achievements(), played.fields("xp")[0]
    await operate("rollback", "--reset-achievements")

    played.application.analyse_by_worker("u1", datetime(2026, 3, 9, 19, tzinfo=UTC), accuracy=10.0)
    await played.check("2026-03-09T20:05:00Z")

    assert {"curious_mind", "analyst"} <= set(played.achievements()) <= set(owned)
    assert played.fields("xp")[0] - xp < 100, "no reward is paid again"
