"""Sample run records: a month of the demo's schedules, with the failures of a real month."""

import random
from collections import deque
from datetime import datetime, timedelta
from typing import Any

from chesscoach.mongo.client import Database
from chesscoach.schedules import slots
from chesscoach.schedules.schedule import Schedule, Slot

_PERIOD = timedelta(days=31)
_MAX_RUNS = 60
_OUTCOMES = ("succeeded", "partial", "failed", "missed")
_WEIGHTS = (90, 4, 3, 3)
_SECONDS = {"sync_games": 90.0, "weekly_emails": 45.0, "cleanup": 12.0}
_ERROR = {"user_id": "alice", "error": "MongoDB did not answer within 30 s"}


async def insert_sample_runs(
    database: Database, schedules: dict[str, Schedule], now: datetime, seed: int = 7
) -> None:
    """Inserts the last runs of each enabled schedule that has no run yet."""
    chance = random.Random(seed)  # noqa: S311  # a sample world, no secrets
    for schedule_id, schedule in schedules.items():
        if not schedule.enabled or await database.job_runs.find_one({"schedule": schedule_id}):
            continue
        past = deque[Slot](maxlen=_MAX_RUNS)
        for slot in slots.slots_after(schedule_id, schedule, now - _PERIOD):
            if slot.at > now:
                break
            past.append(slot)
        runs = [_run(schedule, slot, now, chance) for slot in past]
        if runs:
            await database.job_runs.insert_many(runs)


def _run(schedule: Schedule, slot: Slot, now: datetime, chance: random.Random) -> dict[str, Any]:
    outcome = chance.choices(_OUTCOMES, _WEIGHTS)[0]
    begun = slot.at + timedelta(seconds=chance.uniform(0.02, 0.4))
    took = min(
        _SECONDS.get(schedule.job, 20.0) * chance.uniform(0.6, 1.8),
        max((now - begun).total_seconds(), 0.1),
    )
    run: dict[str, Any] = {
        "_id": slot.key,
        "job": schedule.job,
        "schedule": slot.schedule,
        "slot": slot.at,
        "shard": None,
        "outcome": outcome,
        "attempt": 1,
        "source": "daemon",
        "claim": "",
        "owner": {"host": "sample", "pid": 1},
        "lease": schedule.lock or schedule.job,
        "started_at": begun,
        "finished_at": begun + timedelta(seconds=took),
    }
    if outcome == "missed":
        reason = "the process was not running"
        return run | {"attempt": 0, "first": slot.at, "count": 1, "reason": reason}
    failed = {"succeeded": 0, "partial": 1, "failed": 6}[outcome]
    return run | {
        "attempt": 1 + (outcome == "failed"),  # else the slot would be tried again
        "candidates": 6,
        "done": 6 - failed,
        "failed": failed,
        "skipped": 0,
        "notes": {},
        "errors": [_ERROR] * bool(failed),
        "exit_code": int(failed > 0),
        "lateness_s": (begun - slot.at).total_seconds(),
        "duration_s": took,
    }
