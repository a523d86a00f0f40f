"""Pings of a monitor such as Healthchecks, per job: start, success, failure.

https://healthchecks.io/docs/http_api/ has the form of the URLs. A ping that is lost is not
repeated later: what the monitor does not hear of in time, it reports by itself.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid5

import aiohttp
from yarl import URL

from chesscoach import log
from chesscoach.alerts.receiver import request
from chesscoach.config import JobsSettings
from chesscoach.errors import AlertRefused
from chesscoach.metrics import Metrics
from chesscoach.worker.runner.result import EXIT_DONE

_NAMESPACE = UUID("5c3a4ba4-6a6f-5d5e-9a4f-0c2b8f0a7d11")
_MAX_UNFINISHED = 200
"""Pings that may wait for a response at a time; a monitor that does not answer gets no more."""

_RETRY_DELAYS_S = (0.5, 2.0)
_LEFT_OPEN = ("cancelled", "abandoned")
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
        retry_delays_s: Sequence[float] = _RETRY_DELAYS_S,
    ) -> None:
        self._jobs = jobs
        self._session = session
        self._metrics = metrics
        self._retry_delays_s = retry_delays_s
        self._tasks: set[asyncio.Task[None]] = set()
        self._newest: dict[str, asyncio.Task[None]] = {}

    def run_started(self, job: str, run_id: str) -> None:
        """Pings `/start`."""
        self._ping(job, run_id, "start")

    def run_ended(self, record: Mapping[str, Any]) -> None:
        """Pings the success, the exit code of a failure, or `/fail` after a time limit."""
        outcome, code = record["outcome"], record["exit_code"]
        if outcome in _LEFT_OPEN:
            return
        event = "fail" if outcome == "timed_out" else "" if code == EXIT_DONE else str(code)
        self._ping(record["job"], record["run_id"], event)

    async def close(self, timeout_s: float) -> None:
        """Waits for the pings in progress, and ends those that take longer."""
        tasks = set(self._tasks)
        if tasks:
            await asyncio.wait(tasks, timeout=timeout_s)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ping(self, job: str, run_id: str, event: str) -> None:
        base = self._jobs.limits_of(job).ping_url
        if not base:
            return
        if len(self._tasks) >= _MAX_UNFINISHED:
            self._report(job, run_id, event, "too many pings wait for a response")
            return
        earlier = self._newest.get(run_id)
        task = asyncio.create_task(
            self._send(ping_url(base, run_id, event), job, run_id, event, earlier),
            name=f"ping {run_id}",
        )
        self._newest[run_id] = task
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._on_done(done, job, run_id, event))

    def _on_done(self, task: asyncio.Task[None], job: str, run_id: str, event: str) -> None:
        self._tasks.discard(task)
        if self._newest.get(run_id) is task:
            del self._newest[run_id]
        if task.cancelled():
            self._report(job, run_id, event, "the process ended before a response came")

    async def _send(
        self,
        url: URL,
        job: str,
        run_id: str,
        event: str,
        earlier: asyncio.Task[None] | None,
    ) -> None:
        """Pings, after the earlier ping of the run, so that the order holds."""
        if earlier is not None:
            await asyncio.wait({earlier})
        for delay_s in (*self._retry_delays_s, None):
            try:
                await request(self._session, "GET", url)
            except AlertRefused as error:
                if delay_s is None:
                    self._report(job, run_id, event, str(error))
                    return
                await asyncio.sleep(delay_s)
            else:
                self._metrics.alert_messages.labels("ping", "sent").inc()
                return

    def _report(self, job: str, run_id: str, event: str, reason: str) -> None:
        self._metrics.alert_messages.labels("ping", "failed").inc()
        log.get_logger().warning(
            "ping_failed", job=job, run_id=run_id, ping=event or "success", reason=reason
        )
