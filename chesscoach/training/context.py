"""What training receives."""

from collections.abc import Callable
from datetime import datetime

from msgspec import Struct

from chesscoach.config import TrainingSettings
from chesscoach.training.store.activity import ActivityReader
from chesscoach.training.store.players import Players
from chesscoach.training.store.recommendations import Recommendations
from chesscoach.training.store.situations import SituationReader
from chesscoach.training.store.snapshots import Snapshots


class TrainingContext(Struct, frozen=True, kw_only=True):
    """The collections and settings of training."""

    settings: TrainingSettings
    now: Callable[[], datetime]
    players: Players
    activity: ActivityReader
    snapshots: Snapshots
    situations: SituationReader
    recommendations: Recommendations
