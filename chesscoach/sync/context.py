"""What the sync receives."""

from collections.abc import Callable, Mapping
from datetime import datetime

from msgspec import Struct

from chesscoach.config import SourceSettings, SyncSettings
from chesscoach.metrics import Metrics
from chesscoach.players.store.notifications import Notifications
from chesscoach.players.store.users import Users
from chesscoach.sources.chesscom import Chesscom
from chesscoach.sources.game import Platform
from chesscoach.sources.lichess import Lichess
from chesscoach.sync.store.accounts import Accounts
from chesscoach.sync.store.analysis_queue import AnalysisQueue
from chesscoach.sync.store.games import Games
from chesscoach.sync.store.lanes import SourceLane


class SyncContext(Struct, frozen=True, kw_only=True):
    """The collections and sources of the sync; `lanes` has the lane of each source."""

    settings: SyncSettings
    sources: SourceSettings
    now: Callable[[], datetime]
    metrics: Metrics
    users: Users
    notifications: Notifications
    accounts: Accounts
    games: Games
    analysis_queue: AnalysisQueue
    lichess: Lichess
    chesscom: Chesscom
    lanes: Mapping[Platform, SourceLane]
