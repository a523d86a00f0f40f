"""One-shots and the daemon send alerts, wait for them a bounded time, and log no secret."""

import asyncio
import json
import signal
from typing import Any

import pytest

from chesscoach.context import Context
from tests.support.alerts import SECRET, Receiver
from tests.support.processes import kill, line_with, run, start

CLEANUP = "chesscoach.jobs.cleanup"
SLOW = {"CHESSCOACH_JOBS__CLEANUP__WARN_AFTER_S": "0.000001"}
PLANTED = "planted-token-4711"


def alerting(environment: dict[str, str], receiver: Receiver) -> dict[str, str]:
    """The environment of a process with a webhook and pings, each run of which is slow."""
    return {
        **environment,
        **SLOW,
        "CHESSCOACH_ALERTS__WEBHOOK_URL": f"{receiver.url}/hook/{PLANTED}",
        "CHESSCOACH_ALERTS__WEBHOOK_SECRET": SECRET,
        "CHESSCOACH_JOBS__CLEANUP__PING_URL": f"{receiver.url}/ping/{PLANTED}",
        "CHESSCOACH_JOBS__SYNC_GAMES__PING_URL": f"{receiver.url}/sync/{PLANTED}",
    }


async def test_a_one_shot_alerts_and_pings_before_it_ends(
    environment: dict[str, str], ctx: Context, receiver: Receiver
) -> None:
    done = await run(alerting(environment, receiver), CLEANUP)

    assert done.code == 0
    assert sorted(receiver.paths) == sorted(
        [f"/ping/{PLANTED}/start", f"/ping/{PLANTED}", f"/hook/{PLANTED}"]
    )
    (hook,) = (one for one in receiver.requests if one.path.startswith("/hook"))
    body = json.loads(hook.body)
    assert (body["kind"], body["state"], body["job"]) == ("duration", "firing", "cleanup")
    assert [line["event"] for line in done.lines[-2:]] == ["run_slow", "job_finished"]
    (line,) = (line for line in done.lines if line["event"] == "alert_firing")
    assert line["run_id"] == body["run_id"]


async def test_a_failed_one_shot_pings_its_exit_code(
    environment: dict[str, str], ctx: Context, receiver: Receiver
) -> None:
    done = await run(
        alerting(environment, receiver), "chesscoach.jobs.sync_games", "--user", "missing"
    )

    assert done.code == 2
    assert f"/sync/{PLANTED}/2" in receiver.paths


async def test_a_dry_run_neither_alerts_nor_pings(
    environment: dict[str, str], ctx: Context, db: Any, receiver: Receiver
) -> None:
    done = await run(alerting(environment, receiver), CLEANUP, "--dry-run")

    assert done.code == 0
    assert receiver.requests == []
    assert db.alerts.count_documents({}) == 0


@pytest.mark.parametrize("fault", ["hangs", "refuses"])
async def test_a_bad_receiver_neither_fails_nor_delays_a_one_shot_and_no_secret_is_logged(
    environment: dict[str, str], ctx: Context, db: Any, receiver: Receiver, fault: str
) -> None:
    receiver.hangs, receiver.status = fault == "hangs", 500

    done = await run(alerting(environment, receiver), CLEANUP)

    assert done.code == 0
    (waiting,) = db.alerts.find({"messages.0": {"$exists": True}})
    assert waiting["_id"] == "duration:cleanup"
    logged = done.out + done.err
    for secret in (PLANTED, SECRET, receiver.url):
        assert secret not in logged
    events = {line["event"] for line in done.lines}
    assert "ping_failed" in events
    assert ("alert_not_sent" in events) == (fault == "refuses")


async def test_the_daemon_alerts_while_it_runs_and_drains(
    environment: dict[str, str], ctx: Context, db: Any, receiver: Receiver
) -> None:
    every = {"CHESSCOACH_SCHEDULES__CLEANUP__CRON": "*/2 * * * * *"}
    daemon = await start({**alerting(environment, receiver), **every}, "chesscoach")
    await line_with(daemon, "alert_firing")
    async with asyncio.timeout(30):
        while f"/hook/{PLANTED}" not in receiver.paths:
            await asyncio.sleep(0.02)

    done = await kill(daemon, signal.SIGTERM)

    assert done.code == 0
    assert done.lines[-1]["event"] == "daemon_stopped"
    assert receiver.paths.count(f"/hook/{PLANTED}") == 1
