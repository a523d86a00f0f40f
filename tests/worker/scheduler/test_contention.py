"""Several processes that claim the same slots, and evicted pods."""

import asyncio
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from chesscoach.config import Settings
from chesscoach.context import Context, open_context
from chesscoach.schedules.outcome import Counts
from chesscoach.schedules.schedule import Schedule, Slot
from chesscoach.worker.job import Job, Run
from chesscoach.worker.scheduler.scheduler import Scheduler
from chesscoach.worker.shutdown import ShutdownRequest
from tests.conftest import NOON, Clock, FakeSites, scaled_rounds
from tests.support.processes import kill, line_with, run, start
from tests.support.recording_job import Args
from tests.support.scheduling import SkewedClock, expire_process, run_slot, wait_until_idle
from tests.support.sync.sync_members import add_member, before_now

JOB = "chesscoach.jobs.sync_games"


SLOTS = scaled_rounds(500, 50)


class CountingJob:
    """A job that ends at once; `runs` counts how often each schedule's slot was worked."""

    def __init__(self) -> None:
        self.runs = Counter[str]()
        self.job = Job(name="tally", run=self._run, args=Args, help="Counts.")

    async def _run(self, ctx: Context, run: Run, args: Args) -> Counts:
        assert run.slot is not None
        self.runs[run.slot.schedule] += 1
        await asyncio.sleep(0)
        return run.counts


@pytest.fixture
async def long_lease_contexts(settings: Settings) -> AsyncIterator[Any]:
    """A maker of contexts with leases that outlive whatever else the machine has to do."""
    runner = replace(settings.config.runner, lease_s=120.0)
    settings = replace(settings, config=replace(settings.config, runner=runner))
    async with AsyncExitStack() as stack:

        async def make(now: Clock) -> Context:
            return await stack.enter_async_context(open_context(settings, now))

        yield make


@pytest.mark.soak
@pytest.mark.timeout(300)
async def test_three_daemons_and_three_one_shots_make_one_run_of_each_slot(
    long_lease_contexts: Any, db: Any
) -> None:
    """500 slots in `make soak`; the daemons and the one-shots begin within ±50 ms."""
    chance, base, tally = random.Random(), Clock(NOON + timedelta(minutes=30)), CountingJob()
    schedules = {
        f"s{n}": Schedule(job="tally", cron="0 * * * *", lock=f"s{n}") for n in range(SLOTS)
    }
    daemons = []
    for _ in range(3):
        ctx = await long_lease_contexts(SkewedClock(base, chance.uniform(-0.05, 0.05)))
        ctx = replace(ctx, config=replace(ctx.config, schedules=schedules))
        daemons.append(Scheduler(ctx.worker, ShutdownRequest(), {"tally": tally.job}))
    pods = [
        await long_lease_contexts(SkewedClock(base, chance.uniform(-0.05, 0.05))) for _ in range(3)
    ]
    codes = Counter[int]()
    at = NOON + timedelta(hours=1)

    async def daemon(scheduler: Scheduler) -> None:
        await asyncio.sleep(chance.uniform(0, 0.1))
        while db.job_runs.count_documents({}) < SLOTS or scheduler.running:
            await scheduler.tick()
            await asyncio.sleep(0.05)

    async def one_shots(ctx: Context) -> None:
        left = chance.sample(list(schedules), SLOTS)

        async def worker() -> None:
            while left:
                key = left.pop()
                slot = Slot(schedule=key, at=at)
                await asyncio.sleep(chance.uniform(0, 0.01))
                ending = await run_slot(ctx, tally.job, schedules[key], slot, "kubernetes")
                codes[ending.exit_code] += 1

        await asyncio.gather(*(worker() for _ in range(8)))

    async with daemons[0], daemons[1], daemons[2]:
        base.now = at + timedelta(seconds=0.05)
        await asyncio.gather(*map(daemon, daemons), *map(one_shots, pods))
        await wait_until_idle(*daemons)

    assert tally.runs == dict.fromkeys(schedules, 1)
    assert db.job_runs.count_documents({"outcome": "succeeded", "attempt": 1}) == SLOTS
    assert db.job_runs.count_documents({}) == SLOTS
    assert codes == {0: 3 * SLOTS}
    sources = {row["source"] for row in db.job_runs.find()}
    assert sources == {"daemon", "kubernetes"}, "both had a part"
    assert db.job_leases.count_documents({"owner": {"$ne": None}}) == 0


async def test_three_processes_run_one_slot_once(
    environment: dict[str, str], ctx: Context, db: Any, sites: FakeSites
) -> None:
    await add_member(ctx, db, sites, "Ann", "chess.com")
    sites.world.add_game("chess.com", "Ann", before_now(days=1))
    sites.chesscom.delay_s = 0.3
    slot = {"CHESSCOACH_SLOT": f"{slot_today():%Y-%m-%dT%H:%M:%SZ}"}

    done = await asyncio.gather(
        *(run({**environment, **slot}, JOB, "--scheduled", "--json") for _ in range(3))
    )

    assert [each.code for each in done] == [0, 0, 0]
    assert [each.record["outcome"] for each in done if "duration_s" in each.record] == ["succeeded"]
    row = db.job_runs.find_one()
    assert (row["outcome"], row["attempt"]) == ("succeeded", 1)
    assert db.job_runs.count_documents({}) == db.games.count_documents({}) == 1


def slot_today() -> datetime:
    """The slot of six hours or less ago."""
    now = datetime.now(UTC)
    return now.replace(hour=now.hour // 6 * 6, minute=0, second=0, microsecond=0)


async def test_the_slot_of_an_evicted_pod_runs_once(
    environment: dict[str, str], ctx: Context, db: Any, sites: FakeSites
) -> None:
    """SIGTERM, and a SIGKILL before it could drain."""
    for number in range(8):
        await add_member(ctx, db, sites, f"P{number}", "chess.com")
        sites.world.add_game("chess.com", f"P{number}", before_now(days=1))
    sites.chesscom.faults.extend([None, None, "hang"])
    pod = {**environment, "CHESSCOACH_SLOT": f"{slot_today():%Y-%m-%dT%H:%M:%SZ}"}
    process = await start(pod, JOB, "--scheduled")
    run_id = (await line_with(process, "job_started"))["run_id"]
    process.send_signal(signal.SIGTERM)
    assert (await kill(process)).code == -signal.SIGKILL
    expire_process(db, run_id)
    sites.chesscom.faults.clear()

    done = await run(pod, JOB, "--scheduled", "--json")
    assert (done.code, done.record["outcome"], done.record["attempt"]) == (0, "succeeded", 2)
    again = await run(pod, JOB, "--scheduled", "--json")

    assert (again.code, again.record["reason"]) == (0, "closed: succeeded")
    row = db.job_runs.find_one()
    assert (row["_id"], row["attempt"], len(row["earlier"])) == (run_id, 2, 1)
    assert db.job_runs.count_documents({}) == 1
    assert len(db.games.distinct("url")) == db.games.count_documents({}) == 8


async def test_a_retried_pod_leaves_with_the_code_of_what_it_finds(
    environment: dict[str, str], ctx: Context, db: Any, sites: FakeSites
) -> None:
    """0 in living hands, 75 by hand, 1 where the attempts are used up."""
    await add_member(ctx, db, sites, "Ann", "chess.com")
    sites.world.add_game("chess.com", "Ann", before_now(days=1))
    sites.chesscom.faults.append("hang")
    pod = {
        **environment,
        "CHESSCOACH_SLOT": f"{slot_today():%Y-%m-%dT%H:%M:%SZ}",
        "CHESSCOACH_SOURCES__TIMEOUT_S": "600",
    }
    first = await start(pod, JOB, "--scheduled")
    await line_with(first, "job_started")

    beside, by_hand = await asyncio.gather(
        run(pod, JOB, "--scheduled", "--json"), run(environment, JOB, "--json")
    )
    assert (await kill(first, signal.SIGTERM)).code == 143
    db.job_runs.update_one(
        {"schedule": "sync_games"}, {"$set": {"outcome": "failed", "attempt": 2, "exit_code": 1}}
    )
    spent = await run(pod, JOB, "--scheduled", "--json")

    assert (beside.code, by_hand.code, spent.code) == (0, 75, 1)
    assert beside.record["reason"].startswith("running: ")
    assert spent.record["reason"] == "closed: failed"
