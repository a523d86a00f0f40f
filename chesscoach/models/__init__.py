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
from chesscoach.models.mail import (
    AnalysedGame,
    Delivery,
    Form,
    Highlight,
    Kind,
    Message,
    PlayedGame,
    PlayerWeek,
    Recipient,
    Summary,
    Swing,
    Tally,
    Trend,
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
from chesscoach.models.shards import WHOLE, Shard, number
from chesscoach.models.suppressions import Reason, Suppression
from chesscoach.models.weeks import Week

__all__ = [
    "PASSED_OVER",
    "WHOLE",
    "WORKED",
    "Account",
    "Amount",
    "AnalysedGame",
    "Colour",
    "Counts",
    "Delivery",
    "Every",
    "Form",
    "Game",
    "Highlight",
    "Identifier",
    "Instant",
    "Kind",
    "Link",
    "Message",
    "Outcome",
    "PendingGame",
    "Platform",
    "PlayedGame",
    "Player",
    "PlayerWeek",
    "Reason",
    "Recipient",
    "Result",
    "Schedule",
    "SealedMonth",
    "Seconds",
    "Shard",
    "Side",
    "Slot",
    "Standing",
    "Summary",
    "Suppression",
    "Swing",
    "Tally",
    "Trend",
    "Week",
    "instant",
    "number",
    "plain_id",
    "utc",
]
