"""The administrative commands between checks, on one database."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from chesscoach.cli.main import main
from tests.support.momentum.admin_data import digest, only_backup
from tests.support.momentum.scenario import MomentumScenario

MONDAY = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
COUNTERS = ("xp", "momentum_xp", "weekly_xp", "weekly_prev_xp", "monthly_xp")


class Operator:
    """Runs `chesscoach momentum …` in this process, and expects it to succeed."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment

    def __call__(self, *args: str) -> Any:
        """Runs a command; returns what it printed as JSON."""
        done = CliRunner().invoke(main, ["momentum", *args, "--json"], env=self._environment)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)


@pytest.fixture
def operate(environment: dict[str, str]) -> Operator:
    """The commands on the test's database."""
    return Operator(environment)


def check(momentum: MomentumScenario, *instants: str) -> None:
    """Runs all checks at some instants; no test has a loop, since commands have their own."""

    async def run() -> None:
        for now in instants:
            await momentum.check(now)

    asyncio.run(run())


@pytest.fixture
def played(momentum: MomentumScenario, operate: Operator) -> MomentumScenario:
    """Two players with a week behind them: puzzles, analysed games, streaks, a final week."""
    operate("init", "--now", "2026-03-01T00:00:00Z")
    for user_id, timezone in (("u1", "UTC"), ("u2", "Pacific/Auckland")):
        momentum.add_player(user_id, timezone)
        for day in range(5):
            at = MONDAY + timedelta(days=day)
            momentum.application.attempt_puzzle_by_schema(user_id, at, solved=True)
            momentum.application.analyse_by_worker(user_id, at + timedelta(hours=1))
    check(momentum, "2026-03-05T00:00:00Z", "2026-03-09T00:05:00Z", "2026-03-09T18:05:00Z")
    return momentum


@pytest.mark.long
def test_after_checks_there_is_nothing_to_recompute(
    played: MomentumScenario, operate: Operator
) -> None:
    before = digest(played.db, "user_progress")

    report = operate("recompute")

    assert report == {"players": 2, "mended": 0, "doubled_documents": 0}
    assert digest(played.db, "user_progress") == before
    assert played.fields("momentum_xp")[0] > 0


@pytest.mark.long
def test_what_was_paid_before_a_reset_is_not_paid_again(
    played: MomentumScenario, operate: Operator
) -> None:
    operate("rollback", "--reset-points", "--user-id", "u1")
    kept = played.fields(*COUNTERS, user_id="u2")

    check(played, "2026-03-09T19:05:00Z")
    after = played.fields(*COUNTERS)
    at = datetime(2026, 3, 9, 20, 0, tzinfo=UTC)
    played.application.reflect("u1", at)
    check(played, "2026-03-09T20:05:00Z")

    assert after == (0, 0, 0, 0, 0)
    assert played.fields(*COUNTERS) == (10, 10, 10, 0, 10)
    assert played.fields(*COUNTERS, user_id="u2") == kept
    assert operate("recompute")["mended"] == 0
    check(played, "2026-03-16T00:05:00Z")
    assert played.fields("weekly_xp", "weekly_prev_xp", "weekly_prev_key") == (0, 10, "2026-W11")


def test_achievements_come_back_and_their_rewards_only_after_both_resets(
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
    owned, (xp,) = played.achievements("u2"), played.fields("xp", user_id="u2")
    operate("rollback", "--reset-achievements")
    play(20)
    at = datetime(2026, 3, 9, 19, tzinfo=UTC)
    played.application.analyse_by_worker("u2", at, accuracy=10.0)
    check(played, "2026-03-09T20:05:00Z")

    assert {"puzzle_starter", "curious_mind"} <= set(played.achievements())
    assert rewards() == paid
    # The next award of another player unlocks all that still holds.
    assert {"curious_mind", "analyst"} <= set(played.achievements("u2")) <= set(owned)
    assert played.fields("xp", user_id="u2")[0] - xp < 100, "no reward is paid again"

    operate("rollback", "--reset-all-users", "--user-id", "u1")
    play(21)
    check(played, "2026-03-09T21:05:00Z")

    assert {"puzzle_starter", "curious_mind"} <= {key for key in rewards() if key}
    assert played.fields("momentum_xp")[0] == played.fields("xp")[0] > 10
    assert operate("recompute")["mended"] == 0


@pytest.mark.long
def test_a_streak_begins_again_after_its_reset(played: MomentumScenario, operate: Operator) -> None:
    operate("rollback", "--reset-streaks")
    played.application.reflect("u1", datetime(2026, 3, 9, 20, 0, tzinfo=UTC))
    check(played, "2026-03-09T20:05:00Z")

    assert played.fields("current_streak", "longest_streak") == (1, 1)
    assert played.fields("current_streak", user_id="u2") == (0,)


def test_after_a_purge_the_next_run_is_a_first_run(
    played: MomentumScenario, operate: Operator
) -> None:
    operate("rollback", "--purge", "--keep-structure", "--yes")

    check(played, "2026-03-09T19:05:00Z")
    first = played.fields(*COUNTERS)
    played.application.reflect("u1", datetime(2026, 3, 9, 20, 0, tzinfo=UTC))
    check(played, "2026-03-09T20:05:00Z")

    assert first == (0, 0, 0, 0, 0)
    assert [event["action"] for event in played.events() if event["points"] == 10] == [
        "reflection_completed"
    ]
    assert played.fields("weekly_xp")[0] >= 10
    assert played.db.momentum_periods.count_documents({}) == 0


@pytest.mark.long
def test_a_restored_database_goes_on_as_if_there_had_been_no_purge(
    played: MomentumScenario, operate: Operator
) -> None:
    operate("rollback", "--backup")
    before = digest(played.db)
    operate("rollback", "--purge", "--yes")
    operate("restore", str(only_backup(Path())))
    restored = digest(played.db)

    check(played, "2026-03-09T19:05:00Z")

    assert restored == before
    assert played.db.momentum_events.count_documents({"user_id": "u1"}) == len(played.events())
    assert operate("recompute")["mended"] == 0


@pytest.mark.long
def test_the_board_of_a_final_week_is_that_of_its_results(
    played: MomentumScenario, operate: Operator
) -> None:
    board = operate("board", "--week", "2026-W10")
    running = operate("board", "--now", "2026-03-09T19:00:00Z")

    assert board["final"] is True
    assert {row["user_id"]: row["rank"] for row in board["players"]} == played.ranks("2026-W10")
    assert (running["key"], running["final"]) == ("2026-W11", False)
    shown = operate("show", "u1", "--now", "2026-03-09T19:00:00Z")
    assert shown["xp"] == played.fields("xp")[0]
    assert len(shown["events"]) == 10


def test_a_reset_between_the_two_halves_of_a_check_keeps_what_was_counted(
    momentum: MomentumScenario, operate: Operator
) -> None:
    operate("init", "--now", "2026-03-01T00:00:00Z")
    momentum.add_player("u1")
    momentum.application.analyse_by_worker("u1", MONDAY, accuracy=70.0)
    before = momentum.progress()
    check(momentum, "2026-03-02T13:05:00Z")
    # As after a kill: the award is in the ledger, and nothing of it is in the player's counters.
    momentum.db.user_achievements.delete_many({})
    momentum.db.momentum_events.delete_many({"action": "achievement_unlocked"})
    momentum.db.user_progress.replace_one({"_id": before["_id"]}, before | {"tz": "UTC"})
    momentum.db.momentum_state.update_one({}, {"$set": {"applied": 0, "settled": 0, "batch": 1}})

    operate("rollback", "--reset-points")
    check(momentum, "2026-03-02T14:05:00Z")

    assert momentum.fields("games_analyzed", "xp", "momentum_xp", "weekly_xp") == (1, 50, 50, 50)
    assert operate("recompute")["mended"] == 0
