"""Metrics that are read at each scrape: from the run records and the ticker.

The records are the same for every process, so their metrics are gauges: take the maximum over
processes. `metrics` has what a process counts itself: take the sum over processes.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from chesscoach import __version__
from chesscoach.alerts.alert import Kind
from chesscoach.emails.store.outbox_values import State
from chesscoach.schedules.gaps import longest_gap
from chesscoach.worker.scheduler.ticker import Ticker
from chesscoach.worker.store.schedules import StoredSchedule
from chesscoach.worker.store.statistics import RunStatistics

STATES = ("active", "paused", "disabled", "retired", "quarantined")


def process_metrics(ticker: Ticker | None) -> Iterator[Metric]:
    """The version, and the age of the last tick while the ticker runs."""
    build = GaugeMetricFamily("chesscoach_build_info", "1, by version.", labels=["version"])
    build.add_metric([__version__], 1)
    yield build
    if ticker is not None and ticker.running:
        yield GaugeMetricFamily(
            "chesscoach_scheduler_idle_seconds",
            "Since the scheduler last woke: once a second.",
            ticker.idle_s,
        )
        yield GaugeMetricFamily(
            "chesscoach_tick_age_seconds",
            "Since a tick of the scheduler last ended; it grows while MongoDB hangs.",
            ticker.tick_age_s,
        )


def run_metrics(runs: RunStatistics | None, gaps: "GapCache", now: datetime) -> Iterator[Metric]:
    """The metrics of run records and schedules; `runs` is None if they could not be read."""
    yield GaugeMetricFamily(
        "chesscoach_store_up",
        "Whether the run records could be read for this answer, in time.",
        float(runs is not None),
    )
    if runs is None:
        return
    yield _job_gauge(
        "chesscoach_job_last_success_timestamp_seconds",
        "When a run with exit code 0 last ended, in any process.",
        {job: at.timestamp() for job, at in runs.last_success.items()},
    )
    yield _job_gauge(
        "chesscoach_job_running_since_timestamp_seconds",
        "When the oldest running run began, in any process.",
        {job: at.timestamp() for job, at in runs.running_since.items()},
    )
    yield _job_gauge(
        "chesscoach_job_period_seconds",
        "Longest time between two slots of an active schedule; of several the shortest.",
        _periods(runs, gaps, now),
    )
    recent = GaugeMetricFamily(
        "chesscoach_job_recent_runs",
        "Runs and skipped slots that ended within 24 hours, in any process.",
        labels=["job_name", "outcome"],
    )
    for (job, outcome), count in sorted(runs.recent.items()):
        recent.add_metric([job, outcome], count)
    yield recent
    states = GaugeMetricFamily("chesscoach_schedules", "Schedules, by state.", labels=["state"])
    for state in STATES:
        states.add_metric([state], sum(stored.state == state for stored in runs.schedules))
    yield states


def outbox_metric(emails: Mapping[State, int]) -> Metric:
    """The emails of this week and the two before it."""
    family = GaugeMetricFamily(
        "chesscoach_outbox_rows",
        "Emails in the outbox, by state: those of this week and the two before it.",
        labels=["state"],
    )
    for state, count in emails.items():
        family.add_metric([state], count)
    return family


def alert_metric(firing: Mapping[Kind, int]) -> Metric:
    """The alerts that fire."""
    family = GaugeMetricFamily(
        "chesscoach_alerts_firing",
        "Alerts that have fired and not resolved, by kind.",
        labels=["kind"],
    )
    for kind, count in firing.items():
        family.add_metric([kind], count)
    return family


class GapCache:
    """The longest gaps of schedules; each trigger is computed once a day."""

    def __init__(self) -> None:
        self._day = ""
        self._known: dict[tuple[object, ...], float | None] = {}

    def longest_gap_s(self, stored: StoredSchedule, now: datetime) -> float | None:
        """The longest gap in seconds; None for a schedule with one slot."""
        day = f"{now:%F}"
        if day != self._day:
            self._day, self._known = day, {}
        schedule = stored.schedule
        key = (schedule.cron, schedule.timezone, schedule.every, schedule.at)
        if key not in self._known:
            gap = longest_gap(schedule, now)
            self._known[key] = gap.total_seconds() if gap is not None else None
        return self._known[key]


def _periods(runs: RunStatistics, gaps: GapCache, now: datetime) -> dict[str, float]:
    shortest: dict[str, float] = {}
    for stored in runs.schedules:
        seconds = gaps.longest_gap_s(stored, now) if stored.is_active else None
        if seconds is not None:
            job = stored.schedule.job
            shortest[job] = min(shortest.get(job, seconds), seconds)
    return shortest


def _job_gauge(name: str, documentation: str, values: dict[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, documentation, labels=["job_name"])
    for job, value in sorted(values.items()):
        family.add_metric([job], value)
    return family
