"""Spans of runs: what a collector of OpenTelemetry gets, and that no run waits for it."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from chesscoach.alerts.receiver_request import open_session
from chesscoach.alerts.traces import Traces, open_encoder
from chesscoach.context import Context
from chesscoach.errors import ConfigError
from chesscoach.metrics import Metrics
from tests.support.alerts import Receiver
from tests.support.log_lines import Lines
from tests.support.processes import run

RUN = "sync_active:2026-10-21T12:00:00Z"
PLANTED = "planted-token-4711"


@asynccontextmanager
async def open_traces(receiver: Receiver) -> AsyncIterator[Traces]:
    endpoint = f"{receiver.url}/{PLANTED}/"
    async with open_session() as session:
        encode = await open_encoder(endpoint)
        traces = Traces(endpoint, encode, session, Metrics(), (0.01, 0.01))
        yield traces
        await traces.close(30)


def ended(outcome: str, exit_code: int = 0) -> dict[str, Any]:
    return {
        "job": "sync_games",
        "run_id": RUN,
        "schedule": "sync_active",
        "shard": None,
        "attempt": 2,
        "outcome": outcome,
        "exit_code": exit_code,
        "started_at": "2026-10-21T12:00:01.5+00:00",
        "finished_at": "2026-10-21T12:00:03+00:00",
        "candidates": 3,
        "done": 2,
        "failed": 1,
        "skipped": 0,
        "errors": [{"user_id": "ann", "error": "no email to ann@mail.example"}],
    }


def spans(receiver: Receiver) -> list[Any]:
    found: list[Any] = []
    for request in receiver.requests:
        (resource,) = ExportTraceServiceRequest.FromString(request.body).resource_spans
        (scope,) = resource.scope_spans
        found += scope.spans
    return found


def attributes(span: Any) -> dict[str, Any]:
    return {
        one.key.removeprefix("chesscoach."): getattr(one.value, one.value.WhichOneof("value"))
        for one in span.attributes
    }


@pytest.mark.parametrize(
    ("outcome", "exit_code", "status"),
    [("succeeded", 0, 0), ("partial", 0, 0), ("failed", 1, 2), ("cancelled", 143, 0)],
)
async def test_a_run_is_one_span_with_its_times_outcome_and_counts(
    receiver: Receiver, outcome: str, exit_code: int, status: int
) -> None:
    async with open_traces(receiver) as traces:
        traces.run_started("sync_games", RUN)
        traces.run_ended(ended(outcome, exit_code))

    (span,) = spans(receiver)
    assert (span.name, span.status.code, span.parent_span_id) == ("sync_games", status, b"")
    assert span.end_time_unix_nano - span.start_time_unix_nano == 1_500_000_000
    assert span.end_time_unix_nano == 1_792_584_003_000_000_000
    assert attributes(span) == {
        "job": "sync_games",
        "schedule": "sync_active",
        "run_id": RUN,
        "attempt": 2,
        "outcome": outcome,
        "exit_code": exit_code,
        "candidates": 3,
        "done": 2,
        "failed": 1,
        "skipped": 0,
    }
    assert receiver.paths == [f"/{PLANTED}/v1/traces"]
    assert receiver.requests[0].headers["Content-Type"] == "application/x-protobuf"


async def test_a_span_that_is_refused_is_repeated_and_logged_without_the_url(
    receiver: Receiver, lines: Lines
) -> None:
    receiver.status = 503
    async with open_traces(receiver) as traces:
        traces.run_ended(ended("succeeded"))

    assert len(receiver.requests) == 3
    (line,) = lines()
    assert (line["event"], line["run_id"]) == ("span_failed", RUN)
    assert line["reason"] == "the receiver answered 503"
    assert PLANTED not in str(line)


async def test_a_record_that_cannot_be_encoded_does_not_affect_the_run(
    receiver: Receiver, lines: Lines
) -> None:
    async with open_traces(receiver) as traces:
        traces.run_ended(ended("succeeded") | {"started_at": "yesterday"})

    (line,) = lines()
    assert line["reason"] == "the library cannot encode it (ValueError)"
    assert receiver.requests == []


async def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)

    with pytest.raises(ConfigError, match=r'otlp_endpoint.*install the extra "otel"'):
        await open_encoder("http://127.0.0.1:4318")


@pytest.mark.parametrize("hangs", [False, True])
async def test_a_one_shot_sends_its_span_and_a_hanging_collector_does_not_fail_it(
    environment: dict[str, str], ctx: Context, receiver: Receiver, hangs: bool
) -> None:
    receiver.hangs = hangs
    settings = {"CHESSCOACH_ALERTS__OTLP_ENDPOINT": f"{receiver.url}/{PLANTED}"}

    done = await run(environment | settings, "chesscoach.jobs.cleanup")

    assert done.code == 0
    (span,) = spans(receiver)
    assert attributes(span)["outcome"] == "succeeded"
    assert PLANTED not in done.out + done.err
    reasons = [line["reason"] for line in done.lines if line["event"] == "span_failed"]
    assert reasons == ["the process ended before a response came"] * hangs
