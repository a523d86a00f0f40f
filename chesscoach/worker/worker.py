"""What the worker receives: its collections, its settings, and the application of the jobs."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from msgspec import Struct

from chesscoach.config import Config, ProcessEnvironment
from chesscoach.metrics import Metrics
from chesscoach.worker.store.leases import Leases
from chesscoach.worker.store.runs import Runs
from chesscoach.worker.store.schedules import Schedules


class Worker(Struct, frozen=True, kw_only=True):
    """The parts that run any job.

    `app` is passed to each job as it is: the worker does not look into it. `require_indexes` raises
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
