"""A stored game as a game of somebody's week.

Our own documents tell all of it. Those of the application lack when the game ended, the ratings
and the opponent: their PGN is asked for these.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import cast

from chesscoach.emails.store import pgn_headers
from chesscoach.emails.weekly.values import PlayedGame
from chesscoach.mongo import timestamps
from chesscoach.mongo.client import Document
from chesscoach.sources.game import Colour, GameResult

OTHER_SPEED = "other"
"""Stands for a platform or speed that is no text."""

_KNOWN_RESULTS = ("1-0", "0-1", "1/2-1/2")
# Other variants have ratings of their own, under the speeds of the usual one.
_STANDARD_VARIANTS = ("", "standard", "chess", "fromposition", "from position")


def ended_at(row: Document, tags: Mapping[str, str]) -> datetime | None:
    """When it ended: by its own word; else by its PGN; else not later than it was imported."""
    if row.get("ended_at") is not None:
        return timestamps.parse_instant(row["ended_at"])
    return pgn_headers.end_time(tags) or timestamps.parse_instant(row.get("imported_at"))


def parse_week_game(row: Document) -> PlayedGame | None:
    """The game of a row of `week_pipeline`; None if it has no id, or no end that can be read."""
    tags = pgn_headers.parse_tags(row.get("head"))
    ended, game_id = ended_at(row, tags), row.get("game_id")
    if ended is None or not isinstance(game_id, str):
        return None
    colour = _colour(row, tags)
    before, after = _ratings(row, tags, colour)
    result = row.get("result")
    return PlayedGame(
        game_id=game_id,
        platform=_text(row.get("platform")) or OTHER_SPEED,
        speed=_text(row.get("time_control")) or OTHER_SPEED,
        colour=colour,
        result=cast(GameResult, result) if result in _KNOWN_RESULTS else "*",
        ended_at=ended,
        rating_before=before,
        rating_after=after,
        opponent=_text(row.get("opponent")) or _opponent(tags, colour),
        url=_text(row.get("url")),
    )


def non_negative_int(value: object) -> int | None:
    """A number that can be counted with: whole, and not below zero."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return int(value) if value >= 0 else None


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _colour(row: Document, tags: Mapping[str, str]) -> Colour | None:
    """As stored; else by the player's name."""
    stored, name = row.get("user_color"), _text(row.get("username")).lower()
    if stored == "white" or stored == "black":
        return cast(Colour, stored)
    sides = [side for side in ("White", "Black") if name and tags.get(side, "").lower() == name]
    return cast(Colour, sides[0].lower()) if len(sides) == 1 else None


def _opponent(tags: Mapping[str, str], colour: Colour | None) -> str:
    return tags.get("Black" if colour == "white" else "White", "") if colour else ""


def _ratings(
    row: Document, tags: Mapping[str, str], colour: Colour | None
) -> tuple[int | None, int | None]:
    """Before and after the game: Chess.com tells of the latter, all others of the former."""
    variant = _text(row.get("variant")) or tags.get("Variant", "")
    if variant.lower() not in _STANDARD_VARIANTS:
        return None, None
    side = colour.capitalize() if colour else ""
    told = non_negative_int(row.get("user_rating"))
    if told is None:
        told = pgn_headers.rating(tags, side)
    if row.get("platform") == "chess.com":
        return None, told
    change = pgn_headers.rating_change(tags, side)
    return told, None if told is None or change is None else told + change
