"""Worked examples: the snapshots of a player's days, each with the numbers of the rules' page."""

from tests.support.processes import run
from tests.support.training.scenario import TrainingScenario, utc

JOB = "chesscoach.jobs.snapshots"


async def test_example_27_a_new_player_has_a_medium_pace(
    environment: dict[str, str], training: TrainingScenario
) -> None:
    training.add_player()

    done = await run(environment, JOB, "--now", "2026-03-16T00:05:00Z", "--json")

    assert (done.code, done.record["outcome"], done.record["done"]) == (0, "succeeded", 1), done
    assert training.figures("2026-03-15") == (50.0, "MEDIUM", 0, 0, 0)
    assert training.snapshot("2026-03-15")["final"] is True


async def test_example_28_lessons_active_days_and_puzzles_make_a_fast_pace(
    environment: dict[str, str], training: TrainingScenario
) -> None:
    training.add_player()
    for number in range(20):
        training.analyse("u1", f"2026-03-{number % 15 + 1:02} 10:{number:02}:00")
    for day, solved in enumerate((True, True, False, True), 1):
        training.attempt("u1", f"2026-03-{day:02}", solved=solved)
    training.application.attempt_puzzle("u1", utc("2026-03-15"), seconds=90)

    done = await run(environment, JOB, "--now", "2026-03-16T00:05:00Z")

    assert done.code == 0, done
    assert training.figures("2026-03-15") == (71.67, "FAST", 73.68, 1, 1.5)


async def test_example_29_the_newest_ten_attempts_count_and_the_newest_most(
    training: TrainingScenario,
) -> None:
    training.add_player()
    for hour in range(12):
        training.attempt("u1", f"2026-03-15 {hour + 8:02}:00:00", solved=hour == 11, seconds=60)

    await training.snap("2026-03-16T00:05:00Z")

    assert training.figures("2026-03-15") == (50.0, "MEDIUM", 36.04, 0, 12)


async def test_example_30_a_lesson_counts_on_the_players_own_day(
    training: TrainingScenario,
) -> None:
    training.add_player(timezone="America/New_York")
    training.analyse("u1", "2026-03-08 04:59:59")
    training.analyse("u1", "2026-03-09 03:30:00")
    training.analyse("u1", "2026-03-09 04:30:00")
    training.analyse("u1", "2026-03-08 15:00:00", moves=2)

    await training.snap("2026-03-10T05:00:00Z")

    days = ("2026-03-07", "2026-03-08", "2026-03-09")
    assert [training.figures(day)[3] for day in days] == [1, 1, 1]


async def test_example_31_a_late_analysis_changes_the_one_snapshot_of_its_day(
    training: TrainingScenario,
) -> None:
    training.add_player(timezone="America/New_York", xp=100)
    training.analyse("u1", "2026-03-09 03:30:00")
    await training.snap("2026-03-10T05:00:00Z")
    first = training.snapshot("2026-03-08")
    training.db.user_progress.update_one({}, {"$set": {"xp": 500, "level": 4}})
    training.analyse("u1", "2026-03-08 20:00:00")

    await training.snap("2026-03-11T05:00:00Z")

    second = training.snapshot("2026-03-08")
    assert (first["lessons_completed_count"], second["lessons_completed_count"]) == (1, 2)
    assert (second["xp"], second["level"]) == (100, 1)
    assert second["created_at"] == first["created_at"]
    assert training.snapshot("2026-03-10")["xp"] == 500
