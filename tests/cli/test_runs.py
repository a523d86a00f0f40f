"""Runs at once and runs that were, and the one way to ask why."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from bson import Timestamp

from chesscoach.context import Context
from chesscoach.jobs.sync_games import JOB
from chesscoach.worker.runner import attempts, claim
from tests.cli.conftest import RunCli
from tests.conftest import NOON, Clock
from tests.support.processes import run

RunCliJson = Callable[..., Any]


def test_a_schedules_job_runs_at_once_as_a_manual_run(
    run_cli: RunCli, run_cli_json: RunCliJson, environment: dict[str, str]
) -> None:
    environment["KUBERNETES_SERVICE_HOST"] = "10.0.0.1"
    run_cli("schedules", "add", "mine", "--job", "sync_games", "--at", "2030-01-01T00:00:00Z",
        "--lock", "other", "--arg", "all=true")  # fmt: skip
    run_cli("schedules", "pause", "mine")

    output = run_cli("schedules", "run-now", "mine").stdout
    record = run_cli_json("schedules", "run-now", "mine")

    assert output.startswith("succeeded: 0 done, 0 failed, 0 skipped of 0 (sync_games:manual:")
    assert (record["outcome"], record["source"], record["slot"]) == ("succeeded", "cli", None)
    shown = run_cli_json("runs", "show", record["run_id"])
    assert (shown["lease"], shown["source"]) == ("other", "cli")
    run_cli("schedules", "edit", "mine", "--arg", "user=nobody", "--unset", "args")
    assert run_cli("schedules", "run-now", "mine", code=2).stdout.startswith("failed: ")


async def test_run_now_beside_another_run_exits_with_75_and_names_it(
    environment: dict[str, str], ctx: Context
) -> None:
    async with ctx.leases.renewing():
        mine = await claim.claim_manual_run(ctx.worker, JOB, attempts.manual_id(JOB))
        done = await run(environment, "chesscoach.cli", "schedules", "run-now", "sync_games")

    assert (done.code, done.out) == (75, "")
    assert f"sync_games is already running: run {mine.run.id}" in done.err.splitlines()[-1]


def insert_run(db: Any, hours: int, **fields: Any) -> str:
    """A record of a slot so many hours from noon."""
    at = NOON + timedelta(hours=hours)
    key = f"sync_games:{at:%Y-%m-%dT%H:%M:%SZ}"
    db.job_runs.insert_one(
        {
            "_id": key, "job": "sync_games", "schedule": "sync_games", "slot": at,
            "outcome": "succeeded", "attempt": 1, "source": "daemon", "claim": "c", "lease": "l",
            "owner": {"host": "here", "pid": 7}, "started_at": at, "finished_at": at,
            "duration_s": 1.25, "done": 3, "claimed_at": Timestamp(1, 1), **fields,
        }
    )  # fmt: skip
    return key


def test_runs_are_listed_the_newest_first_and_filtered(
    run_cli: RunCli, run_cli_json: RunCliJson, db: Any
) -> None:
    first = insert_run(db, -12)
    span = insert_run(db, -6, outcome="coalesced", count=4, first=NOON - timedelta(hours=9))
    other = insert_run(db, 0, job="other", schedule="other", attempt=2)

    assert [each["id"] for each in run_cli_json("runs", "list")] == [other, span, first]
    assert [each["id"] for each in run_cli_json("runs", "list", "--limit", "1")] == [other]
    assert [each["id"] for each in run_cli_json("runs", "list", "--job", "other")] == [other]
    assert [each["id"] for each in run_cli_json("runs", "list", "--schedule", "sync_games")] == [
        span,
        first,
    ]
    assert [each["id"] for each in run_cli_json("runs", "list", "--outcome", "coalesced")] == [span]
    assert run_cli_json("runs", "list", "--job", "nobodys") == []
    lines = run_cli("runs", "list").stdout.splitlines()
    assert lines[1].split() == [other, "succeeded,", "attempt", "2", "2026-10-21T12:00:00Z", "1.2",
        "s", "3", "0", "daemon"]  # fmt: skip
    assert f"{span}  coalesced x4" in lines[2]


def test_a_run_is_shown_whole_with_its_earlier_attempts_and_without_its_claim(
    run_cli: RunCli, run_cli_json: RunCliJson, db: Any
) -> None:
    earlier = {"attempt": 1, "outcome": "abandoned", "owner": {"host": "there", "pid": 5},
        "started_at": NOON, "finished_at": None}  # fmt: skip
    errors = [{"user_id": "ann", "error": "BadResponse"}, {"error": "for ann@example.org"}]
    key = insert_run(db, 0, attempt=2, earlier=[earlier], errors=errors, outcome="partial")

    shown = run_cli_json("runs", "show", key)

    assert shown["earlier"] == [{**earlier, "started_at": "2026-10-21T12:00:00Z"}]
    assert shown["errors"] == [errors[0], {"error": "for ***"}]
    assert (shown["outcome"], shown["duration_s"]) == ("partial", 1.25)
    assert "claim" not in shown
    lines = run_cli("runs", "show", key).stdout.splitlines()
    assert "earlier      attempt=1, outcome=abandoned, owner={'host': 'there', 'pid': 5}" in (
        "\n".join(lines)
    )
    assert "errors       user_id=ann, error=BadResponse" in lines


@pytest.mark.parametrize(
    "slot",
    [
        ("sync_games:2026-10-21T12:00:00Z",),
        ("sync_games@2026-10-21T14:00:00+02:00",),
        ("sync_games", "2026-10-21T12:00:00Z"),
    ],
)
def test_a_slot_can_be_named_in_three_ways(
    run_cli: RunCli, run_cli_json: RunCliJson, db: Any, clock: Clock, slot: tuple[str, ...]
) -> None:
    clock.move(hours=1)
    insert_run(db, 0, candidates=4, failed=1, errors=[{"error": "BadResponse"}], lateness_s=2.5)

    found = run_cli_json("schedules", "explain", *slot)

    assert (found["schedule"], found["slot"]) == ("sync_games", "2026-10-21T12:00:00Z")
    assert (found["verdict"], found["record"]["outcome"]) == ("worked", "succeeded")
    assert found["text"] == " ".join(found["sentences"])
    assert run_cli("schedules", "explain", *slot).stdout.splitlines() == [
        "sync_games:2026-10-21T12:00:00Z: worked",
        "Attempt 1 succeeded: pid 7 on here (daemon), begun 2026-10-21T12:00:00Z, 2.5 s after its"
        " slot, took 1.2 s.",
        "3 done, 1 failed, 0 skipped of 4.",
        "Error: error BadResponse.",
    ]


def test_a_schedule_that_is_not_stored_is_explained_by_the_configuration(
    run_cli_json: RunCliJson,
) -> None:
    found = run_cli_json("schedules", "explain", "sync_games:2026-10-21T06:30:00Z")

    assert (found["verdict"], found["before"], found["after"]) == (
        "not_a_slot",
        "2026-10-21T06:00:00Z",
        "2026-10-21T12:00:00Z",
    )
    assert found["record"] is None
