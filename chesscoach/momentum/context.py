"""The context of momentum."""

from collections.abc import Callable
from datetime import datetime
from typing import Self

from msgspec import Struct

from chesscoach.config import MomentumSettings
from chesscoach.momentum.store.achievements import UnlockedAchievements
from chesscoach.momentum.store.events import Ledger
from chesscoach.momentum.store.evidence import EvidenceReader
from chesscoach.momentum.store.periods import ClosedPeriods
from chesscoach.momentum.store.players import Players
from chesscoach.momentum.store.progress import ProgressStore
from chesscoach.momentum.store.sessions import TrainingSessions
from chesscoach.momentum.store.state import StateStore
from chesscoach.momentum.store.streaks import StreakStore
from chesscoach.momentum.store.week_ranks import WeekRanks
from chesscoach.mongo.client import Database
from chesscoach.players.store.notifications import Notifications


class MomentumContext(Struct, frozen=True, kw_only=True):
    """The collections and settings of momentum."""

    settings: MomentumSettings
    now: Callable[[], datetime]
    state: StateStore
    players: Players
    ledger: Ledger
    progress: ProgressStore
    periods: ClosedPeriods
    streaks: StreakStore
    achievements: UnlockedAchievements
    evidence: EvidenceReader
    sessions: TrainingSessions
    notifications: Notifications
    week_ranks: WeekRanks

    @classmethod
    def of_database(
        cls, database: Database, settings: MomentumSettings, now: Callable[[], datetime]
    ) -> Self:
        """The collections of a database."""
        return cls(
            settings=settings,
            now=now,
            state=StateStore(database),
            players=Players(database),
            ledger=Ledger(database),
            progress=ProgressStore(database),
            periods=ClosedPeriods(database),
            streaks=StreakStore(database),
            achievements=UnlockedAchievements(database),
            evidence=EvidenceReader(database),
            sessions=TrainingSessions(database),
            notifications=Notifications(database),
            week_ranks=WeekRanks(database),
        )
