"""Scenarios 5 to 7 of scheduling: signals, long runs, and hung runs."""

import asyncio
import json
import signal
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from chesscoach.config import JobLimits
from chesscoach.context import Context
from chesscoach.schedules.outcome import Counts
from chesscoach.schedules.schedule import Schedule, Slot
from chesscoach.worker.job import Job, Run
from chesscoach.worker.runner import attempts, claim
from chesscoach.worker.scheduler.scheduler import Scheduler
from chesscoach.worker.shutdown import ShutdownRequest
from tests.conftest import NOON, Clock
from tests.support.processes import kill, line_with, start
from tests.support.recording_job import Args, RecordingJob
from tests.support.scheduling import (
    expire_owner,
    hourly_schedule,
    make_scheduler,
    outcomes_by_hour,
    run_slot,
    tick_after,
    wait_until,
    wait_until_idle,
)


async def test_scenario_05_sigterm_claims_no_more_at_once(contexts: Any, db: Any) -> None:
    clock, stop = Clock(NOON), ShutdownRequest()

    async def ask(ctx: Context, run: Run, args: Args) -> Counts:
        if not run.stopping:
            stop.request(signal.SIGTERM)
        return run.counts

    ctx = await contexts(clock)
    schedules = {f"s{n}": hourly_schedule(lock=f"s{n}") for n in range(250)}
    ctx = replace(ctx, config=replace(ctx.config, schedules=schedules))
    jobs = {"chore": Job(name="chore", run=ask, args=Args, help="Asks to stop.")}
    async with Scheduler(ctx.worker, stop, jobs) as scheduler:
        clock.move(hours=1)
        await scheduler.tick()
        claimed = db.job_runs.count_documents({})
        await stop.requested.wait()
        clock.move(hours=1)
        await scheduler.tick()

    assert db.job_runs.count_documents({}) == claimed == 250, "all before the first began"
    assert db.job_leases.count_documents({"owner": {"$ne": None}}) == 0


async def test_scenario_05_sigterm_keeps_the_lease_while_draining_and_a_second_breaks_off(
    contexts: Any, db: Any
) -> None:
    clock, chore, stop = Clock(NOON), RecordingJob(held=True), ShutdownRequest()
    ctx, other = await contexts(clock), await contexts(clock)
    ctx = replace(ctx, config=replace(ctx.config, schedules={"s": hourly_schedule()}))
    async with Scheduler(ctx.worker, stop, {"chore": chore.job}) as scheduler:
        clock.move(hours=1)
        await scheduler.tick()
        await wait_until(lambda: chore.started)
        stop.request(signal.SIGTERM)
        before = db.job_leases.find_one({"_id": "chore"})["expires_at"]
        await wait_until(lambda: db.job_leases.find_one({"_id": "chore"})["expires_at"] > before)
        slot = Slot(schedule="s", at=clock())
        late = await claim.claim_slot(
            other.worker, chore.job, hourly_schedule(), slot, "kubernetes"
        )
        assert isinstance(late, attempts.SlotUnavailable)
        assert late.reason.startswith("running: ")
        stop.request(signal.SIGTERM)

    assert chore.ended
    assert outcomes_by_hour(db) == {"13": "cancelled"}
    assert db.job_leases.find_one({"_id": "chore"})["owner"] is None


async def test_scenario_05_sigterm_cancels_when_the_grace_is_over(contexts: Any, db: Any) -> None:
    clock, chore, stop = Clock(NOON), RecordingJob(held=True), ShutdownRequest()
    ctx = await contexts(clock)
    runner = replace(ctx.config.runner, grace_s=0.3)
    ctx = replace(
        ctx, config=replace(ctx.config, runner=runner, schedules={"s": hourly_schedule()})
    )
    async with Scheduler(ctx.worker, stop, {"chore": chore.job}) as scheduler:
        clock.move(hours=1)
        await scheduler.tick()
        await wait_until(lambda: chore.started)
        stop.request(signal.SIGTERM)

    assert outcomes_by_hour(db) == {"13": "cancelled"}
    assert db.job_leases.find_one({"_id": "chore"})["owner"] is None


@pytest.mark.parametrize("overlap", ["skip", "queue_one"])
async def test_scenario_06_overlong_run_is_minded_by_both_replicas_and_delays_no_other_job(
    contexts: Any, db: Any, overlap: Any
) -> None:
    clock, long, quick = Clock(NOON), RecordingJob("long", held=True), RecordingJob("quick")
    schedules = {
        "s": Schedule(job="long", cron="0 * * * *", overlap=overlap),
        "quick": Schedule(job="quick", cron="30 * * * *"),
    }
    jobs = {"long": long.job, "quick": quick.job}
    pair = []
    for _ in range(2):
        ctx = await contexts(clock)
        ctx = replace(ctx, config=replace(ctx.config, schedules=schedules))
        pair.append(Scheduler(ctx.worker, ShutdownRequest(), jobs))
    async with pair[0], pair[1]:
        clock.move(hours=1)
        await asyncio.gather(*(each.tick() for each in pair))
        await wait_until(lambda: long.started)
        for _ in range(4):
            clock.move(minutes=30)
            await asyncio.gather(*(each.tick() for each in pair))
            if overlap == "skip":
                await wait_until(lambda: sum(len(each.running) for each in pair) == 1)
        await wait_until(lambda: len(quick.ended) == 3)
        long.release.set()
        await wait_until_idle(*pair)
        clock.move(seconds=1)
        await asyncio.gather(*(each.tick() for each in pair))
        await wait_until_idle(*pair)

    outcomes = {f"{row['slot']:%H}": row["outcome"] for row in db.job_runs.find({"schedule": "s"})}
    after = {
        "skip": {"14": "skipped_overlap", "15": "skipped_overlap"},
        "queue_one": {"14": "coalesced", "15": "succeeded"},
    }
    assert outcomes == {"13": "succeeded", **after[overlap]}
    assert long.max_running == 1
    skipped = db.job_runs.find_one({"outcome": "skipped_overlap"})
    assert overlap != "skip" or "already running" in skipped["reason"]


async def test_scenario_06_slot_that_was_skipped_for_a_run_does_not_stand_for_it(
    contexts: Any, db: Any
) -> None:
    """The long run dies after all: its slot runs again, or its work would not be done."""
    clock, chore = Clock(NOON + timedelta(hours=1)), RecordingJob()
    dead = await contexts(clock)
    slot = Slot(schedule="s", at=clock())
    async with dead.leases.renewing():
        await claim.claim_slot(dead.worker, chore.job, hourly_schedule(), slot, "cli")
        async with await make_scheduler(
            contexts, clock, chore, {"s": hourly_schedule()}
        ) as scheduler:
            clock.move(hours=1)
            other = Slot(schedule="s", at=clock())
            scheduler.start_slot(hourly_schedule(), other)
            await wait_until_idle(scheduler)
            assert outcomes_by_hour(db)["14"] == "skipped_overlap"
    expire_owner(db, slot.key)
    pod = await contexts(clock)
    ending = await run_slot(pod, chore.job, hourly_schedule(), slot, "kubernetes")

    assert (ending.record["outcome"], ending.record["attempt"]) == ("succeeded", 2)
    assert outcomes_by_hour(db) == {"13": "succeeded", "14": "skipped_overlap"}


def with_limits(ctx: Context, **limits: Any) -> Context:
    """With limits for the job of that name, and a schedule of it."""
    jobs = replace(ctx.config.jobs, sync_games=JobLimits(**limits))
    schedules = {"s": Schedule(job="sync_games", cron="0 * * * *")}
    return replace(ctx, config=replace(ctx.config, jobs=jobs, schedules=schedules))


def finished_runs(output: str) -> list[tuple[str, str]]:
    """Each run that ended, by its slot's hour, with its outcome then."""
    lines = [json.loads(line) for line in output.splitlines()]
    finished = [line for line in lines if line["event"] == "job_finished"]
    return [(line["slot"][11:13], line["outcome"]) for line in finished]


@pytest.mark.parametrize("how", ["waits", "swallows"])
async def test_scenario_07_hung_run_is_timed_out_and_later_slots_run(
    contexts: Any, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    clock, hung = Clock(NOON), asyncio.Event()

    async def hang(ctx: Context, run: Run, args: Args) -> Counts:
        if hung.is_set():
            return run.counts
        hung.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if how == "waits":
                raise
        return run.counts

    job = Job(name="sync_games", run=hang, args=Args, help="Hangs once.")
    ctx = with_limits(await contexts(clock), timeout_s=0.3)
    async with Scheduler(ctx.worker, ShutdownRequest(), {"sync_games": job}) as scheduler:
        for _ in range(2):
            await tick_after(scheduler, clock, hours=1)

    assert finished_runs(capsys.readouterr().out) == [("13", "timed_out"), ("14", "succeeded")]


async def test_scenario_07_hung_run_that_ignores_its_cancellation_is_left_behind(
    contexts: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    clock, freed, begun = Clock(NOON), asyncio.Event(), 0

    async def ignore(ctx: Context, run: Run, args: Args) -> Counts:
        nonlocal begun
        begun += 1
        while begun == 1 and not freed.is_set():
            try:
                await freed.wait()
            except asyncio.CancelledError:
                continue
        return run.counts

    job = Job(name="sync_games", run=ignore, args=Args, help="Ignores its cancellation once.")
    ctx = with_limits(await contexts(clock), timeout_s=0.3)
    async with Scheduler(ctx.worker, ShutdownRequest(), {"sync_games": job}) as scheduler:
        for _ in range(2):
            await tick_after(scheduler, clock, hours=1)
    freed.set()

    output = capsys.readouterr().out
    assert finished_runs(output) == [("13", "timed_out"), ("14", "succeeded")]
    assert "job_ignored_cancellation" in output


async def test_scenario_07_hung_run_does_not_keep_its_process_from_ending(
    environment: dict[str, str], ctx: Context, db: Any
) -> None:
    brief = {**environment, "CHESSCOACH_RUNNER__GRACE_S": "0"}
    process = await start(brief, "tests.worker.scheduler.scenarios.uncancellable_job")
    await line_with(process, "job_started")

    done = await kill(process, signal.SIGTERM)

    assert done.code == 143
    assert done.lines[-1]["event"] == "exited_with_running_tasks"
    assert db.job_runs.find_one()["outcome"] == "cancelled"
    assert db.job_leases.count_documents({"owner": {"$ne": None}}) == 0
