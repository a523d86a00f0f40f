"""The context of training."""

from collections.abc import Callable
from datetime import datetime

from msgspec import Struct

from chesscoach.config import TrainingSettings
from chesscoach.training.store.activity import ActivityReader
from chesscoach.training.store.players import Players
from chesscoach.training.store.recommendations import Recommendations
from chesscoach.training.store.routines import RoutineStore
from chesscoach.training.store.session_evidence import SessionEvidence
from chesscoach.training.store.sessions import SessionStore
from chesscoach.training.store.situations import SituationReader
from chesscoach.training.store.snapshots import Snapshots


class TrainingContext(Struct, frozen=True, kw_only=True):
    """The collections and settings of training.

    `close_hour` is the local hour at which the sessions of a day or a week become final.
    """

    settings: TrainingSettings
    now: Callable[[], datetime]
    players: Players
    activity: ActivityReader
    snapshots: Snapshots
    situations: SituationReader
    recommendations: Recommendations
    close_hour: int
    routines: RoutineStore
    sessions: SessionStore
    session_evidence: SessionEvidence
