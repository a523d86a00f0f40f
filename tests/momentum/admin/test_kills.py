"""Administrative commands that are killed before one of their writes, and then repeated."""

import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import scaled_rounds
from tests.support.momentum.admin_data import digest, insert_event, insert_momentum, only_backup
from tests.support.momentum.killed_run import run_counting_writes
from tests.support.processes import run

KILLS = scaled_rounds(20, 1)
WRITES_OF_RESTORE = 7
PAST = datetime(2026, 1, 1, tzinfo=UTC)


def release_lease(db: Any) -> None:
    """The time in which the lease of a killed process expires, in a moment."""
    db.job_leases.update_many({}, {"$set": {"expires_at": PAST}})


@pytest.fixture
def players(db: Any) -> Any:
    """Two players with something in every collection."""
    for user_id in ("ann", "bob"):
        insert_momentum(db, user_id)
        insert_event(db, user_id, "first_steps", 50, action="achievement_unlocked")
    return db


@pytest.mark.soak
async def test_a_killed_restore_is_completed_by_repeating_it(
    environment: dict[str, str], players: Any
) -> None:
    command = ("chesscoach.cli", "momentum")
    assert (await run(environment, *command, "rollback", "--backup")).code == 0
    before, restore = digest(players), (*command, "restore", str(only_backup(Path())))
    purge = (*command, "rollback", "--purge", "--keep-structure", "--yes")
    numbers = range(2, WRITES_OF_RESTORE + 1)

    for number in random.Random(3).sample(numbers, scaled_rounds(len(numbers), 1)):
        assert (await run(environment, *purge)).code == 0
        players.momentum_events.insert_one({"_id": "since then", "user_id": "ann"})
        killed, _ = await run_counting_writes(environment, *restore, kill_before=number)
        assert killed.code == -9, number
        release_lease(players)
        done = await run(environment, *restore)
        assert (done.code, digest(players)) == (0, before), number


@pytest.mark.long
async def test_a_killed_reset_is_completed_by_repeating_it(
    environment: dict[str, str], players: Any
) -> None:
    command = ("chesscoach.cli", "momentum")
    assert (await run(environment, *command, "rollback", "--backup")).code == 0
    restore = (*command, "restore", str(only_backup(Path())))
    reset = (*command, "rollback", "--reset-all-users")
    _, writes = await run_counting_writes(environment, *reset)

    for number in random.Random(4).sample(range(2, writes), min(KILLS, writes - 2)):
        assert (await run(environment, *restore)).code == 0
        await run_counting_writes(environment, *reset, kill_before=number)
        release_lease(players)
        assert (await run(environment, *reset)).code == 0
        for document in players.user_progress.find():
            counters = [document[name] for name in ("xp", "weekly_xp", "current_streak", "level")]
            assert counters == [0, 0, 0, 1], number
        assert players.user_achievements.count_documents({}) == 0
        assert sum(event["points"] for event in players.momentum_events.find()) == 0, number
        keys = players.momentum_events.distinct("_id")
        assert "achievement_unlocked|ann|first_steps" not in keys, number
