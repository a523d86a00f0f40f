"""Check-ins of runs at Sentry's cron monitors, and an event for each run that failed.

https://docs.sentry.io/product/crons/ describes check-ins. The library makes the envelopes and
nothing else: no integration is on, so it patches, logs and collects nothing. We send the
envelopes. The library is imported only if `alerts.sentry_dsn` is set.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import aiohttp
from msgspec import Struct

from chesscoach import __version__, log
from chesscoach.alerts.pings import LEFT_OPEN, run_uuid
from chesscoach.alerts.receiver_request import request
from chesscoach.alerts.run_messages import RETRY_DELAYS_S, RunMessage, RunMessages
from chesscoach.errors import AlertRefused, ConfigError
from chesscoach.metrics import Metrics
from chesscoach.worker.runner.result import EXIT_DONE

_MAX_SLUG_LENGTH = 50
"""Sentry's limit for the slug of a monitor."""

_SAMPLE_FIELDS = ("platform", "rule", "error")
"""What an error sample may show; it may also name a user, who is not named to Sentry."""


class Envelopes(Struct, frozen=True, kw_only=True):
    """Where envelopes are sent, with which headers, and what makes one of an event."""

    url: str
    headers: Mapping[str, str]
    encode: Callable[[dict[str, Any]], bytes]


class Sentry:
    """Reports runs to Sentry while they begin and end, without delaying them."""

    def __init__(
        self,
        envelopes: Envelopes,
        session: aiohttp.ClientSession,
        metrics: Metrics,
        retry_delays_s: Sequence[float] = RETRY_DELAYS_S,
    ) -> None:
        self._envelopes = envelopes
        self._session = session
        self._metrics = metrics
        self._messages = RunMessages(self._report, retry_delays_s)

    def run_started(self, job: str, run_id: str) -> None:
        """Checks in as in progress."""
        self._post(job, run_id, _check_in(run_id, "in_progress"))

    def run_ended(self, record: Mapping[str, Any]) -> None:
        """Checks in as ok or error; a run that failed is an event, too."""
        if record["outcome"] in LEFT_OPEN:
            return
        job, run_id = record["job"], record["run_id"]
        status = "ok" if record["exit_code"] == EXIT_DONE else "error"
        self._post(job, run_id, _check_in(run_id, status) | {"duration": record["duration_s"]})
        if status == "error":
            self._post(job, run_id, _failure(record))

    async def close(self, timeout_s: float) -> None:
        """Waits for what is being sent, and ends what takes longer."""
        await self._messages.close(timeout_s)

    def _post(self, job: str, run_id: str, event: dict[str, Any]) -> None:
        async def send() -> None:
            try:
                body = self._envelopes.encode(event)
            except Exception as error:  # noqa: BLE001  # the library must not harm the runs
                msg = f"the library cannot encode it ({type(error).__name__})"
                raise AlertRefused(msg) from None
            await request(self._session, "POST", self._envelopes.url, body, self._envelopes.headers)

        name = event.get("status", "failure")
        self._messages.post(RunMessage(job=job, run_id=run_id, name=name, send=send))

    def _report(self, message: RunMessage, reason: str | None) -> None:
        outcome = "sent" if reason is None else "failed"
        self._metrics.alert_messages.labels("sentry", outcome).inc()
        if reason is not None:
            log.get_logger().warning(
                "sentry_failed",
                job=message.job,
                run_id=message.run_id,
                report=message.name,
                reason=reason,
            )


def monitor_slug(run_id: str) -> str:
    """The slug of a run's monitor: its schedule, or the job of a manual run."""
    return run_id.partition(":")[0][:_MAX_SLUG_LENGTH]


def _check_in(run_id: str, status: str) -> dict[str, Any]:
    """A check-in; all of a run's have one id, so that Sentry joins them."""
    return {
        "type": "check_in",
        "monitor_slug": monitor_slug(run_id),
        "check_in_id": run_uuid(run_id).hex,
        "status": status,
    }


def _failure(record: Mapping[str, Any]) -> dict[str, Any]:
    """The event of a failed run; the failures of one schedule with one outcome are one issue."""
    slug, outcome = monitor_slug(record["run_id"]), record["outcome"]
    samples = [
        log.redact(": ".join(sample[field] for field in _SAMPLE_FIELDS if field in sample))
        for sample in record["errors"]
    ]
    counts = ("attempt", "candidates", "done", "failed", "skipped")
    return {
        "level": "error",
        "logger": "chesscoach",
        "message": f"{slug}: {outcome}",
        "fingerprint": ["chesscoach", slug, outcome],
        "tags": {
            "job": record["job"],
            "monitor.slug": slug,
            "outcome": outcome,
            "exit_code": str(record["exit_code"]),
        },
        "extra": {
            "run_id": record["run_id"],
            **{name: record[name] for name in counts},
            "errors": samples,
        },
    }


async def open_envelopes(dsn: str) -> Envelopes:
    """Prepares the library for a project.

    Raises:
        ConfigError: sentry-sdk is not installed.
    """
    check_installed(dsn)
    return await asyncio.to_thread(_open_envelopes, dsn)


def check_installed(dsn: str) -> None:
    """Checks that the library is there if it is needed.

    Raises:
        ConfigError: it is not installed.
    """
    if dsn and find_spec("sentry_sdk") is None:
        msg = 'alerts.sentry_dsn: sentry-sdk is not installed: install the extra "sentry"'
        raise ConfigError(msg)


def _open_envelopes(dsn: str) -> Envelopes:
    from sentry_sdk import Client, Transport
    from sentry_sdk.envelope import Envelope
    from sentry_sdk.utils import Dsn

    class Captured(Transport):
        """Keeps the envelope of an event for us, instead of sending it in a thread."""

        def __init__(self) -> None:
            super().__init__({"dsn": dsn, "org_id": None})
            self.bodies: list[bytes] = []

        def capture_envelope(self, envelope: Envelope) -> None:
            self.bodies.append(envelope.serialize())

    captured = Captured()
    client = Client(
        dsn=dsn,
        transport=captured,
        release=f"chesscoach@{__version__}",
        server_name="",
        debug=False,
        spotlight=False,
        default_integrations=False,
        auto_enabling_integrations=False,
        auto_session_tracking=False,
        enable_backpressure_handling=False,
        send_client_reports=False,
        include_local_variables=False,
        include_source_context=False,
    )

    def encode(event: Any) -> bytes:
        client.capture_event(event)
        return captured.bodies.pop()

    auth = Dsn(dsn).to_auth(f"chesscoach/{__version__}")
    headers = {
        "Content-Type": "application/x-sentry-envelope",
        "X-Sentry-Auth": auth.to_header(),
    }
    return Envelopes(url=auth.get_api_url(), headers=headers, encode=encode)
