"""A schedule of which each test asks why a slot ran or did not run."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import pytest
from msgspec.structs import replace

from chesscoach.context import Context
from chesscoach.jobs.catalog import JOBS
from chesscoach.schedules.schedule import Schedule, Slot
from chesscoach.worker.runner import attempts, claim
from chesscoach.worker.scheduler import schedule_admin
from chesscoach.worker.scheduler.explanation import Explanation, explain_slot
from chesscoach.worker.scheduler.scheduler import Scheduler
from chesscoach.worker.shutdown import ShutdownRequest
from tests.conftest import NOON, Clock
from tests.support.recording_job import RecordingJob
from tests.support.scheduling import load_schedule, wait_until_idle

HOUR = timedelta(hours=1)
ONE_O_CLOCK = NOON + HOUR
HOURLY = Schedule(job="chore", cron="0 * * * *")
NIGHTLY = Schedule(job="sync_games", cron="30 3 * * *")
NewContext: TypeAlias = Callable[..., Any]


@pytest.fixture
def clock() -> Clock:
    return Clock(NOON)


@pytest.fixture
def chore() -> RecordingJob:
    return RecordingJob()


@pytest.fixture
async def new_context(contexts: Any, clock: Clock) -> NewContext:
    """A context in which a schedule `s` was laid in at noon."""

    async def _make(schedule: Schedule = HOURLY) -> Context:
        ctx: Context = await contexts(clock)
        ctx = replace(ctx, config=replace(ctx.config, schedules={"s": schedule}))
        await schedule_admin.sync_from_config(ctx.worker)
        return ctx

    return _make


async def explain_at(ctx: Context, at: datetime = ONE_O_CLOCK) -> Explanation:
    return await explain_slot(ctx.worker, "s", at)


def sentences(found: Explanation) -> str:
    return " ".join(found.sentences)


async def run_daemon(ctx: Context, chore: RecordingJob) -> None:
    """A daemon that comes, works what is due, and goes."""
    async with Scheduler(ctx.worker, ShutdownRequest(), {"chore": chore.job}) as scheduler:
        await wait_until_idle(scheduler)


async def start_slot(
    ctx: Context, chore: RecordingJob, at: datetime = ONE_O_CLOCK
) -> attempts.Attempt:
    """Claims a slot."""
    slot = Slot(schedule="s", at=at)
    claimed = await claim.claim_slot(ctx.worker, chore.job, HOURLY, slot, "cli")
    assert isinstance(claimed, attempts.Attempt)
    return claimed


async def edit(ctx: Context, schedule: Schedule) -> None:
    """Edits the schedule `s` as an operator does."""
    await schedule_admin.edit_schedule(ctx.worker, JOBS, await load_schedule(ctx), schedule)
