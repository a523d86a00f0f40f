"""What the cleanup receives."""

from collections.abc import Callable, Mapping
from datetime import datetime

from msgspec import Struct

from chesscoach.cleanup.store.deletion import Deleter
from chesscoach.config import CleanupSettings, RunnerSettings
from chesscoach.schedules.schedule import Schedule
from chesscoach.worker.store.runs import Runs
from chesscoach.worker.store.schedules import Schedules


class CleanupContext(Struct, frozen=True, kw_only=True):
    """The collections and limits of the cleanup."""

    settings: CleanupSettings
    runner: RunnerSettings
    now: Callable[[], datetime]
    configured_schedules: Mapping[str, Schedule]
    schedules: Schedules
    runs: Runs
    deleter: Deleter
