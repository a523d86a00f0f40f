"""Pings of a monitor such as Healthchecks, per job: start, success, failure.

https://healthchecks.io/docs/http_api/ has the form of the URLs.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID, uuid5

import aiohttp
from yarl import URL

from chesscoach import log
from chesscoach.alerts.receiver_request import request
from chesscoach.alerts.run_messages import RETRY_DELAYS_S, RunMessage, RunMessages
from chesscoach.config import JobsSettings
from chesscoach.metrics import Metrics
from chesscoach.worker.runner.result import EXIT_DONE

_NAMESPACE = UUID("5c3a4ba4-6a6f-5d5e-9a4f-0c2b8f0a7d11")
LEFT_OPEN = ("cancelled", "abandoned")
"""Outcomes that end no run: the slot runs again and pings then."""


def run_uuid(run_id: str) -> UUID:
    """The UUID of a run for `rid`; every attempt at a slot has the same."""
    return uuid5(_NAMESPACE, run_id)


def ping_url(base: str, run_id: str, event: str = "") -> URL:
    """The URL of a ping: that of the job, with `start`, `fail` or an exit code behind it."""
    url = URL(base)
    named = (url / event).with_query(url.query) if event else url
    return named.update_query(rid=str(run_uuid(run_id)))


class Pings:
    """Pings while runs begin and end, without delaying them; repeats a ping that is refused."""

    def __init__(
        self,
        jobs: JobsSettings,
        session: aiohttp.ClientSession,
        metrics: Metrics,
        retry_delays_s: Sequence[float] = RETRY_DELAYS_S,
    ) -> None:
        self._jobs = jobs
        self._session = session
        self._metrics = metrics
        self._messages = RunMessages(self._report, retry_delays_s)

    def run_started(self, job: str, run_id: str) -> None:
        """Pings `/start`."""
        self._ping(job, run_id, "start")

    def run_ended(self, record: Mapping[str, Any]) -> None:
        """Pings the success, the exit code of a failure, or `/fail` after a time limit."""
        outcome, code = record["outcome"], record["exit_code"]
        if outcome in LEFT_OPEN:
            return
        event = "fail" if outcome == "timed_out" else "" if code == EXIT_DONE else str(code)
        self._ping(record["job"], record["run_id"], event)

    async def close(self, timeout_s: float) -> None:
        """Waits for the pings in progress, and ends those that take longer."""
        await self._messages.close(timeout_s)

    def _ping(self, job: str, run_id: str, event: str) -> None:
        base = self._jobs.limits_of(job).ping_url
        if base:
            send = partial(request, self._session, "GET", ping_url(base, run_id, event))
            name = event or "success"
            self._messages.post(RunMessage(job=job, run_id=run_id, name=name, send=send))

    def _report(self, ping: RunMessage, reason: str | None) -> None:
        outcome = "sent" if reason is None else "failed"
        self._metrics.alert_messages.labels("ping", outcome).inc()
        if reason is not None:
            log.get_logger().warning(
                "ping_failed", job=ping.job, run_id=ping.run_id, ping=ping.name, reason=reason
            )
