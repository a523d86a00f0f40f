"""The job and an edit under kills: the next run ends as if there had been none."""

import asyncio
import random
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.conftest import scaled_rounds
from tests.support.processes import kill, line_with, run, start

JOB = ("chesscoach.jobs.training_sessions", "--now", "2026-03-03T07:00:00Z", "--json")
ROUTINES = 300


def routine(number: int) -> dict[str, Any]:
    """A routine as `routines add` stores it."""
    at = datetime(2026, 3, 1, tzinfo=UTC)
    return {
        "_id": f"routine_{number:03}", "user_id": f"u{number}", "title": "Games", "kind": "puzzles",
        "count": 1, "duration_min": 45, "rrule": "FREQ=DAILY", "exdates": ["2026-03-09"],
        "dtstart": "2026-03-01T18:00:00", "timezone": "UTC", "timezone_source": "routine",
        "from_date": "2026-03-01", "revision": 1 + number % 2, "created_at": at, "updated_at": at,
    }  # fmt: skip


def outcome(db: Any) -> list[tuple[Any, ...]]:
    """What is stored of each session, but for the instant at which it was made."""
    fields = ("_id", "starts_at", "status", "completed_at", "revision", "settled")
    return sorted(tuple(map(s.get, fields)) for s in db.training_sessions.find({}))


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_a_run_after_kills_at_any_moment_ends_as_one_without(
    environment: dict[str, str], db: Any
) -> None:
    environment |= {"CHESSCOACH_RUNNER__LEASE_S": "1", "CHESSCOACH_TRAINING__BATCH": "100"}
    db.training_routines.insert_many([routine(number) for number in range(ROUTINES)])
    db.puzzle_attempts.insert_many(
        {"user_id": f"u{number}", "created_at": "2026-03-01T12:00:00+00:00"}
        for number in range(0, ROUTINES, 3)
    )
    first = ("chesscoach.jobs.training_sessions", "--now", "2026-03-01T05:00:00Z", "--json")
    assert (await run(environment, *first)).code == 0
    # Every second routine has been edited since, and the edit's process died before its sessions.
    db.training_routines.update_many(
        {"revision": 2}, {"$set": {"revision": 3, "dtstart": "2026-03-01T07:00:00"}}
    )
    begun = list(db.training_sessions.find({}))
    assert (await run(environment, *JOB)).code == 0
    wanted = outcome(db)
    chance = random.Random()
    for _ in range(scaled_rounds(30, 3)):
        db.training_sessions.delete_many({})
        db.training_sessions.insert_many(begun)
        process = await start(environment, *JOB[:-1])  # its log is on stdout then
        await line_with(process, "job_started")
        await asyncio.sleep(chance.random() * 0.8)
        await kill(process)
        while (last := await run(environment, *JOB)).code == 75:
            await asyncio.sleep(0.2)
        assert last.code == 0, last.out
        assert outcome(db) == wanted
