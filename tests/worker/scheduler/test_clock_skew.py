"""Leases and runs of processes whose clocks are minutes apart."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from chesscoach.context import Context
from chesscoach.schedules.outcome import Counts
from chesscoach.schedules.schedule import Schedule, Slot
from chesscoach.worker.job import Job, Run
from chesscoach.worker.store.leases import Leases
from tests.conftest import NOON, Clock, scaled_rounds
from tests.support.recording_job import Args
from tests.support.scheduling import SkewedClock, run_slot

Acquire = Callable[[str, Callable[[], datetime]], Awaitable[bool]]


Release = Callable[[str], Awaitable[None]]


TTL_S = 30.0


async def count_overlaps(take: Acquire, give: Release, grants: int) -> tuple[int, int]:
    """How often a lease was granted, and how often while another had it, under clocks of ±120 s.

    Each contender holds for a moment what he got, far within its life, and gives it back.
    """
    holding, granted, overlapped = set[str](), 0, 0
    chance, base = random.Random(), Clock(NOON)

    async def contender(name: str, seconds: float) -> None:
        nonlocal granted, overlapped
        clock = SkewedClock(base, seconds)
        while granted < grants:
            base.move(seconds=0.01)
            if await take(name, clock):
                granted += 1
                overlapped += bool(holding)
                holding.add(name)
                await asyncio.sleep(chance.uniform(0, 0.02))
                holding.discard(name)
                await give(name)
            await asyncio.sleep(chance.uniform(0, 0.01))

    await asyncio.gather(
        *(contender(f"{n}", skew) for n, skew in enumerate((-120, -120, -60, 0, 0, 60, 120, 120)))
    )
    return granted, overlapped


@pytest.mark.soak
async def test_no_two_leases_overlap_whatever_the_clocks_say(ctx: Context) -> None:
    leases = Leases(ctx.mongo.database, TTL_S)
    await leases.ensure("skewed")

    async def take(name: str, clock: Callable[[], datetime]) -> bool:
        return await leases.acquire("skewed", {"since": clock()}, name) is not None

    async def give(name: str) -> None:
        await leases.release_token("skewed", name)

    granted, overlapped = await count_overlaps(take, give, scaled_rounds(1000))

    assert granted >= scaled_rounds(1000)
    assert overlapped == 0


@pytest.mark.long
async def test_leases_on_the_clients_clocks_do_overlap(ctx: Context) -> None:
    """The control: the same contenders, and a lease that is as usual but for whose clock tells."""
    rows = ctx.mongo.database["by_client_clocks"]
    await rows.insert_one({"_id": "skewed", "owner": None, "expires_at": NOON})

    async def take(name: str, clock: Callable[[], datetime]) -> bool:
        now = clock()
        got = await rows.update_one(
            {"_id": "skewed", "$or": [{"owner": None}, {"expires_at": {"$lte": now}}]},
            {"$set": {"owner": name, "expires_at": now + timedelta(seconds=TTL_S)}},
        )
        return bool(got.matched_count)

    async def give(name: str) -> None:
        await rows.update_one({"_id": "skewed", "owner": name}, {"$set": {"owner": None}})

    granted, overlapped = await count_overlaps(take, give, 100)

    assert granted >= 100
    assert overlapped > 0


async def test_runs_of_processes_whose_clocks_are_four_minutes_apart_do_not_overlap(
    contexts: Any, db: Any
) -> None:
    base, at_work, most = Clock(NOON + timedelta(minutes=10)), 0, 0

    async def work_on(ctx: Context, run: Run, args: Args) -> Counts:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        await asyncio.sleep(0.05)
        at_work -= 1
        return run.counts

    job = Job(name="tally", run=work_on, args=Args, help="Works for a moment.")
    minutely = Schedule(job="tally", cron="* * * * *", coalesce=False)
    crowd = [await contexts(SkewedClock(base, skew)) for skew in (-120, 0, 120)]

    async def contend(number: int) -> int:
        slot = Slot(schedule="s", at=NOON + timedelta(minutes=number // 2))
        ctx = crowd[number % 3]
        ending = await run_slot(ctx, job, minutely, slot, "cli")
        return ending.exit_code

    assert set(await asyncio.gather(*map(contend, range(12)))) == {0}
    assert most == 1
    outcomes = Counter(row["outcome"] for row in db.job_runs.find())
    assert outcomes.total() == 6
    assert set(outcomes) <= {"succeeded", "skipped_overlap"}
