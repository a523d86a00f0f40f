"""Pings: what a monitor such as Healthchecks gets, and that no run waits for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from chesscoach.alerts.pings import Pings, ping_url, run_uuid
from chesscoach.alerts.receiver_request import open_session
from chesscoach.config import JobLimits, JobsSettings
from chesscoach.context import Context
from chesscoach.metrics import Metrics
from chesscoach.schedules.schedule import Slot
from chesscoach.worker.job import Job
from chesscoach.worker.runner import runner
from chesscoach.worker.shutdown import ShutdownRequest
from tests.conftest import NOON
from tests.support.alerts import Receiver
from tests.support.log_lines import Lines
from tests.support.recording_job import RecordingJob
from tests.support.scheduling import hourly_schedule, run_slot

RUN = "sync_games:2026-10-21T12:00:00Z"


@asynccontextmanager
async def open_pings(receiver: Receiver) -> AsyncIterator[Pings]:
    jobs = JobsSettings(sync_games=JobLimits(ping_url=f"{receiver.url}/ping/token"))
    async with open_session() as session:
        pings = Pings(jobs, session, Metrics(), (0.01, 0.01))
        yield pings
        await pings.close(30)


def ended(outcome: str, exit_code: int = 0, job: str = "sync_games") -> dict[str, Any]:
    return {"job": job, "run_id": RUN, "outcome": outcome, "exit_code": exit_code}


@pytest.mark.parametrize(
    ("record", "path"),
    [
        (ended("succeeded"), "/ping/token"),
        (ended("partial"), "/ping/token"),
        (ended("partial", 1), "/ping/token/1"),
        (ended("failed", 1), "/ping/token/1"),
        (ended("failed", 2), "/ping/token/2"),
        (ended("timed_out", 1), "/ping/token/fail"),
    ],
)
async def test_a_run_pings_its_start_and_its_end_under_one_uuid(
    receiver: Receiver, record: dict[str, Any], path: str
) -> None:
    async with open_pings(receiver) as pings:
        pings.run_started("sync_games", RUN)
        pings.run_ended(record)

    assert receiver.paths == ["/ping/token/start", path]
    uuids = {UUID(request.query["rid"]) for request in receiver.requests}
    assert uuids == {run_uuid(RUN)}
    assert run_uuid(RUN) != run_uuid("sync_games:2026-10-21T13:00:00Z")


@pytest.mark.parametrize("outcome", ["cancelled", "abandoned"])
async def test_a_run_that_goes_on_elsewhere_does_not_ping_a_failure(
    receiver: Receiver, outcome: str
) -> None:
    async with open_pings(receiver) as pings:
        pings.run_ended(ended(outcome, 143))

    assert receiver.requests == []


async def test_a_job_without_a_url_pings_nothing(receiver: Receiver) -> None:
    async with open_pings(receiver) as pings:
        pings.run_started("cleanup", "cleanup:manual:1")
        pings.run_ended(ended("succeeded", job="cleanup"))

    assert receiver.requests == []


def test_the_url_keeps_its_query() -> None:
    url = ping_url("https://hc.example/ping/uuid?create=1", RUN, "start")

    assert url.path == "/ping/uuid/start"
    assert dict(url.query) == {"create": "1", "rid": str(run_uuid(RUN))}
    assert ping_url("https://hc.example", RUN, "3").path == "/3"


async def test_a_ping_that_is_refused_is_repeated_and_then_logged_without_its_url(
    receiver: Receiver, lines: Lines
) -> None:
    receiver.status = 503
    async with open_pings(receiver) as pings:
        pings.run_ended(ended("failed", 1))

    assert receiver.paths == ["/ping/token/1"] * 3
    (line,) = lines()
    assert (line["event"], line["ping"], line["run_id"]) == ("ping_failed", "1", RUN)
    assert line["reason"] == "the receiver answered 503"
    assert "token" not in str(line)


async def test_a_monitor_that_hangs_is_left_behind(receiver: Receiver, lines: Lines) -> None:
    receiver.hangs = True
    async with open_pings(receiver) as pings:
        for number in range(250):
            pings.run_started("sync_games", f"sync_games:manual:{number}")
        await pings.close(0)

    reasons = [line["reason"] for line in lines()]
    assert reasons.count("too many messages wait for a response") == 50
    assert reasons.count("the process ended before a response came") == 200


class RecordingObserver:
    """Records what it receives."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def run_started(self, job: str, run_id: str) -> None:
        """Records a start."""
        self.seen.append(("started", run_id))

    async def run_ended(self, record: Any) -> None:
        """Records an end."""
        self.seen.append((record["outcome"], record["run_id"]))


async def test_only_a_run_that_begins_is_observed_no_overlap_and_no_held_lease(
    ctx: Context,
) -> None:
    observer, chore = RecordingObserver(), RecordingJob(held=True)
    ctx = replace(ctx, now=lambda: NOON, observer=observer)
    slot, job = Slot(schedule="s", at=NOON), chore.job
    running = asyncio.create_task(run_slot(ctx, job, hourly_schedule(), slot))
    while not chore.started:
        await asyncio.sleep(0.01)

    others = (run_slot(ctx, job, hourly_schedule(), Slot(schedule=key, at=NOON)) for key in "st")
    held, *_ = await asyncio.gather(run_manually(ctx, job), *others)
    chore.release.set()
    await running

    assert held == 75
    assert observer.seen == [("started", slot.key), ("succeeded", slot.key)]


async def run_manually(ctx: Context, job: Job) -> int:
    done = await runner.run_manually(ctx.worker, job, job.check({}), ShutdownRequest())
    return done.exit_code
