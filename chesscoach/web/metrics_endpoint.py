"""`/metrics`: what this process has counted, its state, and what the run records say.

One-shots end before a scrape, so their results are read from the run records within two seconds. If
they cannot be read, `chesscoach_store_up` is 0 and all other metrics are served.
"""

import asyncio
from collections.abc import Iterator
from datetime import timedelta

from aiohttp import web
from msgspec import Struct
from prometheus_client import Metric, ProcessCollector
from prometheus_client.exposition import choose_encoder

from chesscoach.alerts.alert import KINDS, Kind
from chesscoach.alerts.store import statistics as alert_statistics
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


class Statistics(Struct, frozen=True, kw_only=True):
    """What the database says; `emails` is None if they could not be counted in time."""

    runs: RunStatistics
    alerts: dict[Kind, int]
    emails: dict[State, int] | None


class MetricsEndpoint:
    """Serves `/metrics` in Prometheus's text format or OpenMetrics, as requested."""

    def __init__(self, ctx: Context, probe: Probe, ticker: Ticker | None) -> None:
        self._ctx = ctx
        self._probe = probe
        self._ticker = ticker
        self._gaps = metric_families.GapCache()
        self._reading = asyncio.Lock()
        for job in JOBS:  # rate() misses the first event of a series that begins with it
            for outcome in RUN_OUTCOMES:
                ctx.metrics.job_runs.labels(job, outcome)
            for reason in SKIP_OUTCOMES:
                ctx.metrics.job_skipped.labels(job, reason)
        for kind in KINDS:
            ctx.metrics.alerts.labels(kind, "firing")

    def routes(self) -> list[web.RouteDef]:
        """The route."""
        return [web.get("/metrics", self._metrics)]

    async def _metrics(self, request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        collector = _Collector(self._ctx, self._ticker, await self._statistics(), self._gaps)
        # In a thread, since the process's own figures are read from files.
        body = await asyncio.to_thread(encode, collector)
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def _statistics(self) -> Statistics | None:
        """The run records, emails and alerts, read for one request at a time."""
        database = self._probe.database
        reader = StatisticsReader(database, self._ctx.leases.ttl_s)
        try:
            async with asyncio.timeout(TIME_LIMIT_S), self._reading:
                now = self._ctx.now()
                first = Week.containing((now - _EMAIL_PERIOD).date())
                async with time_limit():
                    return Statistics(
                        runs=await reader.read(list(JOBS), now - _RECENT_RUNS),
                        alerts=await alert_statistics.count_firing(database),
                        emails=await outbox_statistics.count_by_state(database, first),
                    )
        except (TimeoutError, ChesscoachError):
            return None


class _Collector:
    """All metrics, as prometheus-client collects them."""

    def __init__(
        self,
        ctx: Context,
        ticker: Ticker | None,
        statistics: Statistics | None,
        gaps: metric_families.GapCache,
    ) -> None:
        self._ctx = ctx
        self._ticker = ticker
        self._statistics = statistics
        self._gaps = gaps

    def collect(self) -> Iterator[Metric]:
        """Every metric."""
        yield from metric_families.process_metrics(self._ticker)
        read = self._statistics
        runs = read.runs if read is not None else None
        yield from metric_families.run_metrics(runs, self._gaps, self._ctx.now())
        if read is not None:
            yield metric_families.alert_metric(read.alerts)
            if read.emails is not None:
                yield metric_families.outbox_metric(read.emails)
        yield from self._ctx.metrics.registry.collect()
        yield from ProcessCollector(registry=None).collect()
