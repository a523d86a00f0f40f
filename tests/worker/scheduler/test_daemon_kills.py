"""A daemon that is killed at any moment: every slot ends once, none stays at work."""

import asyncio
import random
from datetime import datetime, timedelta
from typing import Any

import pytest

from chesscoach.context import Context
from tests.conftest import scaled_rounds
from tests.support.processes import kill, line_with, start

FINAL = {"succeeded", "coalesced", "skipped_overlap", "missed"}
SECOND = timedelta(seconds=1)
KILLS = scaled_rounds(200, 5)


def recorded_slots(db: Any) -> list[datetime]:
    """The slots that records stand for, in order."""
    found = []
    for row in db.job_runs.find().sort("slot"):
        first = row.get("first") or row["slot"]
        found += [first + n * SECOND for n in range(row.get("count") or 1)]
        assert found[-1] == row["slot"]
    return found


async def wait_until_recorded(db: Any) -> None:
    """Until each slot up to now has ended, newer ones are worked, and enough have succeeded."""
    now = db.client.admin.command("hello")["localTime"]
    unended = {"outcome": {"$nin": list(FINAL)}, "slot": {"$lte": now}}
    async with asyncio.timeout(120):
        while (
            db.job_runs.count_documents(unended)
            or not db.job_runs.count_documents({"slot": {"$gt": now}})
            or db.job_runs.count_documents({"outcome": "succeeded"}) <= KILLS / 2
        ):
            await asyncio.sleep(0.2)


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_kills_of_a_daemon_leave_every_slot_with_one_ending(
    environment: dict[str, str], ctx: Context, db: Any
) -> None:
    chance = random.Random()
    brisk = {
        **environment,
        "CHESSCOACH_RUNNER__LEASE_S": "1",
        "CHESSCOACH_SCHEDULES__SYNC_GAMES__CRON": "* * * * * *",
    }
    for _ in range(KILLS):
        process = await start(brisk, "chesscoach")
        await line_with(process, "scheduler_started")
        await asyncio.sleep(chance.uniform(0, 2))
        await kill(process)
    process = await start({**brisk, "CHESSCOACH_RUNNER__LEASE_S": "12"}, "chesscoach")
    await line_with(process, "scheduler_started")
    await wait_until_recorded(db)
    assert (await kill(process, 15)).code == 0

    slots = recorded_slots(db)
    assert slots == [slots[0] + n * SECOND for n in range(len(slots))], "none lost, none twice"
    rows = list(db.job_runs.find())
    assert {row["outcome"] for row in rows} <= FINAL | {"cancelled"}
    assert sum(row["outcome"] == "cancelled" for row in rows) <= 1, "the last, by the SIGTERM"
