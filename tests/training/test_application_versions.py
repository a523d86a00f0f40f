"""Databases that each version of the application has written: its collections stay as they are."""

import random
from datetime import timedelta
from typing import Any

import pytest

from tests.support.momentum.application import VERSIONS, Application, Version
from tests.support.training.scenario import TrainingScenario, utc

OURS = {
    "performance_snapshots",
    "adaptive_recommendations",
    "job_runs",
    "job_leases",
}


def fill(application: Application, db: Any) -> None:
    """Two players with all that the application knows of them."""
    chance = random.Random(3)
    for user_id in ("u1", "u2"):
        application.register(user_id, lichess_username=user_id)
        application.start_progress(user_id, xp=chance.randrange(900), level=3, current_streak=2)
        for day in range(12, 15):
            at = utc(f"2026-03-{day:02}") + timedelta(minutes=chance.randrange(600))
            application.sync_game(user_id, at)
            application.import_game(user_id, at)
            application.analyse_on_page(user_id, at, accuracy=chance.randrange(40, 99))
            application.analyse_automatically(user_id, at)
            application.attempt_puzzle(user_id, at, solved=chance.random() < 0.5)
            application.reflect(user_id, at)
            if application.version != "A":
                application.analyse_by_worker(user_id, at, accuracy=chance.randrange(40, 99))
        db.player_profiles.insert_one(
            {
                "user_id": user_id,
                "top_weaknesses": [
                    {
                        "category": "tactical",
                        "subcategory": "forks",
                        "occurrence_count": 9,
                        "last_occurrence": "2026-03-14T10:00:00.000000+00:00",
                        "decayed_score": 1.2,
                    }
                ],
            }
        )
    db.training_plans.insert_one({"plan_id": "p1", "name": "Tactics", "is_active": True})
    db.user_coaching_prescriptions.insert_one({"prescription_id": "x", "plan_id": "p1"})


def documents(db: Any) -> dict[str, list[Any]]:
    """All documents of the application's collections."""
    names = (name for name in db.list_collection_names() if not name.startswith("system."))
    return {
        name: found
        for name in names
        if name not in OURS and (found := list(db[name].find().sort("_id", 1)))
    }


@pytest.mark.parametrize("version", VERSIONS)
async def test_its_own_collections_are_unchanged(
    training: TrainingScenario, version: Version
) -> None:
    fill(Application(training.db, version), training.db)
    before = documents(training.db)

    await training.snap("2026-03-15T00:05:00Z")
    await training.recommend("2026-03-16T06:00:00Z")
    await training.snap("2026-03-16T07:05:00Z")

    assert documents(training.db) == before
    # On the 14th: a game on the page; from B on also the worker's; the automatic form has no moves.
    lessons = 1 if version == "A" else 2
    assert training.figures("2026-03-14")[3:] == (lessons, 0.75)
    assert training.snapshot("2026-03-14")["quiz_average"] > 0 or version != "C"
    assert "FOCUS_ON_WEAKNESS" in training.active()
    assert training.active()["CONTINUE_LEARNING"]["metadata"]["game_ids"]
