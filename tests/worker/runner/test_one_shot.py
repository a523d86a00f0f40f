"""One-shots go by the stored schedule, where there is one."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from chesscoach.context import Context
from chesscoach.errors import ConfigError
from chesscoach.schedules.schedule import Schedule
from chesscoach.worker.runner import attempts, claim, one_shot, runner
from chesscoach.worker.runner.result import RunResult
from chesscoach.worker.scheduler import schedule_admin
from chesscoach.worker.shutdown import ShutdownRequest
from tests.conftest import NOON, Clock
from tests.support.recording_job import Args, RecordingJob

CONFIGURED = Schedule(job="chore", cron="0 * * * *")
STORED = replace(CONFIGURED, cron="30 * * * *", args={"label": "stored"})


@pytest.fixture
async def new_context(contexts: Any) -> Callable[..., Any]:
    """A context at noon in which the schedule `s` is configured, with what its process is for."""

    async def _make(configured: Schedule = CONFIGURED, **process: Any) -> Context:
        ctx: Context = await contexts(Clock(NOON))
        return replace(
            ctx,
            config=replace(ctx.config, schedules={"s": configured}),
            process=replace(ctx.process, **process),
        )

    return _make


async def run_scheduled(ctx: Context, chore: RecordingJob, schedule_id: str = "s") -> RunResult:
    return await one_shot.run_scheduled(ctx.worker, chore.job, schedule_id, ShutdownRequest())


async def store_schedule(ctx: Context, schedule: Schedule = STORED, **fields: Any) -> None:
    """Stores the schedule, as an edit has left it."""
    stored = replace(
        await schedule_admin.find_schedule(ctx.worker, "s"), revision=1, schedule=schedule, **fields
    )
    await ctx.worker.schedules.add(stored)


async def test_the_stored_schedule_is_used_if_there_is_one_else_the_configured(
    new_context: Any,
) -> None:
    ctx, chore = await new_context(), RecordingJob()
    assert (await run_scheduled(ctx, chore)).exit_code == 0
    await store_schedule(ctx, replace(STORED, cron="*/20 * * * *"))
    ctx = replace(ctx, now=Clock(NOON + timedelta(minutes=30)))

    ending = await run_scheduled(ctx, chore)

    assert ending.record["run_id"] == "s:2026-10-21T12:20:00Z"
    assert chore.started == ["2026-10-21T12:00:00Z", "2026-10-21T12:20:00Z"]


async def test_a_schedule_that_is_only_stored_is_found_and_an_unknown_one_is_named(
    new_context: Any,
) -> None:
    ctx, chore = await new_context(), RecordingJob()
    await ctx.worker.schedules.add(
        replace(
            await schedule_admin.find_schedule(ctx.worker, "s"),
            id="mine",
            revision=1,
            origin="user",
        )
    )

    assert (await run_scheduled(ctx, chore, "mine")).record["schedule"] == "mine"
    with pytest.raises(ConfigError, match=r"no schedule 'nightly'; it has \['mine', 's'\]"):
        await run_scheduled(ctx, chore, "nightly")
    with pytest.raises(ConfigError, match=r"other has no schedule 's'; it has \[\]"):
        await run_scheduled(ctx, RecordingJob("other"), "s")


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"paused": True}, "paused"),
        ({"schedule": replace(STORED, enabled=False)}, "disabled"),
        ({"quarantined": "its arguments are refused"}, "quarantined: its arguments are refused"),
    ],
)
async def test_a_schedule_that_is_not_active_runs_nothing_and_a_line_says_so(
    new_context: Any,
    db: Any,
    capsys: pytest.CaptureFixture[str],
    fields: dict[str, Any],
    state: str,
) -> None:
    ctx, chore = await new_context(), RecordingJob()
    await store_schedule(ctx, **fields)

    ending = await run_scheduled(ctx, chore)

    assert (ending.exit_code, chore.started) == (0, [])
    assert ending.record["reason"] == f"the schedule s is {state}"
    assert (ending.record["outcome"], ending.record["schedule"]) == (state.partition(":")[0], "s")
    lines = capsys.readouterr().out.splitlines()
    (line,) = [line for line in lines if "slot_skipped" in line]
    assert f"the schedule s is {state}" in line
    assert db.job_runs.count_documents({}) == 0


async def test_a_stored_schedule_that_cannot_be_read_runs_nothing(
    new_context: Any, db: Any
) -> None:
    ctx, chore = await new_context(), RecordingJob()
    db.schedules.insert_one({"_id": "s", "spec": {"job": "chore", "cron": "99 * * * *"}})

    ending = await run_scheduled(ctx, chore)

    assert (ending.exit_code, chore.started) == (0, [])
    assert "quarantined: it cannot be read" in ending.record["reason"]


async def test_a_kubernetes_job_of_an_operator_runs_also_while_the_schedule_is_paused(
    new_context: Any,
) -> None:
    ctx, chore = await new_context(kubernetes_job="chore-manual-x7k"), RecordingJob()
    await store_schedule(ctx, paused=True)

    assert (await run_scheduled(ctx, chore)).record["slot"] is None
    assert chore.started == ["by hand"]


async def test_a_slot_that_was_due_before_the_schedule_was_changed_runs(new_context: Any) -> None:
    owed = NOON - timedelta(hours=3)
    ctx, chore = await new_context(slot=owed), RecordingJob()
    await store_schedule(ctx, pending_slot=owed)

    assert (await run_scheduled(ctx, chore)).exit_code == 0
    assert chore.started == ["2026-10-21T09:00:00Z"]


async def test_an_instant_that_is_neither_a_slot_nor_recorded_is_refused(new_context: Any) -> None:
    ctx, chore = await new_context(slot=NOON), RecordingJob()
    await store_schedule(ctx)

    with pytest.raises(ConfigError, match="12:00:00Z is not a slot of the schedule s"):
        await run_scheduled(ctx, chore)


async def test_a_failed_slot_is_tried_again_after_the_schedule_was_changed(
    new_context: Any,
) -> None:
    ctx, chore = await new_context(slot=NOON), RecordingJob()
    chore.fail = RuntimeError("at first")
    assert (await run_scheduled(ctx, chore)).exit_code == 1
    chore.fail = None
    await store_schedule(ctx)

    assert (await run_scheduled(ctx, chore)).record["attempt"] == 2


async def test_manual_runs_respect_the_lock_of_the_stored_schedule(new_context: Any) -> None:
    ctx, chore = await new_context(), RecordingJob("s")
    await store_schedule(ctx, replace(STORED, job="s", lock="nightly"))

    async with ctx.leases.renewing():
        mine = await claim.claim_manual_run(ctx.worker, chore.job, attempts.manual_id(chore.job))
        assert mine.lease.key == "nightly"
        refused = await runner.run_manually(ctx.worker, chore.job, Args(), ShutdownRequest())
    assert refused.exit_code == 75


async def test_no_more_manual_runs_go_on_at_a_time_than_the_schedule_allows(
    new_context: Any,
) -> None:
    ctx, chore = await new_context(), RecordingJob()
    two = replace(STORED, max_instances=2)
    async with ctx.leases.renewing():
        keys = [
            (
                await claim.claim_manual_run(
                    ctx.worker, chore.job, attempts.manual_id(chore.job), two
                )
            ).lease.key
            for _ in range(2)
        ]
        refused = await runner.run_manually(
            ctx.worker, chore.job, Args(), ShutdownRequest(), schedule=two
        )

    assert keys == ["chore", "chore#1"]
    assert (refused.exit_code, chore.started) == (75, [])
