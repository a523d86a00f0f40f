"""A slot in parts: each once, closed with the last, and no other work of the job between them."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from bson import Timestamp
from msgspec.structs import replace

from chesscoach.context import Context
from chesscoach.errors import LeaseHeld
from chesscoach.schedules.outcome import Counts
from chesscoach.schedules.schedule import Schedule, Slot
from chesscoach.worker.job import Job, Run
from chesscoach.worker.runner import attempts, claim, runner
from chesscoach.worker.runner import shards as shards_module
from chesscoach.worker.runner.result import RunResult
from chesscoach.worker.scheduler import recovery
from chesscoach.worker.scheduler.scheduler import Scheduler
from chesscoach.worker.shard import ALL_USERS, Shard
from chesscoach.worker.shutdown import ShutdownRequest
from tests.conftest import NOON, Clock
from tests.support.recording_job import Args

HOURLY = Schedule(job="walker", cron="0 * * * *")
SLOT = Slot(schedule="walker", at=NOON)
USERS = [f"u{number}" for number in range(200)]


class ShardedJob:
    """A job that walks its users: `seen` is who was walked; held until it is let go."""

    def __init__(self, *, held: bool = False) -> None:
        self.user_ids: Counter[str] = Counter()
        self.fences: list[int] = []
        self.running: list[str] = []
        self.fail: set[Shard] = set()
        self.release = asyncio.Event()
        if not held:
            self.release.set()
        self.job = Job(name="walker", run=self._run, args=Args, help="Walks.", walks_users=True)

    async def _run(self, ctx: Context, run: Run, args: Args) -> Counts:
        mine = [user for user in USERS if run.shard.contains(user)]
        self.fences.append(run.fence)
        self.running.append(str(run.shard))
        try:
            await self.release.wait()
            if run.shard in self.fail:
                msg = "this part cannot be done"
                raise RuntimeError(msg)
        finally:
            self.running.remove(str(run.shard))
        self.user_ids.update(mine)
        run.counts.candidates = run.counts.done = len(mine)
        run.counts.note("walked", len(mine))
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
    return await runner.run_slot(
        ctx.worker,
        walker.job,
        HOURLY,
        slot,
        source="cli",
        stop=stop or ShutdownRequest(),
        shard=shard,
    )


async def wait_until_running(walker: ShardedJob, count: int) -> None:
    """Until so many are at work."""
    async with asyncio.timeout(10):
        while len(walker.running) < count:
            await asyncio.sleep(0.01)


async def test_parts_side_by_side_walk_everybody_once_and_the_last_closes_the_slot(
    new_context: Any, db: Any
) -> None:
    walker, each = ShardedJob(held=True), [await new_context() for _ in range(4)]
    working = [
        asyncio.create_task(run_shard(ctx, walker, shard))
        for ctx, shard in zip(each, all_shards(4), strict=True)
    ]
    await wait_until_running(walker, 4)
    slot = db.job_runs.find_one({"_id": SLOT.key})
    assert (slot["parts"], slot["outcome"]) == (4, "running")
    assert len(set(walker.fences)) == 4
    walker.release.set()

    endings = await asyncio.gather(*working)

    assert [ending.exit_code for ending in endings] == [0] * 4
    assert walker.user_ids == Counter(USERS)
    slot = db.job_runs.find_one({"_id": SLOT.key})
    assert (slot["outcome"], slot["exit_code"], slot["done"]) == ("succeeded", 0, len(USERS))
    assert slot["notes"] == {"walked": len(USERS)}
    rows = list(db.job_runs.find({"part": {"$ne": None}}).sort("part"))
    assert [row["_id"] for row in rows] == [f"{SLOT.key}#{shard}" for shard in all_shards(4)]
    assert db.job_leases.count_documents({"owner": {"$ne": None}}) == 0


async def test_a_part_that_comes_again_finds_itself_done_and_one_at_work_is_left_alone(
    new_context: Any, db: Any
) -> None:
    walker, (first, second) = ShardedJob(held=True), all_shards(2)
    ctx, other = await new_context(), await new_context()
    working = asyncio.create_task(run_shard(ctx, walker, first))
    await wait_until_running(walker, 1)

    beside = await run_shard(other, walker, first)
    assert (beside.exit_code, beside.record["reason"][:8]) == (0, "at work:")
    walker.release.set()
    await working
    again = await run_shard(other, walker, first)
    assert (again.exit_code, again.record["reason"]) == (0, "closed: succeeded")
    await run_shard(other, walker, second)
    after = await run_shard(ctx, walker, second)
    assert after.record["reason"] == "closed: succeeded"
    assert walker.user_ids == Counter(USERS)


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (Shard(index=0, of=4), Shard(index=0, of=6), "it is worked in 4 parts"),
        (Shard(index=0, of=4), ALL_USERS, "it is worked in 4 parts"),
        (ALL_USERS, Shard(index=1, of=4), "it is worked as a whole"),
    ],
)
async def test_who_comes_with_another_number_of_parts_leaves_and_says_so(
    first: Shard, second: Shard, said: str, new_context: Any, db: Any
) -> None:
    walker, ctx, other = ShardedJob(held=True), await new_context(), await new_context()
    working = asyncio.create_task(run_shard(ctx, walker, first))
    await wait_until_running(walker, 1)

    left = await run_shard(other, walker, second)

    assert left.exit_code == 0
    assert left.record["reason"].startswith(said)
    walker.release.set()
    await working
    assert walker.user_ids.keys() == {user for user in USERS if first.contains(user)}
    assert db.job_runs.find_one({"_id": SLOT.key})["parts"] == first.of


async def test_the_part_of_a_dead_process_is_taken_over_and_no_other_is_disturbed(
    new_context: Any, db: Any
) -> None:
    walker, (first, second) = ShardedJob(held=True), all_shards(2)
    lost, ctx, heir = await new_context(), await new_context(), await new_context()
    group = await _claim_shard(lost, walker, first)
    working = asyncio.create_task(run_shard(ctx, walker, second))
    await wait_until_running(walker, 1)

    heirs = asyncio.create_task(run_shard(heir, walker, first))
    await wait_until_running(walker, 2)
    walker.release.set()
    endings = await asyncio.gather(working, heirs)

    assert [ending.record["attempt"] for ending in endings] == [1, 2]
    assert walker.user_ids == Counter(USERS)
    assert db.job_runs.find_one({"_id": SLOT.key})["outcome"] == "succeeded"
    assert walker.fences[1] > group.fence


async def _claim_shard(ctx: Context, walker: ShardedJob, shard: Shard) -> attempts.Attempt:
    """A part that a process has claimed before it died."""
    found = await shards_module.claim_slot_shard(ctx.worker, walker.job, HOURLY, SLOT, "cli", shard)
    assert isinstance(found, attempts.Attempt), found
    return found


async def test_a_part_that_fails_for_good_closes_the_slot_as_partly_done(
    new_context: Any, db: Any
) -> None:
    walker, (first, second), ctx = ShardedJob(), all_shards(2), await new_context()
    walker.fail = {first}
    assert (await run_shard(ctx, walker, second)).exit_code == 0
    assert (await run_shard(ctx, walker, first)).exit_code == 1
    assert db.job_runs.find_one({"_id": SLOT.key})["outcome"] == "running"

    assert (await run_shard(ctx, walker, first)).exit_code == 1

    slot = db.job_runs.find_one({"_id": SLOT.key})
    assert (slot["outcome"], slot["exit_code"], slot["done"]) == (
        "partial",
        1,
        walker.user_ids.total(),
    )
    assert slot["errors"] == [{"error": "RuntimeError"}]
    assert (await run_shard(ctx, walker, second)).exit_code == 1  # the slot's own


async def test_a_part_that_is_stopped_leaves_the_slot_open_for_the_next(
    new_context: Any, db: Any
) -> None:
    walker, (first, second) = ShardedJob(held=True), all_shards(2)
    ctx, stop = await new_context(), ShutdownRequest()
    working = asyncio.create_task(run_shard(ctx, walker, first, stop=stop))
    await wait_until_running(walker, 1)
    stop.request()
    stop.request()
    assert (await working).record["outcome"] == "cancelled"
    walker.release.set()

    for shard in (second, first):
        assert (await run_shard(ctx, walker, shard)).exit_code == 0
    assert walker.user_ids == Counter(USERS)
    assert db.job_runs.find_one({"_id": SLOT.key})["outcome"] == "succeeded"


async def test_no_other_slot_and_no_run_by_hand_comes_between_parts(
    new_context: Any, db: Any
) -> None:
    walker, ctx, other = (
        ShardedJob(held=True),
        await new_context(),
        await new_context(NOON + timedelta(hours=1)),
    )
    working = asyncio.create_task(run_shard(ctx, walker, Shard(index=0, of=2)))
    await wait_until_running(walker, 1)

    with pytest.raises(LeaseHeld, match="walker is at work already"):
        await claim.claim_manual_run(other.worker, walker.job, attempts.manual_id(walker.job))
    for shard in (Shard(index=0, of=2), Shard(index=1, of=2), ALL_USERS):
        later = Slot(schedule="walker", at=NOON + timedelta(hours=1))
        skipped = await run_shard(other, walker, shard, later)
        assert skipped.exit_code == 0
        said = "closed" if shard != Shard(index=0, of=2) else "skipped_overlap: walker is at work"
        assert said in skipped.record["reason"]
    walker.release.set()
    await working
    assert db.job_runs.find_one({"_id": later.key})["outcome"] == "skipped_overlap"


async def test_with_queue_one_parts_wait_for_the_run_by_hand_that_is_at_work(
    new_context: Any, db: Any
) -> None:
    walker, ctx, each = (
        ShardedJob(held=True),
        await new_context(),
        [await new_context() for _ in range(2)],
    )
    patient = replace(HOURLY, overlap="queue_one")
    by_hand = asyncio.create_task(
        runner.run_manually(ctx.worker, walker.job, Args(), ShutdownRequest())
    )
    await wait_until_running(walker, 1)
    waiting = [
        asyncio.create_task(
            runner.run_slot(
                one.worker,
                walker.job,
                patient,
                SLOT,
                source="cli",
                stop=ShutdownRequest(),
                shard=shard,
            )
        )
        for one, shard in zip(each, all_shards(2), strict=True)
    ]
    await asyncio.sleep(1.5 * ctx.leases.ttl_s)
    assert walker.running == ["0/1"]
    walker.release.set()

    endings = await asyncio.gather(by_hand, *waiting)

    assert [ending.exit_code for ending in endings] == [0, 0, 0]
    assert set(walker.user_ids.values()) == {2}
    assert db.job_runs.find_one({"_id": SLOT.key})["outcome"] == "succeeded"


async def test_parts_by_hand_run_beside_each_other_and_beside_nothing_else(
    new_context: Any, db: Any
) -> None:
    walker, each = ShardedJob(held=True), [await new_context() for _ in range(4)]

    async def hand(ctx: Context, shard: Shard) -> RunResult:
        return await runner.run_manually(
            ctx.worker, walker.job, Args(), ShutdownRequest(), shard=shard
        )

    working = [asyncio.create_task(hand(each[n], Shard(index=n, of=3))) for n in range(3)]
    await wait_until_running(walker, 3)
    for shard in (Shard(index=1, of=3), Shard(index=0, of=2), ALL_USERS):
        refused = await hand(each[3], shard)
        assert refused.exit_code == 75, shard
    skipped = await run_shard(each[3], walker, Shard(index=0, of=3))
    assert "skipped_overlap" in skipped.record["reason"]
    walker.release.set()

    endings = await asyncio.gather(*working)

    assert [ending.exit_code for ending in endings] == [0] * 3
    assert walker.user_ids == Counter(USERS)
    assert {row["part"] for row in db.job_runs.find({"source": "cli", "slot": None})} == {0, 1, 2}


async def test_a_slot_too_late_or_overtaken_is_recorded_so_as_a_whole(
    new_context: Any, db: Any
) -> None:
    walker, ctx = ShardedJob(), await new_context(NOON + timedelta(hours=2))
    newer = Slot(schedule="walker", at=NOON + timedelta(hours=1))
    for shard in all_shards(2):
        await run_shard(ctx, walker, shard, newer)
    walker.user_ids.clear()

    first = await run_shard(ctx, walker, Shard(index=0, of=2))
    second = await run_shard(ctx, walker, Shard(index=1, of=2))

    assert (first.record["reason"], second.record["reason"]) == ("coalesced", "closed: coalesced")
    assert walker.user_ids == Counter()
    row = db.job_runs.find_one({"_id": SLOT.key})
    assert (row["outcome"], row["parts"]) == ("coalesced", 2)
    assert db.job_runs.count_documents({"slot": NOON}) == 1


async def test_a_part_that_loses_the_jobs_lease_is_cancelled(new_context: Any, db: Any) -> None:
    walker, ctx = ShardedJob(held=True), await new_context()
    working = asyncio.create_task(run_shard(ctx, walker, Shard(index=0, of=2)))
    await wait_until_running(walker, 1)

    db.job_leases.update_one({"_id": "walker"}, {"$set": {"owner": "another"}})

    assert (await working).record["outcome"] == "abandoned"
    assert walker.user_ids == Counter()


async def test_a_daemon_takes_on_parts_that_died_and_those_that_nobody_began(
    new_context: Any, db: Any
) -> None:
    """Three of four pods never came, or not back; the daemon that stands by is no part itself."""
    walker, ctx, lost = (
        ShardedJob(),
        await new_context(NOON + timedelta(minutes=1)),
        await new_context(),
    )
    all_four = all_shards(4)
    await run_shard(lost, walker, all_four[0])
    await _claim_shard(lost, walker, all_four[1])

    async with Scheduler(ctx.worker, ShutdownRequest(), {"walker": walker.job}) as scheduler:
        async with asyncio.timeout(30):
            while db.job_runs.find_one({"_id": SLOT.key})["outcome"] == "running":
                await scheduler.refresh()
                await asyncio.sleep(0.05)

    assert walker.user_ids == Counter(USERS)
    rows = {row["part"]: row for row in db.job_runs.find({"part": {"$ne": None}})}
    assert [rows[part]["attempt"] for part in range(4)] == [1, 2, 1, 1]
    assert {rows[part]["source"] for part in (1, 2, 3)} == {"daemon"}
    assert db.job_runs.find_one({"_id": SLOT.key})["outcome"] == "succeeded"


async def test_a_slot_whose_last_part_died_before_it_closed_it_is_closed_by_a_daemon(
    new_context: Any, db: Any
) -> None:
    walker, ctx = ShardedJob(), await new_context(NOON + timedelta(minutes=1))
    for shard in all_shards(2):
        await run_shard(ctx, walker, shard)
    db.job_runs.update_one({"_id": SLOT.key}, {"$set": {"outcome": "running"}})
    walker.user_ids.clear()

    async with Scheduler(ctx.worker, ShutdownRequest(), {"walker": walker.job}) as scheduler:
        async with asyncio.timeout(30):
            while db.job_runs.find_one({"_id": SLOT.key})["outcome"] == "running":
                await scheduler.refresh()
                await asyncio.sleep(0.05)

    assert walker.user_ids == Counter()


def _expire_leases(db: Any) -> None:
    """As if all processes had died a while ago."""
    long_ago = NOON - timedelta(days=300)
    db.job_leases.update_many({}, {"$set": {"expires_at": long_ago}})
    db.job_runs.update_many({}, {"$set": {"claimed_at": Timestamp(1, 1)}})


async def test_a_slot_begun_before_a_pause_is_at_work_again_after_it_and_closes(
    new_context: Any, db: Any
) -> None:
    walker, (first, second), ctx = ShardedJob(held=True), all_shards(2), await new_context()
    walker.release.set()
    await run_shard(ctx, walker, first)
    _expire_leases(db)
    assert [left async for left in recovery.open_slots(ctx.worker, {})] == []
    assert db.job_runs.find_one({"_id": SLOT.key})["outcome"] == "abandoned"

    walker.release.clear()
    working = asyncio.create_task(run_shard(ctx, walker, second))
    await wait_until_running(walker, 1)
    assert db.job_runs.find_one({"_id": SLOT.key})["outcome"] == "running"
    walker.release.set()
    await working

    slot = db.job_runs.find_one({"_id": SLOT.key})
    assert (slot["outcome"], slot["reason"], slot["done"]) == ("succeeded", None, len(USERS))


async def test_a_slot_abandoned_and_then_too_late_is_not_worked(new_context: Any, db: Any) -> None:
    walker, (first, second), ctx = ShardedJob(), all_shards(2), await new_context()
    await run_shard(ctx, walker, first)
    _expire_leases(db)
    assert [left async for left in recovery.open_slots(ctx.worker, {})] == []
    db.job_runs.insert_one({"schedule": "walker", "slot": NOON + timedelta(hours=1)})

    assert (await run_shard(ctx, walker, second)).record["reason"] == "coalesced"

    assert db.job_runs.find_one({"_id": SLOT.key})["outcome"] == "coalesced"
    assert walker.user_ids.total() < len(USERS)


@pytest.mark.parametrize("newer", [False, True])
async def test_a_slot_whose_parts_have_ended_tells_of_them_whoever_closes_it_and_when(
    newer: bool, new_context: Any, db: Any
) -> None:
    """The process of its last part died before it closed the slot."""
    walker, (first, second), ctx = ShardedJob(), all_shards(2), await new_context()
    for sweeping in (True, False):
        for shard in (first, second):
            await run_shard(ctx, walker, shard)
        db.job_runs.update_one(
            {"_id": SLOT.key}, {"$set": {"outcome": "running", "finished_at": None}}
        )
        _expire_leases(db)
        if newer and sweeping:
            db.job_runs.insert_one({"schedule": "walker", "slot": NOON + timedelta(hours=1)})

        if sweeping:
            assert [left async for left in recovery.open_slots(ctx.worker, {})] == []
        else:
            again = await run_shard(ctx, walker, second)
            assert again.record["reason"] == "closed: succeeded"

        assert db.job_runs.find_one({"_id": SLOT.key})["outcome"] == "succeeded"
    assert walker.user_ids == Counter(USERS)


async def test_who_comes_too_late_works_nothing_of_a_slot_closed_while_he_looks(
    new_context: Any, db: Any
) -> None:
    """Another, who came too late as well, has found before him that nobody lives."""
    walker, ctx, late = ShardedJob(), await new_context(), await new_context()
    await run_shard(ctx, walker, Shard(index=0, of=3))
    db.job_runs.insert_one({"schedule": "walker", "slot": NOON + timedelta(hours=1)})
    walker.user_ids.clear()

    looking = asyncio.create_task(run_shard(late, walker, Shard(index=1, of=3)))
    await asyncio.sleep(0.3)
    closed = {"outcome": "coalesced", "finished_at": NOON}
    db.job_runs.update_one({"_id": SLOT.key}, {"$set": closed})

    assert (await looking).record["reason"] == "closed: coalesced"
    assert walker.user_ids == Counter()


async def test_a_slot_of_which_a_part_was_not_worked_is_no_success(
    new_context: Any, db: Any
) -> None:
    """A part died, and is too late to be worked again while another one still is at work."""
    walker, (first, second), ctx = ShardedJob(held=True), all_shards(2), await new_context()
    working = asyncio.create_task(run_shard(ctx, walker, first))
    await wait_until_running(walker, 1)
    lost = await _claim_shard(ctx, walker, second)
    await ctx.leases.release(lost.lease)
    died = await ctx.worker.runs.find(lost.run.id)
    assert died is not None
    await ctx.worker.runs.close_orphaned(
        died, "missed", "it could not be finished within 60 s", NOON
    )
    walker.release.set()
    await working

    slot = db.job_runs.find_one({"_id": SLOT.key})
    assert (slot["outcome"], slot["exit_code"]) == ("partial", 1)
