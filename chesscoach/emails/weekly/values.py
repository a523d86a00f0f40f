"""The values of the weekly summary: a player's week as it is read, and the summary of it."""

from datetime import datetime
from typing import Literal

from msgspec import Struct

from chesscoach.players.game import PlayedGame
from chesscoach.schedules.iso_week import Week

Trend = Literal["improving", "declining", "stable"]


class Swing(Struct, frozen=True, kw_only=True):
    """The costliest move of a game: centipawns lost, and the number of the full move."""

    cp_loss: float
    move_number: int | None = None
    move: str = ""


class AnalysedGame(Struct, frozen=True, kw_only=True):
    """A proper analysis: accuracy in per cent, and counts from its move evaluations.

    `game` is the analysed game, unless it has been deleted.
    """

    game_id: str
    analysed_at: datetime
    accuracy: float
    blunders: int
    mistakes: int
    best_moves: int
    swing: Swing | None = None
    game: PlayedGame | None = None


class PlannedSession(Struct, frozen=True, kw_only=True):
    """A training session of the week to come: its local start and its title."""

    starts: datetime
    title: str


class WeekExtras(Struct, frozen=True, kw_only=True):
    """What other slices add to a player's week.

    `rank` is the player's among all players by points. `pace` is the training pace at the end of
    the week, 0 to 100, and `pace_before` that of the week before. `advice` is the type of what the
    player is recommended most of all, and `advice_subject` what it is about, such as an opening.
    `sessions` are those of the week after, in their order.
    """

    rank: int | None = None
    pace: float | None = None
    pace_before: float | None = None
    advice: str = ""
    advice_subject: str = ""
    sessions: tuple[PlannedSession, ...] = ()


class PlayerWeek(Struct, frozen=True, kw_only=True):
    """The stored data of one player for one email.

    `played` are the games that ended in the week; `analysed` those that were analysed in it, and
    `analysed_before` in the week before. As in the application, the time of the analysis counts.
    `reflections` are the player's answers of the week, `reflections_right` the right ones.
    `points` are those of the week, if points are counted. `streak` is as it was at `last_activity`.
    """

    user_id: str
    week: Week
    played: tuple[PlayedGame, ...] = ()
    analysed: tuple[AnalysedGame, ...] = ()
    analysed_before: tuple[AnalysedGame, ...] = ()
    weakness: str | None = None
    strength: str | None = None
    reflections: int = 0
    reflections_right: int = 0
    streak: int | None = None
    last_activity: datetime | None = None
    longest_streak: int | None = None
    points: int | None = None
    level: int | None = None
    extras: WeekExtras = WeekExtras()


class ResultsBySpeed(Struct, frozen=True, kw_only=True):
    """Games of one platform and speed; a game without a known result counts only in `played`.

    The ratings are the first and the last known ones of the week.
    """

    platform: str
    speed: str
    played: int
    won: int
    drawn: int
    lost: int
    rating_start: int | None = None
    rating_end: int | None = None


class WeekAccuracy(Struct, frozen=True, kw_only=True):
    """Mean accuracy (in per cent) and counts of a week's analysed games."""

    games: int = 0
    accuracy: float | None = None
    blunders: int = 0
    mistakes: int = 0
    best_moves: int = 0

    def per_game(self, count: int) -> float:
        """Divide a count by the number of games; 0.0 without games."""
        return count / self.games if self.games else 0.0


class Highlight(Struct, frozen=True, kw_only=True):
    """A game to look at again: the most accurate one, or the one with the largest swing."""

    game_id: str
    accuracy: float
    swing: Swing | None = None
    game: PlayedGame | None = None


class Summary(Struct, frozen=True, kw_only=True):
    """The content of a weekly email in numbers; rendering turns it into words.

    `focus` is what to work on next week: the weakness from the profile, or what the week's counts
    point at.
    """

    user_id: str
    week: Week
    results_by_speed: tuple[ResultsBySpeed, ...] = ()
    accuracy: WeekAccuracy = WeekAccuracy()
    before: WeekAccuracy = WeekAccuracy()
    trend: Trend = "stable"
    weakness: str | None = None
    strength: str | None = None
    reflections: int = 0
    reflections_right: int = 0
    streak: int | None = None
    longest_streak: int | None = None
    points: int | None = None
    level: int | None = None
    extras: WeekExtras = WeekExtras()
    best_game: Highlight | None = None
    critical: Highlight | None = None
    focus: Literal["weakness", "blunders", "mistakes", "analyse", "reflect", "keep_going"] = (
        "keep_going"
    )

    @property
    def played(self) -> int:
        """Games played in the week, on all sources."""
        return sum(results.played for results in self.results_by_speed)

    @property
    def is_empty(self) -> bool:
        """Whether no game was played and none analysed."""
        return self.played == 0 and self.accuracy.games == 0
