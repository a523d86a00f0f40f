"""What is awarded, for how many points, and under which key of the ledger.

The amounts are the application's own where it has one; `[momentum.amounts]` sets them.
"""

from datetime import date, datetime
from typing import Literal

from msgspec import Struct

from chesscoach.config.momentum import MomentumAmounts

Action = Literal[
    "game_imported",
    "game_analyzed",
    "accuracy_90_plus",
    "no_blunders",
    "puzzle_solved",
    "puzzle_solved_fast",
    "reflection_completed",
    "session_completed",
    "streak_day",
    "streak_week",
    "streak_month",
    "perfect_week",
    "perfect_month",
    "achievement_unlocked",
]

MIN_ACCURACY = 90.0
"""The accuracy from which an analysed game earns its bonus."""

MIN_MOVES = 3
"""The evaluated moves that an analysis must have to count."""

FAST_PUZZLE_S = 30.0
"""The time within which a solved puzzle is a fast one."""

_MAX_STREAK_FACTOR = 7
_WEEK_STREAK, _MONTH_STREAK = 7, 30


class Award(Struct, frozen=True, kw_only=True):
    """Points for a cause; a user gets them once, since the ledger's key names the cause.

    `ref` names the cause among those of an action and a user. `at` is the instant of the evidence,
    and `day` its local date. `accuracy` and `streak` are the values that achievements compare. An
    award that is `lifetime` counts for no week or month.
    """

    action: Action
    user_id: str
    ref: str
    points: int
    at: datetime
    day: date
    accuracy: float | None = None
    streak: int | None = None
    lifetime: bool = False

    @property
    def key(self) -> str:
        """The `_id` of its document in the ledger."""
        return ledger_key(self.action, self.user_id, self.ref)


def ledger_key(action: str, user_id: str, ref: str) -> str:
    """The `_id` of an award in the ledger."""
    return f"{action}|{user_id}|{ref}"


def analysis_points(
    amounts: MomentumAmounts, accuracy: float, blunders: int
) -> list[tuple[Action, int]]:
    """The awards of an analysed game: for the analysis, its accuracy, and no blunder."""
    awards: list[tuple[Action, int]] = [("game_analyzed", amounts.game_analyzed)]
    if accuracy >= MIN_ACCURACY:
        awards.append(("accuracy_90_plus", amounts.accuracy_90_plus))
    if not blunders:
        awards.append(("no_blunders", amounts.no_blunders))
    return awards


def puzzle_points(amounts: MomentumAmounts, seconds: float | None) -> tuple[Action, int]:
    """The award of a solved puzzle; one whose time is not known is not a fast one."""
    if seconds is not None and 0 <= seconds <= FAST_PUZZLE_S:
        return "puzzle_solved_fast", amounts.puzzle_solved_fast
    return "puzzle_solved", amounts.puzzle_solved


def streak_points(amounts: MomentumAmounts, length: int) -> list[tuple[Action, int]]:
    """The awards of the day on which a streak has reached a length; the first day has none."""
    if length <= 1:
        return []
    awards: list[tuple[Action, int]] = [
        ("streak_day", amounts.streak_day * min(length, _MAX_STREAK_FACTOR))
    ]
    if length == _WEEK_STREAK:
        awards.append(("streak_week", amounts.streak_week))
    if length == _MONTH_STREAK:
        awards.append(("streak_month", amounts.streak_month))
    return awards
