"""Shards: each a claim of its own, and every user in exactly one."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from chesscoach.context import Context
from chesscoach.schedules.outcome import Counts
from chesscoach.schedules.schedule import Schedule, Slot
from chesscoach.worker.job import Job, Run
from chesscoach.worker.runner import attempts, claim, runner
from chesscoach.worker.runner.result import RunResult
from chesscoach.worker.scheduler.scheduler import Scheduler
from chesscoach.worker.shard import ALL_USERS, Shard
from chesscoach.worker.shutdown import ShutdownRequest
from chesscoach.worker.store.statistics import StatisticsReader
from tests.conftest import NOON, Clock
from tests.support.recording_job import Args
from tests.support.scheduling import expire_owner, run_slot

HOUR = timedelta(hours=1)
HOURLY = Schedule(job="walker", cron="0 * * * *")
SLOT = Slot(schedule="walker", at=NOON)
NEXT_SLOT = Slot(schedule="walker", at=NOON + HOUR)
USERS = [f"u{number}" for number in range(200)]


class ShardedJob:
    """A job that walks its users: `user_ids` counts them; it waits for `release` if `held`."""

    def __init__(self, *, held: bool = False) -> None:
        self.user_ids: Counter[str] = Counter()
        self.running: list[str] = []
        self.fail: set[Shard] = set()
        self.release = asyncio.Event()
        if not held:
            self.release.set()
        self.job = Job(name="walker", run=self._run, args=Args, help="Walks.", walks_users=True)

    async def _run(self, ctx: Context, run: Run, args: Args) -> Counts:
        users = [user for user in USERS if run.shard.contains(user)]
        self.running.append(str(run.shard))
        try:
            await self.release.wait()
            if run.shard in self.fail:
                msg = "this shard cannot be done"
                raise RuntimeError(msg)
        finally:
            self.running.remove(str(run.shard))
        self.user_ids.update(users)
        run.counts.candidates = run.counts.done = len(users)
        return run.counts


def all_shards(of: int) -> list[Shard]:
    return [Shard(index=index, of=of) for index in range(of)]


@pytest.fixture
async def new_context(contexts: Any) -> Any:
    """A maker of contexts at noon, as processes of their own would have."""

    async def _make(at: Any = NOON) -> Context:
        ctx: Context = await contexts(Clock(at))
        return replace(ctx, config=replace(ctx.config, schedules={"walker": HOURLY}))

    return _make


async def run_shard(
    ctx: Context,
    walker: ShardedJob,
    shard: Shard,
    slot: Slot = SLOT,
    stop: ShutdownRequest | None = None,
) -> RunResult:
    return await run_slot(ctx, walker.job, HOURLY, slot, shard=shard, stop=stop)


async def run_manual_shard(ctx: Context, walker: ShardedJob, shard: Shard) -> RunResult:
    return await runner.run_manually(ctx.worker, walker.job, Args(), ShutdownRequest(), shard=shard)


async def claim_shard(ctx: Context, walker: ShardedJob, shard: Shard) -> attempts.Attempt:
    """A shard that a process claims before it dies."""
    claimed = await claim.claim_slot(ctx.worker, walker.job, HOURLY, SLOT, "cli", shard)
    assert isinstance(claimed, attempts.Attempt), claimed
    return claimed


async def wait_until_running(walker: ShardedJob, count: int) -> None:
    """Until `count` shards are running."""
    async with asyncio.timeout(30):
        while len(walker.running) < count:
            await asyncio.sleep(0.01)


async def test_concurrent_shards_visit_every_user_once_each_as_a_run_of_its_own(
    new_context: Any, db: Any
) -> None:
    walker, contexts = ShardedJob(held=True), [await new_context() for _ in range(4)]
    running = [
        asyncio.create_task(run_shard(ctx, walker, shard))
        for ctx, shard in zip(contexts, all_shards(4), strict=True)
    ]
    await wait_until_running(walker, 4)
    leases = {lease["_id"] for lease in db.job_leases.find({"owner": {"$ne": None}})}
    assert leases == {f"walker#{shard}" for shard in all_shards(4)}
    walker.release.set()

    results = await asyncio.gather(*running)

    assert [result.exit_code for result in results] == [0] * 4
    assert [result.record["shard"] for result in results] == ["0/4", "1/4", "2/4", "3/4"]
    assert walker.user_ids == Counter(USERS)
    runs = {run["_id"]: (run["shard"], run["outcome"]) for run in db.job_runs.find()}
    assert runs == {f"{SLOT.key}#{shard}": (str(shard), "succeeded") for shard in all_shards(4)}
    assert db.job_leases.count_documents({"owner": {"$ne": None}}) == 0


async def test_a_running_shard_is_left_alone_and_a_finished_one_is_closed(
    new_context: Any, db: Any
) -> None:
    walker, (first, second) = ShardedJob(held=True), all_shards(2)
    ctx, other = await new_context(), await new_context()
    running = asyncio.create_task(run_shard(ctx, walker, first))
    await wait_until_running(walker, 1)

    beside = await run_shard(other, walker, first)
    assert (beside.exit_code, beside.record["reason"][:8]) == (0, "running:")
    walker.release.set()
    await running
    again = await run_shard(other, walker, first)
    assert (again.exit_code, again.record["reason"]) == (0, "closed: succeeded")
    assert (again.record["run_id"], again.record["shard"]) == (f"{SLOT.key}#0/2", "0/2")
    await run_shard(other, walker, second)
    assert walker.user_ids == Counter(USERS)


async def test_a_slot_in_four_shards_and_in_six_and_whole_loses_no_user(
    new_context: Any, db: Any
) -> None:
    """Half of the four have run when another process divides the slot by six, and one by none."""
    walker, ctx = ShardedJob(), await new_context()

    for shard in (*all_shards(4)[:2], *all_shards(6), ALL_USERS):
        assert (await run_shard(ctx, walker, shard)).exit_code == 0

    half = {user for user in USERS if any(s.contains(user) for s in all_shards(4)[:2])}
    assert walker.user_ids == Counter(USERS) + Counter(USERS) + Counter(half)
    assert db.job_runs.count_documents({"outcome": "succeeded"}) == 9


async def test_the_shard_of_a_dead_process_is_taken_over_and_no_other_is_disturbed(
    new_context: Any, db: Any
) -> None:
    walker, (first, second) = ShardedJob(held=True), all_shards(2)
    dead, ctx, heir = await new_context(), await new_context(), await new_context()
    lost = await claim_shard(dead, walker, first)
    expire_owner(db, lost.run.id)
    running = asyncio.create_task(run_shard(ctx, walker, second))
    await wait_until_running(walker, 1)

    inherited = asyncio.create_task(run_shard(heir, walker, first))
    await wait_until_running(walker, 2)
    assert db.job_leases.find_one({"_id": "walker#0/2"})["fence"] > lost.lease.fence
    walker.release.set()
    results = await asyncio.gather(running, inherited)

    assert [result.record["attempt"] for result in results] == [1, 2]
    assert walker.user_ids == Counter(USERS)


async def test_a_shard_that_fails_for_good_closes_itself_alone(new_context: Any, db: Any) -> None:
    walker, (first, second), ctx = ShardedJob(), all_shards(2), await new_context()
    walker.fail = {first}

    codes = [(await run_shard(ctx, walker, first)).exit_code for _ in range(3)]

    assert codes == [1, 1, 1]
    assert db.job_runs.find_one({"_id": f"{SLOT.key}#0/2"})["attempt"] == 2
    assert (await run_shard(ctx, walker, second)).exit_code == 0


async def test_the_next_slot_is_skipped_for_a_shard_that_still_runs_and_for_no_other(
    new_context: Any, db: Any
) -> None:
    walker, (first, second) = ShardedJob(held=True), all_shards(2)
    ctx, other = await new_context(), await new_context(NOON + HOUR)
    running = asyncio.create_task(run_shard(ctx, walker, first))
    await wait_until_running(walker, 1)

    skipped = await run_shard(other, walker, first, NEXT_SLOT)
    walker.release.set()
    beside = await run_shard(other, walker, second, NEXT_SLOT)
    await running

    assert skipped.record["reason"].startswith("skipped_overlap: walker is already running")
    assert beside.record["outcome"] == "succeeded"
    assert walker.user_ids == Counter(USERS)


async def test_manual_shards_run_beside_each_other_and_not_twice(new_context: Any, db: Any) -> None:
    walker, contexts = ShardedJob(held=True), [await new_context() for _ in range(4)]
    running = [
        asyncio.create_task(run_manual_shard(ctx, walker, shard))
        for ctx, shard in zip(contexts, all_shards(3), strict=False)
    ]
    await wait_until_running(walker, 3)
    refused = await run_manual_shard(contexts[3], walker, Shard(index=1, of=3))
    assert refused.exit_code == 75
    walker.release.set()

    results = await asyncio.gather(*running)

    assert [result.exit_code for result in results] == [0] * 3
    assert walker.user_ids == Counter(USERS)
    assert {run["shard"] for run in db.job_runs.find({"slot": None})} == {"0/3", "1/3", "2/3"}


async def test_an_older_slot_is_coalesced_for_the_shards_whose_users_a_newer_one_has(
    new_context: Any, db: Any
) -> None:
    walker, (first, second) = ShardedJob(), all_shards(2)
    ctx = await new_context(NOON + HOUR)
    await run_shard(ctx, walker, first, NEXT_SLOT)

    older = [await run_shard(ctx, walker, shard) for shard in (first, second, *all_shards(3)[:1])]

    assert [result.record["outcome"] for result in older] == ["coalesced", "succeeded", "coalesced"]
    assert walker.user_ids == Counter(USERS)


async def test_a_daemon_takes_over_a_shard_whose_process_died(new_context: Any, db: Any) -> None:
    walker, (first, second) = ShardedJob(), all_shards(2)
    dead, ctx = await new_context(), await new_context(NOON + timedelta(minutes=1))
    await run_shard(dead, walker, first)
    lost = await claim_shard(dead, walker, second)
    expire_owner(db, lost.run.id)

    async with Scheduler(ctx.worker, ShutdownRequest(), {"walker": walker.job}) as scheduler:
        async with asyncio.timeout(30):
            while db.job_runs.find_one({"_id": f"{SLOT.key}#1/2"})["outcome"] == "running":
                await scheduler.refresh()
                await asyncio.sleep(0.05)

    assert walker.user_ids == Counter(USERS)
    taken = db.job_runs.find_one({"_id": f"{SLOT.key}#1/2"})
    assert (taken["outcome"], taken["attempt"], taken["source"]) == ("succeeded", 2, "daemon")


async def test_the_newest_slot_of_a_schedule_that_runs_in_shards_alone_counts_and_stays(
    new_context: Any, db: Any
) -> None:
    walker, ctx = ShardedJob(), await new_context()
    for shard in all_shards(2):
        await run_shard(ctx, walker, shard)
    runs = ctx.worker.runs

    assert await runs.newest_slots() == {"walker": NOON}
    newest = await runs.newest("walker")
    assert newest is not None
    assert newest.slot == NOON
    assert await runs.delete_older_than(NOON + timedelta(days=99)) == 1
    assert await runs.newest_slots() == {"walker": NOON}


async def test_a_job_in_shards_has_succeeded_when_each_of_them_has(
    new_context: Any, db: Any
) -> None:
    walker, (first, second), ctx = ShardedJob(), all_shards(2), await new_context()

    async def last_success() -> Any:
        async with ctx.mongo.open_probe() as probe:
            reader = StatisticsReader(probe.database, ctx.leases.ttl_s)
            return (await reader.read(["walker"], NOON)).last_success.get("walker")

    await run_shard(ctx, walker, first)
    assert await last_success() is None, "the users of the second shard have had no run"
    await run_shard(ctx, walker, second)
    db.job_runs.update_one({"shard": "0/2"}, {"$set": {"finished_at": NOON + timedelta(minutes=3)}})
    assert await last_success() == NOON
    later = await new_context(NOON + HOUR)
    await run_shard(later, walker, first, NEXT_SLOT)
    assert await last_success() == NOON
    await run_shard(later, walker, second, NEXT_SLOT)
    assert await last_success() == NOON + HOUR
