"""What training receives."""

from collections.abc import Callable
from datetime import datetime

from msgspec import Struct

from chesscoach.config import TrainingSettings


class TrainingContext(Struct, frozen=True, kw_only=True):
    """The collections and settings of training; `production` refuses what is only for tests."""

    settings: TrainingSettings
    production: bool
    now: Callable[[], datetime]
