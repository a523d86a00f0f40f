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
from chesscoach.worker.job import Job, Run, Stop
from chesscoach.worker.runner import attempts, claim, runner
from chesscoach.worker.runner import shards as shards_module
from chesscoach.worker.runner.result import Ending
from chesscoach.worker.scheduler import recovery
from chesscoach.worker.scheduler.scheduler import Scheduler
from chesscoach.worker.shard import WHOLE, Shard
from tests.conftest import NOON, Clock
from tests.support.recording_job import Args

HOURLY = Schedule(job="walker", cron="0 * * * *")
SLOT = Slot(schedule="walker", at=NOON)
USERS = [f"u{number}" for number in range(200)]


class Walker:
    """A job that walks its users: `seen` is who was walked; held until it is let go."""

    def __init__(self, *, held: bool = False) -> None:
        self.seen: Counter[str] = Counter()
        self.fences: list[int] = []
        self.at_work: list[str] = []
        self.fail: set[Shard] = set()
        self.go = asyncio.Event()
        if not held:
            self.go.set()
        self.job = Job(name="walker", run=self._run, args=Args, help="Walks.", walks_users=True)

    async def _run(self, ctx: Context, run: Run, args: Args) -> Counts:
        mine = [user for user in USERS if run.shard.has(user)]
        self.fences.append(run.fence)
        self.at_work.append(str(run.shard))
        try:
            await self.go.wait()
            if run.shard in self.fail:
                msg = "this part cannot be done"
                raise RuntimeError(msg)
        finally:
            self.at_work.remove(str(run.shard))
        self.seen.update(mine)
        run.counts.candidates = run.counts.done = len(mine)
        run.counts.note("walked", len(mine))
        return run.counts


def shards(of: int) -> list[Shard]:
    return [Shard(index=index, of=of) for index in range(of)]


@pytest.fixture
async def make(contexts: Any) -> Any:
    """A maker of contexts at noon, as processes of their own would have."""

    async def _make(at: Any = NOON) -> Context:
        ctx: Context = await contexts(Clock(at))
        return replace(ctx, config=replace(ctx.config, schedules={"walker": HOURLY}))

    return _make


async def work_part(
    ctx: Context, walker: Walker, shard: Shard, slot: Slot = SLOT, stop: Stop | None = None
) -> Ending:
    return await runner.of_slot(
        ctx, walker.job, HOURLY, slot, source="cli", stop=stop or Stop(), shard=shard
    )


async def busy(walker: Walker, count: int) -> None:
    """Until so many are at work."""
    async with asyncio.timeout(10):
        while len(walker.at_work) < count:
            await asyncio.sleep(0.01)


async def test_parts_side_by_side_walk_everybody_once_and_the_last_closes_the_slot(
    make: Any, db: Any
) -> None:
    walker, each = Walker(held=True), [await make() for _ in range(4)]
    working = [
        asyncio.create_task(work_part(ctx, walker, shard))
        for ctx, shard in zip(each, shards(4), strict=True)
    ]
    await busy(walker, 4)
    slot = db.job_runs.find_one({"_id": SLOT.key})
    assert (slot["parts"], slot["outcome"]) == (4, "running")
    assert len(set(walker.fences)) == 4
    walker.go.set()

    endings = await asyncio.gather(*working)

    assert [ending.exit_code for ending in endings] == [0] * 4
    assert walker.seen == Counter(USERS)
    slot = db.job_runs.find_one({"_id": SLOT.key})
    assert (slot["outcome"], slot["exit_code"], slot["done"]) == ("succeeded", 0, len(USERS))
    assert slot["notes"] == {"walked": len(USERS)}
    rows = list(db.job_runs.find({"part": {"$ne": None}}).sort("part"))
    assert [row["_id"] for row in rows] == [f"{SLOT.key}#{shard}" for shard in shards(4)]
    assert db.job_leases.count_documents({"owner": {"$ne": None}}) == 0


async def test_a_part_that_comes_again_finds_itself_done_and_one_at_work_is_left_alone(
    make: Any, db: Any
) -> None:
    walker, (first, second) = Walker(held=True), shards(2)
    ctx, other = await make(), await make()
    working = asyncio.create_task(work_part(ctx, walker, first))
    await busy(walker, 1)

    beside = await work_part(other, walker, first)
    assert (beside.exit_code, beside.record["reason"][:8]) == (0, "at work:")
    walker.go.set()
    await working
    again = await work_part(other, walker, first)
    assert (again.exit_code, again.record["reason"]) == (0, "closed: succeeded")
    await work_part(other, walker, second)
    after = await work_part(ctx, walker, second)
    assert after.record["reason"] == "closed: succeeded"
    assert walker.seen == Counter(USERS)


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (Shard(index=0, of=4), Shard(index=0, of=6), "it is worked in 4 parts"),
        (Shard(index=0, of=4), WHOLE, "it is worked in 4 parts"),
        (WHOLE, Shard(index=1, of=4), "it is worked as a whole"),
    ],
)
async def test_who_comes_with_another_number_of_parts_leaves_and_says_so(
    first: Shard, second: Shard, said: str, make: Any, db: Any
) -> None:
    walker, ctx, other = Walker(held=True), await make(), await make()
    working = asyncio.create_task(work_part(ctx, walker, first))
    await busy(walker, 1)

    left = await work_part(other, walker, second)

    assert left.exit_code == 0
    assert left.record["reason"].startswith(said)
    walker.go.set()
    await working
    assert walker.seen.keys() == {user for user in USERS if first.has(user)}
    assert db.job_runs.find_one({"_id": SLOT.key})["parts"] == first.of


async def test_the_part_of_a_dead_process_is_taken_over_and_no_other_is_disturbed(
    make: Any, db: Any
) -> None:
    walker, (first, second) = Walker(held=True), shards(2)
    lost, ctx, heir = await make(), await make(), await make()
    group = await _claimed(lost, walker, first)
    working = asyncio.create_task(work_part(ctx, walker, second))
    await busy(walker, 1)

    heirs = asyncio.create_task(work_part(heir, walker, first))
    await busy(walker, 2)
    walker.go.set()
    endings = await asyncio.gather(working, heirs)

    assert [ending.record["attempt"] for ending in endings] == [1, 2]
    assert walker.seen == Counter(USERS)
    assert db.job_runs.find_one({"_id": SLOT.key})["outcome"] == "succeeded"
    assert walker.fences[1] > group.fence


async def _claimed(ctx: Context, walker: Walker, shard: Shard) -> attempts.Attempt:
    """A part that a process has claimed before it died."""
    found = await shards_module.of_slot(ctx, walker.job, HOURLY, SLOT, "cli", shard)
    assert isinstance(found, attempts.Attempt), found
    return found


async def test_a_part_that_fails_for_good_closes_the_slot_as_partly_done(
    make: Any, db: Any
) -> None:
    walker, (first, second), ctx = Walker(), shards(2), await make()
    walker.fail = {first}
    assert (await work_part(ctx, walker, second)).exit_code == 0
    assert (await work_part(ctx, walker, first)).exit_code == 1
    assert db.job_runs.find_one({"_id": SLOT.key})["outcome"] == "running"

    assert (await work_part(ctx, walker, first)).exit_code == 1

    slot = db.job_runs.find_one({"_id": SLOT.key})
    assert (slot["outcome"], slot["exit_code"], slot["done"]) == ("partial", 1, walker.seen.total())
    assert slot["errors"] == [{"error": "RuntimeError"}]
    assert (await work_part(ctx, walker, second)).exit_code == 1  # the slot's own


async def test_a_part_that_is_stopped_leaves_the_slot_open_for_the_next(make: Any, db: Any) -> None:
    walker, (first, second) = Walker(held=True), shards(2)
    ctx, stop = await make(), Stop()
    working = asyncio.create_task(work_part(ctx, walker, first, stop=stop))
    await busy(walker, 1)
    stop.ask()
    stop.ask()
    assert (await working).record["outcome"] == "cancelled"
    walker.go.set()

    for shard in (second, first):
        assert (await work_part(ctx, walker, shard)).exit_code == 0
    assert walker.seen == Counter(USERS)
    assert db.job_runs.find_one({"_id": SLOT.key})["outcome"] == "succeeded"


async def test_no_other_slot_and_no_run_by_hand_comes_between_parts(make: Any, db: Any) -> None:
    walker, ctx, other = Walker(held=True), await make(), await make(NOON + timedelta(hours=1))
    working = asyncio.create_task(work_part(ctx, walker, Shard(index=0, of=2)))
    await busy(walker, 1)

    with pytest.raises(LeaseHeld, match="walker is at work already"):
        await claim.by_hand(other, walker.job, attempts.manual_id(walker.job))
    for shard in (Shard(index=0, of=2), Shard(index=1, of=2), WHOLE):
        later = Slot(schedule="walker", at=NOON + timedelta(hours=1))
        skipped = await work_part(other, walker, shard, later)
        assert skipped.exit_code == 0
        said = "closed" if shard != Shard(index=0, of=2) else "skipped_overlap: walker is at work"
        assert said in skipped.record["reason"]
    walker.go.set()
    await working
    assert db.job_runs.find_one({"_id": later.key})["outcome"] == "skipped_overlap"


async def test_with_queue_one_parts_wait_for_the_run_by_hand_that_is_at_work(
    make: Any, db: Any
) -> None:
    walker, ctx, each = Walker(held=True), await make(), [await make() for _ in range(2)]
    patient = replace(HOURLY, overlap="queue_one")
    by_hand = asyncio.create_task(runner.by_hand(ctx, walker.job, Args(), Stop()))
    await busy(walker, 1)
    waiting = [
        asyncio.create_task(
            runner.of_slot(one, walker.job, patient, SLOT, source="cli", stop=Stop(), shard=shard)
        )
        for one, shard in zip(each, shards(2), strict=True)
    ]
    await asyncio.sleep(1.5 * ctx.store.leases.ttl_s)
    assert walker.at_work == ["0/1"]
    walker.go.set()

    endings = await asyncio.gather(by_hand, *waiting)

    assert [ending.exit_code for ending in endings] == [0, 0, 0]
    assert set(walker.seen.values()) == {2}
    assert db.job_runs.find_one({"_id": SLOT.key})["outcome"] == "succeeded"


async def test_parts_by_hand_run_beside_each_other_and_beside_nothing_else(
    make: Any, db: Any
) -> None:
    walker, each = Walker(held=True), [await make() for _ in range(4)]

    async def hand(ctx: Context, shard: Shard) -> Ending:
        return await runner.by_hand(ctx, walker.job, Args(), Stop(), shard=shard)

    working = [asyncio.create_task(hand(each[n], Shard(index=n, of=3))) for n in range(3)]
    await busy(walker, 3)
    for shard in (Shard(index=1, of=3), Shard(index=0, of=2), WHOLE):
        refused = await hand(each[3], shard)
        assert refused.exit_code == 75, shard
    skipped = await work_part(each[3], walker, Shard(index=0, of=3))
    assert "skipped_overlap" in skipped.record["reason"]
    walker.go.set()

    endings = await asyncio.gather(*working)

    assert [ending.exit_code for ending in endings] == [0] * 3
    assert walker.seen == Counter(USERS)
    assert {row["part"] for row in db.job_runs.find({"source": "cli", "slot": None})} == {0, 1, 2}


async def test_a_slot_too_late_or_overtaken_is_recorded_so_as_a_whole(make: Any, db: Any) -> None:
    walker, ctx = Walker(), await make(NOON + timedelta(hours=2))
    newer = Slot(schedule="walker", at=NOON + timedelta(hours=1))
    for shard in shards(2):
        await work_part(ctx, walker, shard, newer)
    walker.seen.clear()

    first = await work_part(ctx, walker, Shard(index=0, of=2))
    second = await work_part(ctx, walker, Shard(index=1, of=2))

    assert (first.record["reason"], second.record["reason"]) == ("coalesced", "closed: coalesced")
    assert walker.seen == Counter()
    row = db.job_runs.find_one({"_id": SLOT.key})
    assert (row["outcome"], row["parts"]) == ("coalesced", 2)
    assert db.job_runs.count_documents({"slot": NOON}) == 1


async def test_a_part_that_loses_the_jobs_lease_is_cancelled(make: Any, db: Any) -> None:
    walker, ctx = Walker(held=True), await make()
    working = asyncio.create_task(work_part(ctx, walker, Shard(index=0, of=2)))
    await busy(walker, 1)

    db.job_leases.update_one({"_id": "walker"}, {"$set": {"owner": "another"}})

    assert (await working).record["outcome"] == "abandoned"
    assert walker.seen == Counter()


async def test_a_daemon_takes_on_parts_that_died_and_those_that_nobody_began(
    make: Any, db: Any
) -> None:
    """Three of four pods never came, or not back; the daemon that stands by is no part itself."""
    walker, ctx, lost = Walker(), await make(NOON + timedelta(minutes=1)), await make()
    all_four = shards(4)
    await work_part(lost, walker, all_four[0])
    await _claimed(lost, walker, all_four[1])

    async with Scheduler(ctx, Stop(), {"walker": walker.job}) as scheduler:
        async with asyncio.timeout(30):
            while db.job_runs.find_one({"_id": SLOT.key})["outcome"] == "running":
                await scheduler.look()
                await asyncio.sleep(0.05)

    assert walker.seen == Counter(USERS)
    rows = {row["part"]: row for row in db.job_runs.find({"part": {"$ne": None}})}
    assert [rows[part]["attempt"] for part in range(4)] == [1, 2, 1, 1]
    assert {rows[part]["source"] for part in (1, 2, 3)} == {"daemon"}
    assert db.job_runs.find_one({"_id": SLOT.key})["outcome"] == "succeeded"


async def test_a_slot_whose_last_part_died_before_it_closed_it_is_closed_by_a_daemon(
    make: Any, db: Any
) -> None:
    walker, ctx = Walker(), await make(NOON + timedelta(minutes=1))
    for shard in shards(2):
        await work_part(ctx, walker, shard)
    db.job_runs.update_one({"_id": SLOT.key}, {"$set": {"outcome": "running"}})
    walker.seen.clear()

    async with Scheduler(ctx, Stop(), {"walker": walker.job}) as scheduler:
        async with asyncio.timeout(30):
            while db.job_runs.find_one({"_id": SLOT.key})["outcome"] == "running":
                await scheduler.look()
                await asyncio.sleep(0.05)

    assert walker.seen == Counter()


def _let_lapse(db: Any) -> None:
    """As if all processes had died a while ago."""
    long_ago = NOON - timedelta(days=300)
    db.job_leases.update_many({}, {"$set": {"expires_at": long_ago}})
    db.job_runs.update_many({}, {"$set": {"claimed_at": Timestamp(1, 1)}})


async def test_a_slot_begun_before_a_pause_is_at_work_again_after_it_and_closes(
    make: Any, db: Any
) -> None:
    walker, (first, second), ctx = Walker(held=True), shards(2), await make()
    walker.go.set()
    await work_part(ctx, walker, first)
    _let_lapse(db)
    assert [left async for left in recovery.sweep(ctx, {})] == []
    assert db.job_runs.find_one({"_id": SLOT.key})["outcome"] == "abandoned"

    walker.go.clear()
    working = asyncio.create_task(work_part(ctx, walker, second))
    await busy(walker, 1)
    assert db.job_runs.find_one({"_id": SLOT.key})["outcome"] == "running"
    walker.go.set()
    await working

    slot = db.job_runs.find_one({"_id": SLOT.key})
    assert (slot["outcome"], slot["reason"], slot["done"]) == ("succeeded", None, len(USERS))


async def test_a_slot_abandoned_and_then_too_late_is_not_worked(make: Any, db: Any) -> None:
    walker, (first, second), ctx = Walker(), shards(2), await make()
    await work_part(ctx, walker, first)
    _let_lapse(db)
    assert [left async for left in recovery.sweep(ctx, {})] == []
    db.job_runs.insert_one({"schedule": "walker", "slot": NOON + timedelta(hours=1)})

    assert (await work_part(ctx, walker, second)).record["reason"] == "coalesced"

    assert db.job_runs.find_one({"_id": SLOT.key})["outcome"] == "coalesced"
    assert walker.seen.total() < len(USERS)


@pytest.mark.parametrize("newer", [False, True])
async def test_a_slot_whose_parts_have_ended_tells_of_them_whoever_closes_it_and_when(
    newer: bool, make: Any, db: Any
) -> None:
    """The process of its last part died before it closed the slot."""
    walker, (first, second), ctx = Walker(), shards(2), await make()
    for sweeping in (True, False):
        for shard in (first, second):
            await work_part(ctx, walker, shard)
        db.job_runs.update_one(
            {"_id": SLOT.key}, {"$set": {"outcome": "running", "finished_at": None}}
        )
        _let_lapse(db)
        if newer and sweeping:
            db.job_runs.insert_one({"schedule": "walker", "slot": NOON + timedelta(hours=1)})

        if sweeping:
            assert [left async for left in recovery.sweep(ctx, {})] == []
        else:
            again = await work_part(ctx, walker, second)
            assert again.record["reason"] == "closed: succeeded"

        assert db.job_runs.find_one({"_id": SLOT.key})["outcome"] == "succeeded"
    assert walker.seen == Counter(USERS)


async def test_who_comes_too_late_works_nothing_of_a_slot_closed_while_he_looks(
    make: Any, db: Any
) -> None:
    """Another, who came too late as well, has found before him that nobody lives."""
    walker, ctx, late = Walker(), await make(), await make()
    await work_part(ctx, walker, Shard(index=0, of=3))
    db.job_runs.insert_one({"schedule": "walker", "slot": NOON + timedelta(hours=1)})
    walker.seen.clear()

    looking = asyncio.create_task(work_part(late, walker, Shard(index=1, of=3)))
    await asyncio.sleep(0.3)
    closed = {"outcome": "coalesced", "finished_at": NOON}
    db.job_runs.update_one({"_id": SLOT.key}, {"$set": closed})

    assert (await looking).record["reason"] == "closed: coalesced"
    assert walker.seen == Counter()


async def test_a_slot_of_which_a_part_was_not_worked_is_no_success(make: Any, db: Any) -> None:
    """A part died, and is too late to be worked again while another one still is at work."""
    walker, (first, second), ctx = Walker(held=True), shards(2), await make()
    working = asyncio.create_task(work_part(ctx, walker, first))
    await busy(walker, 1)
    lost = await _claimed(ctx, walker, second)
    await ctx.store.leases.release(lost.lease)
    died = await ctx.store.runs.find(lost.new.id)
    assert died is not None
    await ctx.store.runs.close(died, "missed", "it could not be finished within 60 s", NOON)
    walker.go.set()
    await working

    slot = db.job_runs.find_one({"_id": SLOT.key})
    assert (slot["outcome"], slot["exit_code"]) == ("partial", 1)
