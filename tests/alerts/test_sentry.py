"""Sentry: what its monitors and its issues get, and that no run waits for it."""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from chesscoach.alerts.pings import run_uuid
from chesscoach.alerts.receiver_request import open_session
from chesscoach.alerts.sentry import Envelopes, Sentry, monitor_slug, open_envelopes
from chesscoach.context import Context
from chesscoach.errors import ConfigError
from chesscoach.metrics import Metrics
from tests.support.alerts import ReceivedRequest, Receiver
from tests.support.log_lines import Lines
from tests.support.processes import run

RUN = "sync_active:2026-10-21T12:00:00Z"
KEY = "plantedkey4711"
IN_PROGRESS = ("check_in", "in_progress")


def dsn(receiver: Receiver) -> str:
    return f"{receiver.url.replace('http://', f'http://{KEY}@')}/42"


@asynccontextmanager
async def open_sentry(receiver: Receiver) -> AsyncIterator[Sentry]:
    async with open_session() as session:
        sentry = Sentry(await open_envelopes(dsn(receiver)), session, Metrics(), (0.01, 0.01))
        yield sentry
        await sentry.close(30)


def ended(outcome: str, exit_code: int = 0, **fields: Any) -> dict[str, Any]:
    return {
        "job": "sync_games",
        "run_id": RUN,
        "outcome": outcome,
        "exit_code": exit_code,
        "duration_s": 1.5,
        "attempt": 1,
        "candidates": 3,
        "done": 2,
        "failed": 1,
        "skipped": 0,
        "errors": [],
        **fields,
    }


def item(request: ReceivedRequest) -> dict[str, Any]:
    """The only item of an envelope: its headers, a line of its own headers, and the item."""
    _, header, body = request.body.splitlines()
    decoded: dict[str, Any] = json.loads(body)
    return {"type": json.loads(header)["type"], **decoded}


def items(receiver: Receiver) -> list[dict[str, Any]]:
    return [item(request) for request in receiver.requests]


def kinds(receiver: Receiver) -> list[tuple[str, str | None]]:
    return [(one["type"], one.get("status")) for one in items(receiver)]


@pytest.mark.parametrize("record", [ended("succeeded"), ended("partial")])
async def test_a_good_run_checks_in_twice_under_one_id_and_is_no_event(
    receiver: Receiver, record: dict[str, Any]
) -> None:
    async with open_sentry(receiver) as sentry:
        sentry.run_started("sync_games", RUN)
        sentry.run_ended(record)

    assert kinds(receiver) == [IN_PROGRESS, ("check_in", "ok")]
    assert {one["check_in_id"] for one in items(receiver)} == {run_uuid(RUN).hex}
    assert {one["monitor_slug"] for one in items(receiver)} == {"sync_active"}
    assert items(receiver)[1]["duration"] == 1.5
    assert receiver.paths == ["/api/42/envelope/"] * 2
    assert f"sentry_key={KEY}" in receiver.requests[0].headers["X-Sentry-Auth"]


@pytest.mark.parametrize("outcome", ["failed", "timed_out", "partial"])
async def test_a_failed_run_is_one_event_that_names_no_user_and_no_address(
    receiver: Receiver, lines: Lines, outcome: str
) -> None:
    errors = [
        {"user_id": "ann", "error": "no email to ann@mail.example"},
        {"platform": "lichess", "error": "it answered 503"},
    ]
    async with open_sentry(receiver) as sentry:
        sentry.run_started("sync_games", RUN)
        sentry.run_ended(ended(outcome, 1, errors=errors))

    assert kinds(receiver) == [IN_PROGRESS, ("check_in", "error"), ("event", None)]
    event = items(receiver)[2]
    assert event["message"] == f"sync_active: {outcome}"
    assert event["extra"]["errors"] == ["no email to ***", "lichess: it answered 503"]
    assert (event["extra"]["run_id"], event["extra"]["failed"]) == (RUN, 1)
    assert (event["tags"]["job"], event["tags"]["exit_code"]) == ("sync_games", "1")
    assert "ann" not in str(receiver.requests[2].body)
    assert (event["server_name"], event["sdk"]["integrations"]) == ("", [])
    assert not {"user", "contexts", "breadcrumbs", "modules", "exception", "threads"} & set(event)
    assert lines() == []


@pytest.mark.parametrize("outcome", ["cancelled", "abandoned"])
async def test_a_run_that_goes_on_elsewhere_stays_in_progress(
    receiver: Receiver, outcome: str
) -> None:
    async with open_sentry(receiver) as sentry:
        sentry.run_started("sync_games", RUN)
        sentry.run_ended(ended(outcome, 143))

    assert kinds(receiver) == [IN_PROGRESS]


def test_the_monitor_of_a_manual_run_is_its_job_and_a_slug_is_never_too_long() -> None:
    assert monitor_slug("cleanup:manual:7a1c") == "cleanup"
    assert monitor_slug(f"{'a' * 64}:2026-10-21T12:00:00Z") == "a" * 50


async def test_what_is_refused_is_repeated_as_the_same_event_and_logged_without_the_dsn(
    receiver: Receiver, lines: Lines
) -> None:
    receiver.status = 503
    async with open_sentry(receiver) as sentry:
        sentry.run_started("sync_games", RUN)

    assert kinds(receiver) == [IN_PROGRESS] * 3
    assert len({one["event_id"] for one in items(receiver)}) == 1
    (line,) = lines()
    assert (line["event"], line["report"], line["run_id"]) == ("sentry_failed", "in_progress", RUN)
    assert line["reason"] == "the receiver answered 503"
    assert KEY not in str(line)


async def test_an_error_of_the_library_does_not_end_a_run_and_is_not_quoted(
    receiver: Receiver, lines: Lines
) -> None:
    def fail(event: dict[str, Any]) -> bytes:
        raise LookupError(KEY)

    async with open_session() as session:
        failing = Envelopes(url=receiver.url, headers={}, encode=fail)
        sentry = Sentry(failing, session, Metrics(), (0.01, 0.01))
        sentry.run_ended(ended("succeeded"))
        await sentry.close(30)

    (line,) = lines()
    assert line["reason"] == "the library cannot encode it (LookupError)"
    assert receiver.requests == []


async def test_without_the_extra_the_error_names_it(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sentry_sdk", None)

    with pytest.raises(ConfigError) as refused:
        await open_envelopes(dsn(receiver))

    assert str(refused.value) == (
        'alerts.sentry_dsn: sentry-sdk is not installed: install the extra "sentry"'
    )


async def test_a_failed_one_shot_checks_in_and_is_an_event_before_it_ends(
    environment: dict[str, str], ctx: Context, receiver: Receiver
) -> None:
    settings = {"CHESSCOACH_ALERTS__SENTRY_DSN": dsn(receiver)}

    done = await run(environment | settings, "chesscoach.jobs.sync_games", "--user", "missing")

    assert done.code == 2
    assert kinds(receiver) == [IN_PROGRESS, ("check_in", "error"), ("event", None)]
    assert items(receiver)[2]["message"] == "sync_games: failed"
    assert KEY not in done.out + done.err


async def test_a_sentry_that_hangs_neither_fails_nor_keeps_a_one_shot(
    environment: dict[str, str], ctx: Context, receiver: Receiver
) -> None:
    receiver.hangs = True
    settings = {"CHESSCOACH_ALERTS__SENTRY_DSN": dsn(receiver)}

    done = await run(environment | settings, "chesscoach.jobs.cleanup")

    assert done.code == 0
    failed = [line for line in done.lines if line["event"] == "sentry_failed"]
    assert {line["report"] for line in failed} == {"in_progress", "ok"}
    assert {line["reason"] for line in failed} == {"the process ended before a response came"}
    (finished,) = (line for line in done.lines if line["event"] == "job_finished")
    assert finished["duration_s"] < 5
    assert KEY not in done.out + done.err
