"""A primary that steps down, again and again, while slots fall due."""

import asyncio
import random
from collections import Counter
from datetime import timedelta

import aiohttp
import pytest
from msgspec.structs import replace
from pymongo import MongoClient

from chesscoach.config import Settings
from chesscoach.context import open_context
from chesscoach.mongo.client import Document
from chesscoach.schedules.schedule import Schedule
from chesscoach.web.listeners import open_web
from chesscoach.worker.scheduler.scheduler import Scheduler
from chesscoach.worker.shutdown import ShutdownRequest
from tests.conftest import NOON, Clock, scaled_rounds
from tests.support.mongo.replica_set import ReplicaSet
from tests.support.recording_job import RecordingJob
from tests.web.conftest import BOTH_LISTENERS

SECOND = timedelta(seconds=1)
FALLS = scaled_rounds(50, 3)


async def poll_health(url: str, answers: Counter[int]) -> None:
    """What a kubelet does, only oftener."""
    async with aiohttp.ClientSession() as session:
        while True:
            async with session.get(f"{url}/healthz") as reply:
                answers[reply.status] += 1
            await asyncio.sleep(0.05)


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_stepdowns_end_no_ticking_lose_no_slot_and_double_none(
    replica_members: ReplicaSet, replica_set_settings: Settings
) -> None:
    chance, clock, chore = random.Random(), Clock(NOON), RecordingJob()
    each_second = Schedule(job="chore", cron="* * * * * *", coalesce=False)
    async with open_context(replica_set_settings, clock) as ctx:
        await ctx.indexes.create()
        ctx = replace(
            ctx, config=replace(ctx.config, schedules={"s": each_second}, web=BOTH_LISTENERS)
        )
        scheduler, health = (
            Scheduler(ctx.worker, ShutdownRequest(), {"chore": chore.job}),
            Counter[int](),
        )
        async with open_web(ctx, ShutdownRequest(), scheduler.ticker) as urls, scheduler:
            kubelet = asyncio.create_task(poll_health(urls["admin"], health))
            for _ in range(FALLS):
                fall = asyncio.create_task(asyncio.to_thread(replica_members.step_down))
                for _ in range(chance.randrange(3, 12)):
                    clock.move(seconds=1)
                    await asyncio.wait_for(scheduler.tick(), 60)
                    await asyncio.sleep(chance.uniform(0, 0.3))
                await fall
            async with asyncio.timeout(120):
                while not await is_settled(replica_members, clock, scheduler):
                    await scheduler.tick()
                    await asyncio.sleep(0.2)
            kubelet.cancel()
            await asyncio.wait({kubelet})
        assert kubelet.cancelled()
        assert set(health) == {200}
        assert health[200] > FALLS

    with MongoClient[Document](replica_members.url, tz_aware=True) as client:
        rows = list(client["failover"].job_runs.find().sort("slot"))
    assert [row["slot"] for row in rows] == [NOON + n * SECOND for n in range(1, len(rows) + 1)], (
        "each slot once, none lost"
    )
    assert rows[-1]["slot"] == clock()
    assert {row["outcome"] for row in rows} <= {"succeeded", "skipped_overlap"}
    done = [row for row in rows if row["outcome"] == "succeeded"]
    assert len(done) > len(rows) / 2
    # Work whose end could not be recorded was done again, as a further attempt and not at a time.
    assert chore.max_running == 1
    again = sum(row["attempt"] - 1 for row in done)
    assert len(chore.started) <= len(done) + again + FALLS


async def is_settled(members: ReplicaSet, clock: Clock, scheduler: Scheduler) -> bool:
    """Whether every slot has been recorded and none is open."""

    def look() -> bool:
        with MongoClient[Document](members.url, tz_aware=True) as client:
            rows = client["failover"].job_runs
            newest = rows.find_one(sort=[("slot", -1)])
            running = rows.count_documents({"outcome": {"$in": ["running", "abandoned"]}})
            return newest is not None and newest["slot"] == clock() and not running

    return not scheduler.running and await asyncio.to_thread(look)
