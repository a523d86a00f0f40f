"""One-shots go by the stored schedule, where there is one."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from chesscoach.context import Context
from chesscoach.errors import ConfigError
from chesscoach.schedules.schedule import Schedule
from chesscoach.worker.job import Stop
from chesscoach.worker.runner import attempts, claim, one_shot, runner
from chesscoach.worker.runner.result import Ending
from chesscoach.worker.scheduler import schedule_admin
from tests.conftest import NOON, Clock
from tests.support.processes import run
from tests.support.recording_job import Args, Chore

CONFIGURED = Schedule(job="chore", cron="0 * * * *")
STORED = replace(CONFIGURED, cron="30 * * * *", args={"label": "stored"})


@pytest.fixture
async def make(contexts: Any) -> Callable[..., Any]:
    """A context at noon in which the schedule `s` is configured, with what its process is for."""

    async def _make(configured: Schedule = CONFIGURED, **process: Any) -> Context:
        ctx: Context = await contexts(Clock(NOON))
        return replace(
            ctx,
            config=replace(ctx.config, schedules={"s": configured}),
            process=replace(ctx.process, **process),
        )

    return _make


async def work_slot(ctx: Context, chore: Chore, schedule_id: str = "s") -> Ending:
    return await one_shot.work_slot(ctx, chore.job, schedule_id, Stop())


async def lay(ctx: Context, schedule: Schedule = STORED, **fields: Any) -> None:
    """Stores the schedule, as an edit has left it."""
    stored = replace(await schedule_admin.find(ctx, "s"), revision=1, schedule=schedule, **fields)
    await ctx.store.schedules.add(stored)


async def test_the_configured_schedule_counts_where_none_is_stored(make: Any) -> None:
    chore = Chore()
    ending = await work_slot(await make(), chore)

    assert (ending.exit_code, chore.begun) == (0, ["2026-10-21T12:00:00Z"])


async def test_the_stored_schedule_counts_where_there_is_one(make: Any) -> None:
    ctx, chore = await make(), Chore()
    await lay(ctx)

    ending = await work_slot(ctx, chore)

    assert ending.record["run_id"] == "s:2026-10-21T11:30:00Z"
    assert chore.begun == ["2026-10-21T11:30:00Z"]


async def test_a_schedule_that_is_only_stored_is_found_and_an_unknown_one_is_named(
    make: Any,
) -> None:
    ctx, chore = await make(), Chore()
    await ctx.store.schedules.add(
        replace(await schedule_admin.find(ctx, "s"), id="mine", revision=1, origin="user")
    )

    assert (await work_slot(ctx, chore, "mine")).record["schedule"] == "mine"
    with pytest.raises(ConfigError, match=r"no schedule 'nightly'; it has \['mine', 's'\]"):
        await work_slot(ctx, chore, "nightly")
    with pytest.raises(ConfigError, match=r"other has no schedule 's'; it has \[\]"):
        await work_slot(ctx, Chore("other"), "s")


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"paused": True}, "paused"),
        ({"schedule": replace(STORED, enabled=False)}, "disabled"),
        ({"retired": True}, "retired"),
        ({"quarantined": "its arguments are refused"}, "quarantined: its arguments are refused"),
    ],
)
async def test_what_is_out_of_use_is_not_worked_and_a_line_says_so(
    make: Any, db: Any, capsys: pytest.CaptureFixture[str], fields: dict[str, Any], state: str
) -> None:
    ctx, chore = await make(), Chore()
    await lay(ctx, **fields)

    ending = await work_slot(ctx, chore)

    assert (ending.exit_code, chore.begun) == (0, [])
    assert ending.record["reason"] == f"the schedule s is {state}"
    assert (ending.record["outcome"], ending.record["schedule"]) == (state.partition(":")[0], "s")
    lines = capsys.readouterr().out.splitlines()
    (line,) = [line for line in lines if "slot_settled" in line]
    assert f"the schedule s is {state}" in line
    assert db.job_runs.count_documents({}) == 0


async def test_a_configured_schedule_that_is_disabled_is_not_worked(make: Any) -> None:
    chore = Chore()
    ending = await work_slot(await make(replace(CONFIGURED, enabled=False)), chore)

    assert (ending.exit_code, ending.record["outcome"], chore.begun) == (0, "disabled", [])


async def test_a_row_that_cannot_be_read_is_not_worked(make: Any, db: Any) -> None:
    ctx, chore = await make(), Chore()
    db.schedules.insert_one({"_id": "s", "spec": {"job": "chore", "cron": "99 * * * *"}})

    ending = await work_slot(ctx, chore)

    assert (ending.exit_code, chore.begun) == (0, [])
    assert "quarantined: it cannot be read" in ending.record["reason"]


async def test_a_kubernetes_job_made_by_hand_runs_also_while_the_schedule_is_paused(
    make: Any,
) -> None:
    ctx, chore = await make(kubernetes_job="chore-manual-x7k"), Chore()
    await lay(ctx, paused=True)

    assert (await work_slot(ctx, chore)).record["slot"] is None
    assert chore.begun == ["by hand"]


async def test_a_slot_that_was_owed_when_the_schedule_was_changed_is_worked(make: Any) -> None:
    owed = NOON - timedelta(hours=3)
    ctx, chore = await make(slot=owed), Chore()
    await lay(ctx, owed=owed)

    assert (await work_slot(ctx, chore)).exit_code == 0
    assert chore.begun == ["2026-10-21T09:00:00Z"]


async def test_a_slot_that_neither_the_stored_schedule_names_nor_anybody_began_is_refused(
    make: Any,
) -> None:
    ctx, chore = await make(slot=NOON), Chore()
    await lay(ctx)

    with pytest.raises(ConfigError, match="12:00:00Z is no slot of the schedule s"):
        await work_slot(ctx, chore)


async def test_a_failed_slot_is_tried_again_after_the_schedule_was_changed(make: Any) -> None:
    ctx, chore = await make(slot=NOON), Chore()
    chore.fail = RuntimeError("at first")
    assert (await work_slot(ctx, chore)).exit_code == 1
    chore.fail = None
    await lay(ctx)

    assert (await work_slot(ctx, chore)).record["attempt"] == 2


async def test_runs_by_hand_mind_the_lock_of_the_stored_schedule(make: Any) -> None:
    ctx, chore = await make(), Chore("s")
    await lay(ctx, replace(STORED, job="s", lock="nightly"))

    async with ctx.store.leases.keeping():
        mine = await claim.by_hand(ctx, chore.job, attempts.manual_id(chore.job))
        assert mine.lease.key == "nightly"
        refused = await runner.by_hand(ctx, chore.job, Args(), Stop())
    assert refused.exit_code == 75


async def test_so_many_runs_by_hand_as_the_schedule_allows_go_on_at_a_time(make: Any) -> None:
    ctx, chore = await make(), Chore()
    two = replace(STORED, max_instances=2)
    async with ctx.store.leases.keeping():
        keys = [
            (await claim.by_hand(ctx, chore.job, attempts.manual_id(chore.job), two)).lease.key
            for _ in range(2)
        ]
        refused = await runner.by_hand(ctx, chore.job, Args(), Stop(), schedule=two)

    assert keys == ["chore", "chore#1"]
    assert (refused.exit_code, chore.begun) == (75, [])


async def test_a_paused_schedule_leaves_with_0_and_one_line(
    environment: dict[str, str], ctx: Context
) -> None:
    await schedule_admin.pause(ctx, await schedule_admin.find(ctx, "sync_games"))

    done = await run(environment, "chesscoach.jobs.sync_games", "--scheduled", "--json")

    assert (done.code, done.record["outcome"]) == (0, "paused")
    assert done.record["reason"] == "the schedule sync_games is paused"
    assert len(done.err.splitlines()) == 1
