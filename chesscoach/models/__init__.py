"""Values that pass between rooms: frozen, keyword-only, without behaviour that needs the world.

Instants are aware UTC datetimes.
"""

from chesscoach.models.accounts import (
    Account,
    Link,
    Player,
    SealedMonth,
    Standing,
)
from chesscoach.models.games import (
    Colour,
    Game,
    PendingGame,
    Platform,
    Result,
    Side,
    plain_id,
)
from chesscoach.models.runs import (
    PASSED_OVER,
    WORKED,
    Counts,
    Outcome,
)
from chesscoach.models.schedules import (
    Amount,
    Every,
    Identifier,
    Instant,
    Schedule,
    Seconds,
    Slot,
    instant,
    utc,
)

__all__ = [
    "PASSED_OVER",
    "WORKED",
    "Account",
    "Amount",
    "Colour",
    "Counts",
    "Every",
    "Game",
    "Identifier",
    "Instant",
    "Link",
    "Outcome",
    "PendingGame",
    "Platform",
    "Player",
    "Result",
    "Schedule",
    "SealedMonth",
    "Seconds",
    "Side",
    "Slot",
    "Standing",
    "instant",
    "plain_id",
    "utc",
]
