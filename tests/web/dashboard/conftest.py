"""A dashboard on a context with a clock that stands still, and run records to show."""

import html
import re
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import pytest
from msgspec.structs import replace

from chesscoach.config import WebSettings
from chesscoach.context import Context
from chesscoach.schedules.schedule import Schedule, format_rfc3339
from chesscoach.worker.store.schedules import StoredSchedule
from tests.conftest import NOON, Clock
from tests.web.conftest import Answer, HttpClient, OpenWeb

ADMIN_TOKEN, READ_TOKEN = "a" * 32, "r" * 32
LOOPBACK = WebSettings(admin="127.0.0.1:0")
WITH_TOKENS = replace(LOOPBACK, admin_token=ADMIN_TOKEN, read_token=READ_TOKEN)

OpenDashboard: TypeAlias = Callable[..., Awaitable[HttpClient]]


def words_of(answer: Answer) -> str:
    """What a reader reads: the text of a page without its markup, on one line."""
    body = answer.text.partition("<body")[2]
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", "<body" + body)).split())


def make_schedule(**fields: Any) -> Schedule:
    """A schedule that runs each hour, unless a field says otherwise."""
    return Schedule(**{"job": "cleanup", "cron": "0 * * * *", **fields})


def insert_run(db: Any, schedule: str | None, slot: datetime, **fields: Any) -> str:
    """A run of a slot that succeeded within a minute, unless a field says otherwise."""
    run_id = f"{schedule or 'cleanup:manual'}:{format_rfc3339(slot)}"
    db.job_runs.insert_one(
        {
            "_id": run_id, "job": "cleanup", "schedule": schedule,
            "slot": slot if schedule else None, "outcome": "succeeded", "attempt": 1,
            "source": "daemon", "claim": "", "owner": {"host": "a", "pid": 7}, "lease": "cleanup",
            "started_at": slot, "finished_at": slot + timedelta(minutes=1), "duration_s": 60.0,
            "lateness_s": 0.0, "candidates": 10, "done": 10, "exit_code": 0, **fields,
        }
    )  # fmt: skip
    return run_id


@pytest.fixture
def clock() -> Clock:
    return Clock(NOON)


@pytest.fixture
async def board(contexts: Any, clock: Clock) -> Context:
    """A context on that clock, without the configured schedules."""
    ctx: Context = await contexts(clock)
    return replace(ctx, config=replace(ctx.config, schedules={}))


@pytest.fixture
def open_dashboard(open_web_server: OpenWeb, board: Context) -> OpenDashboard:
    """Opens the pages, with the settings of `[web]`; it takes another context, too."""

    async def make(web: WebSettings = LOOPBACK, ctx: Context | None = None) -> HttpClient:
        client: HttpClient = await open_web_server(ctx or board, web=web)
        return client

    return make


async def add_schedule(ctx: Context, schedule_id: str, **fields: Any) -> StoredSchedule:
    """Stores a schedule since yesterday."""
    since = ctx.now() - timedelta(days=1)
    stored = StoredSchedule(
        id=schedule_id,
        schedule=make_schedule(**fields),
        origin="user",
        revision=1,
        effective_since=since,
    )
    await ctx.worker.schedules.add(stored)
    return stored
