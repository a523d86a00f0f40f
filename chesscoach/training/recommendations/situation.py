"""The situation of a player on the day for which recommendations are made."""

from datetime import date

from msgspec import Struct

from chesscoach.players.game import PlayedGame
from chesscoach.training.activity import Activity


class RecentGame(Struct, frozen=True, kw_only=True):
    """A game of the last months: its local day, its opening, and whether it ended on time."""

    game: PlayedGame
    day: date
    opening: str = ""
    ended_on_time: bool = False

    @property
    def score(self) -> float | None:
        """The player's points: 1, 0.5 or 0; None where the result or the colour is not known."""
        match self.game.result, self.game.colour:
            case "1/2-1/2", _:
                return 0.5
            case ("1-0", "white") | ("0-1", "black"):
                return 1.0
            case ("1-0", "black") | ("0-1", "white"):
                return 0.0
        return None


class Weakness(Struct, frozen=True, kw_only=True):
    """A weakness in the player's profile, and the last games whose analysis names it."""

    name: str
    category: str
    occurrences: float
    last_seen: date
    game_ids: tuple[str, ...] = ()


class Situation(Struct, kw_only=True):
    """What recommendations are made of, as of the local day `today`.

    `has_started` says whether the player ever did anything; `last_activity` is the last day of it,
    None if that is not known. `unanalysed` is the oldest imported game without an analysis, and
    `unsolved` the puzzle that was tried first and never solved. `due_cards` are the ids of mistake
    cards that are due.
    """

    today: date
    activity: Activity
    has_started: bool = False
    last_activity: date | None = None
    games: list[RecentGame] = []
    unanalysed: str | None = None
    unsolved: str | None = None
    weaknesses: list[Weakness] = []
    due_cards: list[str] = []
