"""A player's game: the values that all slices share."""

from datetime import datetime

from msgspec import Struct

from chesscoach.sources.game import Colour, GameResult


class PlayedGame(Struct, frozen=True, kw_only=True):
    """A game; ratings are the player's, if they are known."""

    game_id: str
    platform: str
    speed: str
    colour: Colour | None
    result: GameResult
    ended_at: datetime
    rating_before: int | None = None
    rating_after: int | None = None
    opponent: str = ""
    url: str = ""
