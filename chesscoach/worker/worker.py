"""The worker's context: its collections, its settings, and the context of the jobs."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from msgspec import Struct

from chesscoach.config import Config, ProcessEnvironment
from chesscoach.metrics import Metrics
from chesscoach.worker.observer import RunObserver, SilentObserver
from chesscoach.worker.store.leases import Leases
from chesscoach.worker.store.runs import Runs
from chesscoach.worker.store.schedules import Schedules


class Worker(Struct, frozen=True, kw_only=True):
    """Everything that running a job needs.

    The worker passes `app` to each job and does not look into it. `require_indexes` raises
    SetupError unless the unique indexes of the named collections exist.
    """

    app: Any
    config: Config
    process: ProcessEnvironment
    now: Callable[[], datetime]
    metrics: Metrics
    runs: Runs
    leases: Leases
    schedules: Schedules
    require_indexes: Callable[..., Awaitable[None]]
    observer: RunObserver = SilentObserver()
