"""The context of the alerts."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from chesscoach.alerts.store.alerts import Alerts
from chesscoach.alerts.store.run_history import RunHistory
from chesscoach.config import AlertSettings, JobsSettings, RunnerSettings
from chesscoach.metrics import Metrics
from chesscoach.schedules.schedule import Schedule
from chesscoach.sources.game import Platform
from chesscoach.worker.store.runs import Runs
from chesscoach.worker.store.schedules import Schedules


class Breaker(Protocol):
    """The breaker of a source: whether it is open, and until when the source gets no request."""

    @property
    def is_open(self) -> bool:
        """Whether the source has not answered since the breaker opened."""

    @property
    def open_until(self) -> datetime | None:
        """None once that has passed."""


class AlertContext(Struct, frozen=True, kw_only=True):
    """The settings and collections of the alerts.

    `breakers` reads the breaker of each source, `unknown_emails` counts the emails of the last
    weeks of which it is unknown whether they were sent.
    """

    settings: AlertSettings
    jobs: JobsSettings
    runner: RunnerSettings
    now: Callable[[], datetime]
    metrics: Metrics
    configured_schedules: Mapping[str, Schedule]
    schedules: Schedules
    runs: Runs
    history: RunHistory
    alerts: Alerts
    breakers: Mapping[Platform, Callable[[], Awaitable[Breaker]]]
    unknown_emails: Callable[[], Awaitable[int]]
