"""Games as a source describes them, and who played them."""

import re
from datetime import datetime
from typing import Literal

from msgspec import Struct

Platform = Literal["lichess", "chess.com"]
"""A source, spelled as the application spells it in `games`."""

Colour = Literal["white", "black"]
GameResult = Literal["1-0", "0-1", "1/2-1/2", "*"]

_PLAIN_ID = re.compile(r"[A-Za-z0-9]{8}|[A-Za-z0-9]{12}|[0-9a-f-]{32,40}|[0-9]{1,20}", re.ASCII)


def plain_id(text: str) -> str:
    """A game's id as it may be logged: it came from outside, so only if it has an id's form."""
    return text if _PLAIN_ID.fullmatch(text) else ""


class Side(Struct, frozen=True, kw_only=True):
    """One player of a game as the source shows them.

    `key` is what identifies the player there (Lichess: the lower-cased name; Chess.com: the uuid),
    None for engines and anonymous players.
    """

    name: str
    key: str | None
    rating: int | None = None


class Game(Struct, frozen=True, kw_only=True):
    """A finished game, independent of who of our users played it.

    `plies` counts half-moves. `speed`, `variant` and `ending` are the source's own words (blitz,
    daily …; standard, chess …; mate, resigned …). `standard` says that it began from the usual
    position under the usual rules; `initial_fen` is another position that it began from.
    `accuracies` are White's and Black's, in per cent, if the source has analysed the game.
    `unknown` names the fields whose values we do not know or cannot read; their words are kept.
    """

    platform: Platform
    external_id: str
    url: str
    white: Side
    black: Side
    result: GameResult
    speed: str
    variant: str
    standard: bool
    rated: bool
    started_at: datetime | None
    ended_at: datetime
    plies: int
    pgn: str
    ending: str = ""
    initial_fen: str | None = None
    accuracies: tuple[float, float] | None = None
    unknown: tuple[str, ...] = ()


class UnfinishedGame(Struct, frozen=True, kw_only=True):
    """A Lichess game still being played: it must be asked for again by its id.

    `absent` counts how often in a row the source did not know it; aborted games vanish.
    """

    external_id: str
    started_at: datetime
    absent: int = 0
