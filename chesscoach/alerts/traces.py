"""One span of OpenTelemetry per attempt at a run, sent by OTLP over HTTP.

https://opentelemetry.io/docs/specs/otlp/#otlphttp has the form of a request. The library makes
the spans and nothing else: it instruments nothing, and we send them. It is imported only if
`alerts.otlp_endpoint` is set.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from typing import Any

import aiohttp
from yarl import URL

from chesscoach import __version__, log
from chesscoach.alerts.pings import LEFT_OPEN
from chesscoach.alerts.receiver_request import request
from chesscoach.alerts.run_messages import RETRY_DELAYS_S, RunMessage, RunMessages
from chesscoach.errors import AlertRefused, ConfigError
from chesscoach.metrics import Metrics
from chesscoach.worker.runner.result import EXIT_DONE

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HEADERS = {"Content-Type": "application/x-protobuf"}
_ATTRIBUTES = (
    "job",
    "schedule",
    "run_id",
    "shard",
    "attempt",
    "outcome",
    "exit_code",
    "candidates",
    "done",
    "failed",
    "skipped",
)
"""Fields of a run record that are attributes of its span, where they are not null."""

Encoder = Callable[[Mapping[str, Any]], bytes]
"""Makes the body of a request from a run record."""


class Traces:
    """Sends a span when a run ends, without delaying it."""

    def __init__(
        self,
        endpoint: str,
        encode: Encoder,
        session: aiohttp.ClientSession,
        metrics: Metrics,
        retry_delays_s: Sequence[float] = RETRY_DELAYS_S,
    ) -> None:
        self._url = URL(endpoint) / "v1/traces"
        self._encode = encode
        self._session = session
        self._metrics = metrics
        self._messages = RunMessages(self._report, retry_delays_s)

    def run_started(self, job: str, run_id: str) -> None:
        """Does nothing: a span is sent when it has ended."""

    def run_ended(self, record: Mapping[str, Any]) -> None:
        """Sends the span of the run."""

        async def send() -> None:
            try:
                body = self._encode(record)
            except Exception as error:  # noqa: BLE001  # the library must not harm the runs
                msg = f"the library cannot encode it ({type(error).__name__})"
                raise AlertRefused(msg) from None
            await request(self._session, "POST", self._url, body, _HEADERS)

        self._messages.post(
            RunMessage(job=record["job"], run_id=record["run_id"], name="span", send=send)
        )

    async def close(self, timeout_s: float) -> None:
        """Waits for the spans that are being sent, and drops those that take longer."""
        await self._messages.close(timeout_s)

    def _report(self, span: RunMessage, reason: str | None) -> None:
        outcome = "sent" if reason is None else "failed"
        self._metrics.alert_messages.labels("otlp", outcome).inc()
        if reason is not None:
            log.get_logger().warning("span_failed", job=span.job, run_id=span.run_id, reason=reason)


async def open_encoder(endpoint: str) -> Encoder:
    """Prepares the library.

    Raises:
        ConfigError: it is not installed.
    """
    check_otel_installed(endpoint)
    return await asyncio.to_thread(_open_encoder)


def check_otel_installed(endpoint: str) -> None:
    """Checks that the library is there if it is needed.

    Raises:
        ConfigError: it is not installed.
    """
    parts = ("opentelemetry", "opentelemetry.sdk")
    if endpoint and not all(map(find_spec, parts)):
        msg = 'alerts.otlp_endpoint: opentelemetry-sdk is not installed: install the extra "otel"'
        raise ConfigError(msg)


def _open_encoder() -> Encoder:
    from opentelemetry.context import Context
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON
    from opentelemetry.trace import Status, StatusCode

    class Captured(SpanProcessor):
        """Keeps a span for us, instead of sending it in a thread."""

        def __init__(self) -> None:
            self.spans: list[ReadableSpan] = []

        def on_end(self, span: ReadableSpan) -> None:
            self.spans.append(span)

    captured = Captured()
    service = {"service.name": "chesscoach", "service.version": __version__}
    provider = TracerProvider(sampler=ALWAYS_ON, resource=Resource(service), shutdown_on_exit=False)
    provider.add_span_processor(captured)
    tracer = provider.get_tracer("chesscoach", __version__)

    def encode(record: Mapping[str, Any]) -> bytes:
        fields = {name: record[name] for name in _ATTRIBUTES if record[name] is not None}
        span = tracer.start_span(
            record["job"],
            context=Context(),
            start_time=_nanoseconds(record["started_at"]),
            attributes={f"chesscoach.{name}": value for name, value in fields.items()},
        )
        if record["exit_code"] != EXIT_DONE and record["outcome"] not in LEFT_OPEN:
            span.set_status(Status(StatusCode.ERROR, record["outcome"]))
        span.end(_nanoseconds(record["finished_at"]))
        body: bytes = encode_spans([captured.spans.pop()]).SerializeToString()
        return body

    return encode


def _nanoseconds(instant: str) -> int:
    """An instant of a run record, since 1970, as OpenTelemetry counts."""
    since_epoch = datetime.fromisoformat(instant) - _EPOCH
    return since_epoch // timedelta(microseconds=1) * 1000
