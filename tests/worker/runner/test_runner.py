import asyncio
import json
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import replace

from chesscoach.config import JobLimits
from chesscoach.context import Context
from chesscoach.errors import ConfigError, StoreFailed
from chesscoach.schedules.outcome import Counts
from chesscoach.schedules.schedule import Schedule, Slot
from chesscoach.worker.job import Job, Run
from chesscoach.worker.runner import runner as work
from chesscoach.worker.runner.result import RunResult
from chesscoach.worker.shutdown import ShutdownRequest
from chesscoach.worker.store.leases import Leases
from tests.conftest import NOON

HOURLY = Schedule(job="sync_games", cron="0 * * * *")
SLOT = Slot(schedule="hourly", at=NOON)


class NoArgs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """No parameters."""


def make_job(body: Any) -> Job:
    """A job that does what a test wants; its name gives it the limits of sync_games."""
    return Job(name="sync_games", run=body, args=NoArgs, help="A test's.")


def with_limits(ctx: Context, **limits: Any) -> Context:
    jobs = replace(ctx.config.jobs, sync_games=JobLimits(**limits))
    return replace(ctx, config=replace(ctx.config, jobs=jobs))


async def run_slot(ctx: Context, body: Any, stop: ShutdownRequest | None = None) -> RunResult:
    return await work.run_slot(
        ctx.worker, make_job(body), HOURLY, SLOT, source="daemon", stop=stop or ShutdownRequest()
    )


async def run_forever(ctx: Context, run: Run, args: NoArgs) -> Counts:
    await asyncio.sleep(3600)
    return run.counts


def counting_job(done: int, failed: int) -> Any:
    async def body(ctx: Context, run: Run, args: NoArgs) -> Counts:
        run.counts.candidates = done + failed
        run.counts.done, run.counts.failed = done, failed
        return run.counts

    return body


@pytest.mark.parametrize(
    ("done", "failed", "outcome", "code"),
    [(0, 0, "succeeded", 0), (5, 0, "succeeded", 0), (9, 1, "partial", 0), (8, 2, "partial", 1)],
)
async def test_the_outcome_and_the_code_follow_from_the_counts(
    ctx: Context, db: Any, done: int, failed: int, outcome: str, code: int
) -> None:
    ending = await run_slot(ctx, counting_job(done, failed))

    assert (ending.record["outcome"], ending.exit_code) == (outcome, code)
    stored = db.job_runs.find_one({"_id": SLOT.key})
    assert (stored["outcome"], stored["exit_code"]) == (outcome, code)
    assert (stored["candidates"], stored["done"], stored["failed"]) == (done + failed, done, failed)
    assert stored["finished_at"] >= stored["started_at"]


async def test_the_record_and_one_canonical_line_have_all_fields_of_a_run(
    ctx: Context, db: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    ending = await run_slot(ctx, counting_job(3, 0))

    wanted = {
        *("job", "schedule", "slot", "outcome", "attempt", "source", "started_at", "finished_at"),
        *("candidates", "done", "failed", "skipped", "errors"),
    }
    assert wanted <= ending.record.keys()
    assert wanted <= db.job_runs.find_one().keys()
    assert ending.record["slot"] == "2026-10-21T12:00:00Z"
    assert ending.record["run_id"] == SLOT.key
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (line,) = [line for line in lines if line["event"] == "job_finished"]
    assert (line["level"], line["done"]) == ("info", 3)
    assert wanted - {"finished_at"} <= line.keys()
    labels = {"job_name": "sync_games", "outcome": "succeeded"}
    assert ctx.metrics.registry.get_sample_value("chesscoach_job_runs_total", labels) == 1


async def test_a_run_beyond_its_time_is_timed_out_and_its_lease_released(
    ctx: Context, db: Any
) -> None:
    ending = await run_slot(with_limits(ctx, timeout_s=0.2), run_forever)

    assert (ending.record["outcome"], ending.exit_code) == ("timed_out", 1)
    assert db.job_leases.find_one({"_id": "sync_games"})["owner"] is None


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("hunter2"), "ValueError"),
        (StoreFailed("MongoDB refused an operation"), "MongoDB refused an operation"),
    ],
)
async def test_an_error_fails_the_run_and_only_the_text_of_ours_is_recorded(
    ctx: Context, capsys: pytest.CaptureFixture[str], error: Exception, text: str
) -> None:
    async def broken(ctx: Context, run: Run, args: NoArgs) -> Counts:
        raise error

    ending = await run_slot(ctx, broken)

    assert (ending.record["outcome"], ending.exit_code) == ("failed", 1)
    assert ending.record["errors"] == [{"error": text}]
    assert "hunter2" not in capsys.readouterr().out


async def test_a_failed_slot_runs_again_and_is_then_closed(ctx: Context) -> None:
    async def broken(ctx: Context, run: Run, args: NoArgs) -> Counts:
        raise ValueError

    attempts = [(await run_slot(ctx, broken)).record.get("attempt") for _ in range(3)]

    assert attempts == [1, 2, None]


def job_with_shutdown(stop: ShutdownRequest, *signals: int) -> Any:
    """A job without an end that is asked to stop while it runs, perhaps more than once."""

    async def work(ctx: Context, run: Run, args: NoArgs) -> Counts:
        for number, signal in enumerate(signals, 1):
            asyncio.get_running_loop().call_later(0.1 * number, stop.request, signal)
        return await run_forever(ctx, run, args)

    return work


async def test_a_stopped_job_may_finish_within_its_grace(ctx: Context) -> None:
    async def finishing(ctx: Context, run: Run, args: NoArgs) -> Counts:
        asyncio.get_running_loop().call_later(0.1, stop.request, 15)
        await stop.requested.wait()
        assert run.stopping
        run.counts.done = 1
        return run.counts

    stop = ShutdownRequest()

    ending = await run_slot(ctx, finishing, stop)

    assert (ending.record["outcome"], ending.exit_code) == ("succeeded", 0)


async def test_a_stopped_job_that_is_incomplete_leaves_its_slot_open(ctx: Context) -> None:
    async def leaving(ctx: Context, run: Run, args: NoArgs) -> Counts:
        asyncio.get_running_loop().call_later(0.1, stop.request, 15)
        await stop.requested.wait()
        run.incomplete = True
        return run.counts

    stop = ShutdownRequest()

    ending = await run_slot(ctx, leaving, stop)

    assert (ending.record["outcome"], ending.exit_code) == ("cancelled", 143)
    assert (await run_slot(ctx, counting_job(1, 0))).record["attempt"] == 2


async def test_a_stopped_job_is_cancelled_when_its_grace_is_over(ctx: Context) -> None:
    runner = replace(ctx.config.runner, grace_s=0.2)
    short = replace(ctx, config=replace(ctx.config, runner=runner))
    stop = ShutdownRequest()

    ending = await run_slot(short, job_with_shutdown(stop, 2), stop)

    assert (ending.record["outcome"], ending.exit_code) == ("cancelled", 130)


async def test_a_second_request_to_stop_cancels_the_job_at_once(ctx: Context) -> None:
    runner = replace(ctx.config.runner, grace_s=3600.0)
    patient = replace(ctx, config=replace(ctx.config, runner=runner))
    stop = ShutdownRequest()

    async with asyncio.timeout(60):
        ending = await run_slot(patient, job_with_shutdown(stop, 15, 15), stop)

    assert ending.record["outcome"] == "cancelled"


async def test_a_job_that_loses_its_lease_is_cancelled_and_writes_no_record(
    ctx: Context, db: Any
) -> None:
    cancelled = asyncio.Event()

    def rob(run_id: str) -> None:
        db.job_leases.update_one({"_id": "sync_games"}, {"$set": {"owner": "another"}})
        db.job_runs.update_one({"_id": run_id}, {"$set": {"claim": "another"}})

    async def robbed(ctx: Context, run: Run, args: NoArgs) -> Counts:
        await asyncio.to_thread(rob, run.id)
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return run.counts

    ending = await run_slot(ctx, robbed)

    assert cancelled.is_set()
    assert (ending.record["outcome"], ending.exit_code) == ("abandoned", 1)
    assert db.job_runs.find_one()["outcome"] == "running", "the record is the new owner's"
    assert db.job_leases.find_one({"_id": "sync_games"})["owner"] == "another"


async def test_a_long_run_keeps_its_lease_and_reports_its_progress(ctx: Context, db: Any) -> None:
    lease_s = 12.0  # a busy machine may renew it six seconds late
    loop = asyncio.get_running_loop()

    async def long(ctx: Context, run: Run, args: NoArgs) -> Counts:
        run.counts.candidates, run.counts.done = 2, 1
        until, reported = loop.time() + lease_s, False
        async with asyncio.timeout(60):
            while not reported or loop.time() < until:
                await asyncio.sleep(0.05)
                stored = await asyncio.to_thread(db.job_runs.find_one, {"_id": run.id})
                reported = (stored.get("done"), stored.get("candidates")) == (1, 2)
        run.counts.done += 1
        return run.counts

    ending = await run_slot(replace(ctx, leases=Leases(ctx.mongo.database, lease_s)), long)

    assert ending.record["outcome"] == "succeeded"
    assert ending.record["done"] == 2


async def test_a_slow_run_and_a_low_success_rate_are_logged_as_warnings(
    ctx: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    await run_slot(with_limits(ctx, warn_after_s=0.000001), counting_job(1, 1))

    events = [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()]
    assert {"run_slow", "success_rate_low"} <= set(events)


async def test_arguments_that_the_job_refuses_stop_before_any_claim(ctx: Context, db: Any) -> None:
    odd = replace(HOURLY, args={"bogus": 1})

    with pytest.raises(ConfigError, match="bogus"):
        await work.run_slot(
            ctx.worker,
            make_job(counting_job(1, 0)),
            odd,
            SLOT,
            source="cli",
            stop=ShutdownRequest(),
        )

    assert db.job_runs.count_documents({}) == 0


@pytest.mark.parametrize(("done", "failed", "code"), [(9, 0, 0), (9, 1, 0), (8, 1, 1)])
async def test_a_dry_run_in_which_too_much_fails_exits_with_1(
    ctx: Context, db: Any, done: int, failed: int, code: int
) -> None:
    ending = await work.dry_run(
        ctx.worker, make_job(counting_job(done, failed)), NoArgs(), ShutdownRequest()
    )
    assert (ending.exit_code, ending.record["outcome"]) == (code, "dry_run")
    assert db.job_runs.count_documents({}) == 0
