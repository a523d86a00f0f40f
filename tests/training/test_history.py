"""A run reads what it needs, however long the history of a player is."""

from datetime import date, timedelta

from tests.support.mongo.profiling import profile
from tests.support.training.scenario import TrainingScenario

OURS = ("adaptive_recommendations", "performance_snapshots")
DAYS = [f"{date(2025, 9, 1) + timedelta(days=number)}" for number in range(100)]


async def test_a_run_reads_no_retired_recommendations_and_one_old_snapshot(
    training: TrainingScenario,
) -> None:
    training.add_player()
    training.analyse("u1", "2026-03-12")
    snapshots, retired = training.db.performance_snapshots, training.db.adaptive_recommendations
    rating = {"lichess": {"blitz": 1500}}
    snapshots.insert_many(
        {"_id": f"u1|{day}", "user_id": "u1", "local_date": day, "rating": rating} for day in DAYS
    )
    retired.insert_many(
        {"user_id": "u1", "refresh_key": "2025-W40", "is_active": False} for _ in DAYS
    )

    with profile(training.db) as notes:
        await training.snap("2026-03-16T08:05:00Z")
        await training.recommend("2026-03-16T08:05:00Z")

    reads = [note for note in notes if note["ns"].partition(".")[2] in OURS]
    assert max(note.get("docsExamined", 0) for note in reads) < 10
    assert training.snapshot("2026-03-15")["rating"] == rating
