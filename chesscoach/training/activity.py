"""What a player did, and on which local day."""

from datetime import date, datetime

from msgspec import Struct

from chesscoach.players.game import PlayedGame


class Analysis(Struct, frozen=True, kw_only=True, gc=False):
    """A proper analysis of a game: accuracy in per cent, blunders of the player."""

    game_id: str
    at: datetime
    day: date
    accuracy: float
    blunders: int


class Attempt(Struct, frozen=True, kw_only=True, gc=False):
    """An attempt at a puzzle; `solved` is None where it is not known, `minutes` 0 likewise."""

    at: datetime
    day: date
    solved: bool | None = None
    minutes: float = 0.0


class Activity(Struct, kw_only=True):
    """What is read of one player for one run, analyses and attempts in the order of time.

    `session_minutes` are those of completed training sessions, by local date. `games` are those
    that ended lately, by id, and the last ones of each kind where no rating is known yet.
    `unreadable` names the collections in which a document of the player has an impossible value.
    """

    analyses: list[Analysis] = []
    attempts: list[Attempt] = []
    session_minutes: dict[date, float] = {}
    games: dict[str, tuple[date, PlayedGame]] = {}
    unreadable: set[str] = set()

    def games_of(self, day: date) -> list[PlayedGame]:
        """The games that ended on a day."""
        return [game for ended, game in self.games.values() if ended == day]
