"""Worked examples: what is recommended to a player, each with the numbers of the rules' page."""

from typing import Any

from chesscoach.jobs import recommendations
from tests.support.processes import run
from tests.support.training.scenario import TrainingScenario, utc

JOB = "chesscoach.jobs.recommendations"
ACCURACIES = {
    "g1": (69.9, "2026-03-05"),
    "g2": (70, "2026-03-06"),
    "g3": (50, "2026-03-07"),
    "g4": (60, "2026-03-08"),
    "g5": (40, "2026-03-09"),
    "g6": (90, "2026-03-10"),
}


def add_example_32(training: TrainingScenario) -> None:
    """Six analyses, one puzzle, and one game without an analysis."""
    training.add_player()
    for game_id, (accuracy, day) in ACCURACIES.items():
        training.analyse("u1", day, accuracy, game_id=game_id)
    training.attempt("u1", "2026-03-09", solved=True)
    training.application.sync_game("u1", utc("2026-03-10"), game_id="waiting")


async def test_example_32_low_accuracies_few_puzzles_and_a_waiting_game(
    environment: dict[str, str], training: TrainingScenario
) -> None:
    add_example_32(training)

    done = await run(environment, JOB, "--now", "2026-03-16T06:00:00Z", "--json")

    assert (done.code, done.record["done"]) == (0, 1), done
    active = training.active()
    assert list(active) == ["REVIEW_GAME", "PRACTICE_MORE", "CONTINUE_LEARNING"]
    assert active["REVIEW_GAME"]["metadata"]["game_ids"] == ["g5", "g3", "g4"]
    assert active["PRACTICE_MORE"]["metadata"] == {"analysed_games": 6, "puzzle_attempts": 1}
    assert active["CONTINUE_LEARNING"]["metadata"] == {"game_ids": ["waiting"]}
    assert {item["refresh_key"] for item in active.values()} == {"2026-W12"}


async def test_example_33_a_new_player_starts_and_a_tired_one_rests(
    training: TrainingScenario,
) -> None:
    training.add_player("new")
    training.add_player("tired")
    training.attempt("tired", "2026-03-15", solved=True, seconds=36_000)

    await training.recommend("2026-03-16T06:00:00Z")

    assert list(training.active("new")) == ["START_LEARNING"]
    assert list(training.active("tired")) == ["TAKE_BREAK"]


async def test_example_34_a_dismissed_one_stays_so_for_its_week(
    environment: dict[str, str], training: TrainingScenario
) -> None:
    add_example_32(training)
    await training.recommend("2026-03-16T06:00:00Z")
    dismissal = ("recommendations", "dismiss", "u1", "REVIEW_GAME", "--json")
    done = await run(environment, "chesscoach.cli", *dismissal)
    assert done.code == 0, done

    await training.recommend("2026-03-16T07:00:00Z")
    dismissed = training.active()
    await training.recommend("2026-03-23T06:00:00Z")

    assert list(dismissed) == ["PRACTICE_MORE", "CONTINUE_LEARNING"]
    active = training.active()
    assert list(active) == ["RESUME_LEARNING", "REVIEW_GAME", "CONTINUE_LEARNING"]
    assert active["RESUME_LEARNING"]["metadata"]["idle_days"] == 13
    assert {item["refresh_key"] for item in active.values()} == {"2026-W13"}
    old: list[dict[str, Any]] = list(
        training.db.adaptive_recommendations.find({"refresh_key": "2026-W12"})
    )
    assert len(old) == 3
    assert not any(item["is_active"] for item in old)


async def test_a_second_run_changes_nothing(training: TrainingScenario) -> None:
    add_example_32(training)
    await training.recommend("2026-03-16T06:00:00Z")
    before = list(training.db.adaptive_recommendations.find().sort("_id", 1))

    await training.run(recommendations.JOB, "2026-03-16T08:00:00Z")

    assert list(training.db.adaptive_recommendations.find().sort("_id", 1)) == before
