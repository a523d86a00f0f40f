import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chesscoach.context import Context
from chesscoach.errors import LeaseLost, SourceUnavailable
from chesscoach.sync.store.lanes import LaneStatus, SourceLane
from chesscoach.worker.store.leases import Leases
from tests.conftest import NOON

ME = {"host": "here", "pid": 7}
KEY = "lane:lichess"


def open_lane(ctx: Context) -> SourceLane:
    return ctx.sync.lanes["lichess"]


@pytest.fixture
async def two_contexts(contexts: Any) -> tuple[Context, Context]:
    """Two processes, as it were."""
    return await contexts(), await contexts()


def lane_document(db: Any) -> dict[str, Any]:
    document: dict[str, Any] = db.job_leases.find_one({"_id": KEY})
    return document


async def acquire_once(which: SourceLane, seen_fences: list[int]) -> None:
    """Takes a lane, says with which fence, and gives it back."""
    async with which.acquire(ME):
        seen_fences.append(which.fence)


async def test_a_second_process_waits_for_a_held_lane(
    two_contexts: tuple[Context, Context], db: Any
) -> None:
    ours, theirs = open_lane(two_contexts[0]), open_lane(two_contexts[1])
    seen_fences: list[int] = []
    async with ours.acquire(ME):
        assert lane_document(db)["holder"] == ME
        waiting = asyncio.create_task(acquire_once(theirs, seen_fences))
        await asyncio.sleep(0.3)
        assert seen_fences == []
        seen_fences.append(ours.fence)
    await asyncio.wait_for(waiting, 30)
    assert seen_fences[1] == seen_fences[0] + 1
    assert lane_document(db)["owner"] is None


async def test_within_a_process_a_lane_is_held_by_one_at_a_time(ctx: Context) -> None:
    one, seen_fences = open_lane(ctx), list[int]()
    async with one.acquire(ME):
        waiting = asyncio.create_task(acquire_once(one, seen_fences))
        await asyncio.sleep(0.1)
        assert seen_fences == []
    await asyncio.wait_for(waiting, 30)
    assert len(seen_fences) == 1


async def test_the_lane_of_one_source_does_not_block_another(ctx: Context) -> None:
    async with open_lane(ctx).acquire(ME), ctx.sync.lanes["chess.com"].acquire(ME):
        pass


async def test_the_lane_of_a_dead_holder_is_taken_over(ctx: Context, db: Any) -> None:
    dead = Leases(ctx.mongo.database, 0.3)
    await dead.ensure(KEY)
    dead_lease = await dead.acquire(KEY, ME)
    assert dead_lease is not None
    ours, seen_fences = open_lane(ctx), list[int]()
    await asyncio.wait_for(acquire_once(ours, seen_fences), 30)
    assert seen_fences == [dead_lease.fence + 1]


async def test_there_is_no_turn_and_no_fence_without_a_lane(ctx: Context) -> None:
    one = open_lane(ctx)
    for _ in range(2):
        with pytest.raises(LeaseLost, match="the lane of lichess is not held"):
            async with one.request_slot():
                pytest.fail("a request was sent")
        with pytest.raises(LeaseLost):
            _ = one.fence
        async with one.acquire(ME), one.request_slot():
            assert one.fence


async def test_a_turn_ends_when_the_lane_is_lost(contexts: Any, db: Any) -> None:
    ctx: Context = await contexts()
    one = open_lane(ctx)
    async with ctx.leases.renewing(), one.acquire(ME):
        with pytest.raises(LeaseLost):
            async with one.request_slot():
                db.job_leases.update_one({"_id": KEY}, {"$set": {"owner": "another"}})
                await asyncio.sleep(30)
        with pytest.raises(LeaseLost):
            async with one.request_slot():
                pytest.fail("a request was sent")
    assert lane_document(db)["owner"] == "another"


# What a site asked us to mind


async def test_a_pause_is_minded_by_the_next_turn_and_by_the_next_holder_elsewhere(
    two_contexts: tuple[Context, Context],
) -> None:
    ours, theirs = open_lane(two_contexts[0]), open_lane(two_contexts[1])
    clock = asyncio.get_running_loop().time
    async with ours.acquire(ME):
        begun = clock()
        await ours.pause(0.3)
        async with ours.request_slot():
            assert clock() - begun >= 0.29
        begun = clock()
        await ours.pause(0.4)
        assert ours.pauses == 2
    async with theirs.acquire(ME):
        assert theirs.pauses == 2
        async with theirs.request_slot():
            assert 0.38 < clock() - begun < 30
    async with ours.acquire(ME):
        took_s = []
        for _ in range(5):  # a busy machine may be slow, but not each time
            begun = clock()
            async with ours.request_slot():
                took_s.append(clock() - begun)
        assert min(took_s) < 0.3, "the pause has passed"


async def test_an_open_breaker_holds_for_all_processes_until_its_time(
    two_contexts: tuple[Context, Context], db: Any
) -> None:
    ours, theirs = open_lane(two_contexts[0]), open_lane(two_contexts[1])
    async with ours.acquire(ME):
        await ours.pause(0.0)
        until = await ours.open_breaker(600.0)
        assert (ours.pauses, ours.closings) == (0, 1)
    assert lane_document(db)["closed_until"] == until
    for one in (theirs, ours):
        with pytest.raises(
            SourceUnavailable, match=f"lichess gets no request until {until:%Y-%m-%dT%H:%M}"
        ):
            async with one.acquire(ME):
                pytest.fail("a closed site was asked")
        assert lane_document(db)["owner"] is None
    past = datetime.now(UTC) - timedelta(seconds=1)
    db.job_leases.update_one({"_id": KEY}, {"$set": {"closed_until": past}})
    async with theirs.acquire(ME):
        assert (theirs.pauses, theirs.closings) == (0, 1)
        await theirs.open_breaker(0.01)
    await asyncio.sleep(0.05)
    async with ours.acquire(ME):
        assert ours.closings == 2


async def test_pauses_in_a_row_are_forgotten_once_the_source_answers(
    two_contexts: tuple[Context, Context],
) -> None:
    ours, theirs = open_lane(two_contexts[0]), open_lane(two_contexts[1])
    async with ours.acquire(ME):
        await ours.open_breaker(0.0)
        await ours.pause(0.0)
        assert (ours.pauses, ours.closings) == (1, 1)
        await ours.reset()
        assert (ours.pauses, ours.closings) == (0, 0)
    async with theirs.acquire(ME):
        assert (theirs.pauses, theirs.closings) == (0, 0)


async def test_a_former_holder_cannot_open_the_breaker_for_the_new_one(
    two_contexts: tuple[Context, Context], db: Any
) -> None:
    ours = open_lane(two_contexts[0])
    async with ours.acquire(ME):
        db.job_leases.update_one({"_id": KEY}, {"$set": {"owner": "another"}})
        before = lane_document(db)
        await ours.pause(60)
        await ours.open_breaker(60)
        await ours.reset()
        assert lane_document(db) == before


async def test_the_state_of_a_lane_is_read_without_taking_it(ctx: Context, db: Any) -> None:
    one = open_lane(ctx)
    assert await one.status() == LaneStatus()
    async with one.acquire(ME):
        assert await one.status() == LaneStatus(holder=ME)
        await one.pause(3600)
        until = await one.open_breaker(7200)
        seen = await one.status()
    assert seen.holder == ME
    assert seen.closed_until == until
    assert seen.paused_until is not None
    assert timedelta(minutes=59) < until - seen.paused_until < timedelta(minutes=61)
    before = lane_document(db)
    assert (await open_lane(ctx).status()).holder is None
    assert lane_document(db) == before
    past = {"paused_until": NOON, "closed_until": NOON}
    db.job_leases.update_one({"_id": KEY}, {"$set": past})
    assert await one.status() == LaneStatus()


# The allowance


async def test_no_more_is_spent_than_the_limit_in_the_window(
    two_contexts: tuple[Context, Context], db: Any
) -> None:
    lanes = [open_lane(two_contexts[0]), open_lane(two_contexts[1])]
    async with lanes[0].acquire(ME):
        waits = await asyncio.gather(*(lanes[n % 2]._try_consume(3, 20) for n in range(12)))
        assert waits.count(0.0) == 6
        assert sum(item["amount"] for item in lane_document(db)["spent"]) == 18
        assert all(590 < wait <= 600 for wait in waits if wait)
        assert await lanes[0]._try_consume(2, 20) == 0.0
    async with lanes[1].acquire(ME):
        assert await lanes[1]._try_consume(1, 20) > 590, "it outlives the hold"


async def test_what_was_spent_ten_minutes_ago_counts_no_more(ctx: Context, db: Any) -> None:
    one = open_lane(ctx)
    async with one.acquire(ME):
        await one.consume(6, 10)
        await one.consume(4, 10)
        spent = lane_document(db)["spent"]
        spent[0]["at"] -= timedelta(seconds=300)
        db.job_leases.update_one({"_id": KEY}, {"$set": {"spent": spent}})
        assert 290 < await one._try_consume(1, 10) <= 300
        spent[0]["at"] -= timedelta(seconds=300)
        db.job_leases.update_one({"_id": KEY}, {"$set": {"spent": spent}})
        await asyncio.wait_for(one.consume(6, 10), 30)
        assert [item["amount"] for item in lane_document(db)["lately"]] == [4]
        assert [item["amount"] for item in lane_document(db)["spent"]] == [6, 4, 6]


async def test_a_spent_daily_allowance_stops_requests_until_there_is_more(
    ctx: Context, db: Any
) -> None:
    one = open_lane(ctx)
    async with one.acquire(ME):
        for _ in range(15):
            await one.consume(10, 10)
            spent = lane_document(db)["spent"]
            for item in spent:
                item["at"] -= timedelta(seconds=601)
            db.job_leases.update_one({"_id": KEY}, {"$set": {"spent": spent}})
        with pytest.raises(SourceUnavailable, match="the day's allowance is spent until"):
            await one.consume(1, 10)
        spent[0]["at"] -= timedelta(days=1)
        db.job_leases.update_one({"_id": KEY}, {"$set": {"spent": spent}})
        await one.consume(10, 10)


async def test_a_lane_whose_document_was_deleted_is_there_again(ctx: Context, db: Any) -> None:
    fences: list[int] = []
    await acquire_once(open_lane(ctx), fences)
    db.job_leases.delete_many({})
    await asyncio.sleep(1.1)

    await asyncio.wait_for(acquire_once(open_lane(ctx), fences), 30)

    assert fences[1] > fences[0]
