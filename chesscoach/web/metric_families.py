"""Metrics that are looked up when they are asked for: of the run records, of the alarm.

What the records say is the same wherever it is asked, so it is a gauge: of several processes take
the maximum. What a process counts itself stands in `metrics`: of several take the sum.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from chesscoach import __version__
from chesscoach.emails.store.outbox_values import State
from chesscoach.schedules.gaps import longest_gap
from chesscoach.worker.scheduler.ticker import Ticker
from chesscoach.worker.store.schedules import StoredSchedule
from chesscoach.worker.store.statistics import RunStatistics

STATES = ("active", "paused", "disabled", "retired", "quarantined")


def process_metrics(alarm: Ticker | None) -> Iterator[Metric]:
    """The version, and how old the last tick is while there should be ticks."""
    build = GaugeMetricFamily("chesscoach_build_info", "1, by version.", labels=["version"])
    build.add_metric([__version__], 1)
    yield build
    if alarm is not None and alarm.running:
        yield GaugeMetricFamily(
            "chesscoach_scheduler_idle_seconds",
            "Since the scheduler last woke: once a second.",
            alarm.idle_s,
        )
        yield GaugeMetricFamily(
            "chesscoach_tick_age_seconds",
            "Since a tick of the scheduler last ended; it grows while MongoDB hangs.",
            alarm.tick_age_s,
        )


def run_metrics(ledger: RunStatistics | None, gaps: "GapCache", now: datetime) -> Iterator[Metric]:
    """What the run records and schedules say; None if they could not be read."""
    yield GaugeMetricFamily(
        "chesscoach_store_up",
        "Whether the run records could be read for this answer, in time.",
        float(ledger is not None),
    )
    if ledger is None:
        return
    yield _job_gauge(
        "chesscoach_job_last_success_timestamp_seconds",
        "When a run with exit code 0 last ended, whoever ran it.",
        {job: at.timestamp() for job, at in ledger.last_success.items()},
    )
    yield _job_gauge(
        "chesscoach_job_running_since_timestamp_seconds",
        "When the oldest run that is at work began, whoever runs it.",
        {job: at.timestamp() for job, at in ledger.running_since.items()},
    )
    yield _job_gauge(
        "chesscoach_job_period_seconds",
        "The longest that an active schedule leaves its job alone; of several the shortest.",
        _periods(ledger, gaps, now),
    )
    recent = GaugeMetricFamily(
        "chesscoach_job_recent_runs",
        "Runs (and slots not worked) recorded as ended within 24 hours, whoever ran them.",
        labels=["job_name", "outcome"],
    )
    for (job, outcome), count in sorted(ledger.recent.items()):
        recent.add_metric([job, outcome], count)
    yield recent
    states = GaugeMetricFamily("chesscoach_schedules", "Schedules, by state.", labels=["state"])
    for state in STATES:
        states.add_metric([state], sum(each.state == state for each in ledger.schedules))
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


class GapCache:
    """The longest gaps of schedules; each trigger is looked at once a day."""

    def __init__(self) -> None:
        self._day = ""
        self._known: dict[tuple[object, ...], float | None] = {}

    def longest_gap_s(self, stored: StoredSchedule, now: datetime) -> float | None:
        """Seconds; None for a schedule that is due once."""
        day = f"{now:%F}"
        if day != self._day:
            self._day, self._known = day, {}
        each = stored.schedule
        key = (each.cron, each.timezone, each.every, each.at)
        if key not in self._known:
            found = longest_gap(each, now)
            self._known[key] = found.total_seconds() if found is not None else None
        return self._known[key]


def _periods(ledger: RunStatistics, gaps: GapCache, now: datetime) -> dict[str, float]:
    shortest: dict[str, float] = {}
    for stored in ledger.schedules:
        seconds = gaps.longest_gap_s(stored, now) if stored.is_active else None
        if seconds is not None:
            job = stored.schedule.job
            shortest[job] = min(shortest.get(job, seconds), seconds)
    return shortest


def _job_gauge(name: str, told: str, values: dict[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, told, labels=["job_name"])
    for job, value in sorted(values.items()):
        family.add_metric([job], value)
    return family
