"""`/metrics`: what this process has counted, how it is, and what the run records say.

One-shots end before anybody could scrape them; what they did is read from their records, within
two seconds. Without them the rest still comes, and `chesscoach_store_up` is 0.
"""

import asyncio
from collections.abc import Iterator
from datetime import timedelta

from aiohttp import web
from prometheus_client import Metric, ProcessCollector
from prometheus_client.exposition import choose_encoder

from chesscoach.context import Context
from chesscoach.emails.store import outbox_statistics
from chesscoach.emails.store.outbox_values import State
from chesscoach.errors import ChesscoachError
from chesscoach.jobs.catalog import JOBS
from chesscoach.mongo.probe import TIME_LIMIT_S, Probe, time_limit
from chesscoach.schedules.iso_week import Week
from chesscoach.schedules.outcome import RUN_OUTCOMES, SKIP_OUTCOMES
from chesscoach.web import metric_families
from chesscoach.worker.scheduler.ticker import Ticker
from chesscoach.worker.store.statistics import RunStatistics, StatisticsReader

_RECENT_RUNS = timedelta(hours=24)
_EMAIL_PERIOD = timedelta(weeks=2)


class MetricsEndpoint:
    """What `/metrics` answers, in Prometheus's form or in OpenMetrics, as it is asked."""

    def __init__(self, ctx: Context, probe: Probe, alarm: Ticker | None) -> None:
        self._ctx = ctx
        self._probe = probe
        self._ticker = alarm
        self._gaps = metric_families.GapCache()
        self._reading = asyncio.Lock()
        for job in JOBS:  # a series that begins with its first event hides that one from rate()
            for outcome in RUN_OUTCOMES:
                ctx.metrics.job_runs.labels(job, outcome)
            for reason in SKIP_OUTCOMES:
                ctx.metrics.job_skipped.labels(job, reason)

    def routes(self) -> list[web.RouteDef]:
        """The handler."""
        return [web.get("/metrics", self._metrics)]

    async def _metrics(self, request: web.Request) -> web.Response:
        encode, form = choose_encoder(request.headers.get("Accept", ""))
        found = _Collector(self._ctx, self._ticker, await self._statistics(), self._gaps)
        # In a thread, for the process's own figures come from files of the system.
        body = await asyncio.to_thread(encode, found)
        return web.Response(body=body, headers={"Content-Type": form})

    async def _statistics(self) -> tuple[RunStatistics, dict[State, int] | None] | None:
        """The records and the emails by state, read by one request at a time."""
        database = self._probe.database
        reader = StatisticsReader(database, self._ctx.leases.ttl_s)
        try:
            async with asyncio.timeout(TIME_LIMIT_S), self._reading:
                now = self._ctx.now()
                first = Week.containing((now - _EMAIL_PERIOD).date())
                async with time_limit():
                    runs = await reader.read(list(JOBS), now - _RECENT_RUNS)
                    return runs, await outbox_statistics.count_by_state(database, first)
        except (TimeoutError, ChesscoachError):
            return None


class _Collector:
    """All that is told, as prometheus-client wants it."""

    def __init__(
        self,
        ctx: Context,
        alarm: Ticker | None,
        statistics: tuple[RunStatistics, dict[State, int] | None] | None,
        gaps: metric_families.GapCache,
    ) -> None:
        self._ctx = ctx
        self._ticker = alarm
        self._statistics = statistics
        self._gaps = gaps

    def collect(self) -> Iterator[Metric]:
        """Every metric."""
        yield from metric_families.process_metrics(self._ticker)
        runs, emails = self._statistics or (None, None)
        yield from metric_families.run_metrics(runs, self._gaps, self._ctx.now())
        if emails is not None:
            yield metric_families.outbox_metric(emails)
        yield from self._ctx.metrics.registry.collect()
        yield from ProcessCollector(registry=None).collect()
