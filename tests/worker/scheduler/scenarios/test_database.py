"""Scenario 13 of scheduling: a database that fails, hangs or loses replies."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from chesscoach.config import Settings
from chesscoach.context import open_context
from chesscoach.schedules.schedule import Slot
from chesscoach.worker.scheduler.scheduler import Scheduler
from chesscoach.worker.shutdown import ShutdownRequest
from tests.conftest import NOON, Clock
from tests.support.mongo.replica_set import ReplicaSet
from tests.support.mongo.tcp_proxy import TcpProxy
from tests.support.recording_job import RecordingJob
from tests.support.scheduling import (
    hourly_schedule,
    make_scheduler,
    outcomes_by_hour,
    refresh_until,
    run_slot,
    wait_until,
    wait_until_idle,
    with_schedules,
)


@pytest.mark.timeout(240)
async def test_scenario_13_mongo_failover_in_a_run_leaves_it_one_ending(
    replica_members: ReplicaSet, replica_set_settings: Settings
) -> None:
    """The primary steps down after the claim, and again right before the end is recorded."""
    clock, chore = Clock(NOON), RecordingJob(held=True)
    async with open_context(replica_set_settings, clock) as ctx:
        await ctx.indexes.create()
        schedules = {"s": hourly_schedule(), "other": hourly_schedule(lock="other")}
        ctx = replace(ctx, config=replace(ctx.config, schedules=schedules))
        async with Scheduler(ctx.worker, ShutdownRequest(), {"chore": chore.job}) as scheduler:
            clock.move(hours=1)
            claiming = asyncio.create_task(scheduler.tick())
            await asyncio.to_thread(replica_members.step_down)
            await claiming
            async with asyncio.timeout(120):
                while len(chore.started) < 2:
                    await scheduler.tick()
                    await scheduler.refresh()
                    await asyncio.sleep(0.2)
                chore.release.set()
                await asyncio.to_thread(replica_members.step_down)
                while scheduler.running:
                    await asyncio.sleep(0.1)
            clock.move(hours=1)
            async with asyncio.timeout(120):
                while len(chore.started) < 4:
                    await scheduler.tick()
                    await asyncio.sleep(0.2)
            while scheduler.running:
                await asyncio.sleep(0.1)
        runs = await ctx.worker.runs.recent(job="chore", schedule=None, outcome=None, limit=9)

    assert sorted((run.id[-20:], run.outcome) for run in runs) == [
        ("2026-10-21T13:00:00Z", "succeeded"),
        ("2026-10-21T13:00:00Z", "succeeded"),
        ("2026-10-21T14:00:00Z", "succeeded"),
        ("2026-10-21T14:00:00Z", "succeeded"),
    ]


@pytest.mark.parametrize("lost", [b"insert", b"update"], ids=["claim", "lease"])
async def test_scenario_13_mongo_reply_that_is_lost_after_the_commit_is_known_as_ours(
    proxied_settings: Settings, proxy: TcpProxy, db: Any, lost: bytes
) -> None:
    chore = RecordingJob()
    async with open_context(proxied_settings, Clock(NOON)) as ctx:
        slot = Slot(schedule="s", at=NOON)
        await ctx.leases.ensure("chore")
        await ctx.indexes.require_unique()
        proxy.drop_reply_to = lost
        ending = await run_slot(ctx, chore.job, hourly_schedule(), slot, "cli")

        repeated = ctx.metrics.registry.get_sample_value("chesscoach_mongo_retries_total")

    assert (proxy.lost, repeated) == (1, 1)
    assert (ending.record["outcome"], ending.record["attempt"]) == ("succeeded", 1)
    assert chore.started == ["2026-10-21T12:00:00Z"]
    assert db.job_runs.count_documents({}) == 1


async def test_scenario_13_mongo_reply_to_a_bulk_claim_that_is_lost_begins_each_slot_once(
    proxied_settings: Settings, proxy: TcpProxy, db: Any
) -> None:
    clock, chore = Clock(NOON), RecordingJob()
    async with open_context(proxied_settings, clock) as ctx:
        ctx = with_schedules(ctx, **{f"s{n}": hourly_schedule(lock=f"s{n}") for n in range(20)})
        async with Scheduler(ctx.worker, ShutdownRequest(), {"chore": chore.job}) as scheduler:
            clock.move(hours=1)
            proxy.drop_reply_to = b"insert"
            await scheduler.tick()
            await wait_until(lambda: len(chore.ended) == 20)
            await wait_until_idle(scheduler)

    assert proxy.lost == 1
    assert db.job_runs.count_documents({"outcome": "succeeded", "attempt": 1}) == 20
    assert len(chore.started) == 20


async def test_scenario_13_mongo_away_longer_than_a_lease_stops_the_run_and_another_has_it(
    proxied_settings: Settings, proxy: TcpProxy, contexts: Any, db: Any
) -> None:
    """What the first still has to write when the store is back does not cover the second's."""
    clock, lost, taken = Clock(NOON), RecordingJob(held=True), RecordingJob()
    async with open_context(proxied_settings, clock) as ctx:
        ctx = with_schedules(ctx, s=hourly_schedule())
        async with Scheduler(ctx.worker, ShutdownRequest(), {"chore": lost.job}) as scheduler:
            clock.move(hours=1)
            await scheduler.tick()
            await wait_until(lambda: lost.started)
            proxy.connected.clear()
            await wait_until(lambda: lost.ended)
            async with await make_scheduler(
                contexts, clock, taken, {"s": hourly_schedule()}
            ) as other:
                await refresh_until(other, lambda: taken.ended)
            row = db.job_runs.find_one()
            assert (row["outcome"], row["attempt"]) == ("succeeded", 2)
            proxy.connected.set()
            await wait_until_idle(scheduler)

    assert db.job_runs.find_one() == row
    assert len(taken.started) == 1


async def test_scenario_13_mongo_that_hangs_holds_one_tick_and_the_ticker_goes_on(
    proxied_settings: Settings, proxy: TcpProxy, db: Any
) -> None:
    clock, chore = Clock(NOON), RecordingJob()
    async with open_context(proxied_settings, clock) as ctx:
        ctx = with_schedules(ctx, s=hourly_schedule())
        async with Scheduler(ctx.worker, ShutdownRequest(), {"chore": chore.job}) as scheduler:
            proxy.connected.clear()
            clock.move(hours=1)
            woke = scheduler.ticker.last_wake
            await wait_until(lambda: scheduler.ticker.last_wake > woke + 2)
            ticks = [task for task in asyncio.all_tasks() if task.get_name() == "tick"]
            assert len(ticks) == 1
            assert not chore.started
            proxy.connected.set()
            await wait_until(lambda: chore.ended)
            await wait_until_idle(scheduler)

    assert outcomes_by_hour(db) == {"13": "succeeded"}
