"""Schedules with a long history: run records in bulk, as a busy installation has them."""

import random
from datetime import datetime, timedelta
from typing import Any

from pymongo.database import Database

_OUTCOMES = ("succeeded", "partial", "failed", "timed_out", "cancelled", "missed", "coalesced")
_WEIGHTS = (900, 30, 20, 5, 5, 20, 20)
_SKIPS = ("missed", "coalesced")
_ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Sydney")


def insert_schedules(database: Database[dict[str, Any]], count: int, now: datetime) -> list[str]:
    """Inserts schedules that run each hour; returns their ids."""
    ids = [f"hourly_{number:03}" for number in range(count)]
    database.schedules.insert_many(
        [
            {
                "_id": schedule,
                "spec": {
                    "job": "cleanup",
                    "cron": f"{number % 60} * * * *",
                    "timezone": _ZONES[number % len(_ZONES)],
                    "lock": schedule,
                },
                "origin": "user",
                "revision": 1,
                "since": now - timedelta(days=60),
                "paused": number % 10 == 9,
            }
            for number, schedule in enumerate(ids)
        ]
    )
    return ids


def insert_runs(
    database: Database[dict[str, Any]],
    schedules: list[str],
    each: int,
    now: datetime,
    seed: int = 7,
) -> None:
    """Inserts `each` hourly runs of each schedule that end before an instant."""
    chance = random.Random(seed)
    hour = now.replace(minute=0, second=0, microsecond=0)
    for number, schedule in enumerate(schedules):
        newest = hour + timedelta(minutes=number % 60)
        newest -= timedelta(hours=1) if newest + timedelta(minutes=2) > now else timedelta()
        database.job_runs.insert_many(
            [_run(schedule, newest - timedelta(hours=back), chance) for back in range(each)],
            ordered=False,
        )


def _run(schedule: str, slot: datetime, chance: random.Random) -> dict[str, Any]:
    outcome = chance.choices(_OUTCOMES, _WEIGHTS)[0]
    begun = slot + timedelta(seconds=chance.random())
    took = chance.uniform(2, 100)
    run: dict[str, Any] = {
        "_id": f"{schedule}:{slot:%Y-%m-%dT%H:%M:%SZ}",
        "job": "cleanup",
        "schedule": schedule,
        "slot": slot,
        "outcome": outcome,
        "attempt": 0 if outcome in _SKIPS else 1,
        "source": "daemon",
        "claim": "",
        "owner": {"host": "bench", "pid": 1},
        "lease": schedule,
        "started_at": begun,
        "finished_at": begun + timedelta(seconds=took),
        "lateness_s": (begun - slot).total_seconds(),
    }
    if outcome in _SKIPS:
        return run | {"first": slot, "count": 1, "reason": "the grace had passed", "claim": ""}
    failed = chance.randrange(1, 9) if outcome in ("partial", "failed") else 0
    counts = {"candidates": 100, "done": 100 - failed, "failed": failed, "skipped": 0}
    errors = [{"user_id": "p1", "error": "the source did not answer"}] * bool(failed)
    return run | counts | {"duration_s": took, "exit_code": 0, "notes": {}, "errors": errors}
