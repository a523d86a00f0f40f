"""Parses a stored game of a player, and says which fields that takes.

Our own documents have all fields. Those of the application lack the end, the ratings and the
opponent, and its results may be status words such as `resign`. The PGN has what is missing.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from chesscoach.mongo import timestamps
from chesscoach.mongo.client import Document
from chesscoach.mongo.values import is_text
from chesscoach.players.game import PlayedGame
from chesscoach.players.store import expressions, pgn_headers
from chesscoach.sources.game import Colour, GameResult
from chesscoach.sources.speed import OTHER_SPEED, speed_class

OTHER_PLATFORM = "other"
"""The name of a platform that is not a text."""

_KNOWN_RESULTS = ("1-0", "0-1", "1/2-1/2")
# Other variants have their own ratings, under the same names of speeds.
_STANDARD_VARIANTS = ("", "standard", "chess", "fromposition", "from position")

PROJECTION: Document = {
    "_id": 0,
    "user_id": 1,
    "game_id": 1,
    "platform": 1,
    "username": 1,
    "url": 1,
    "user_color": 1,
    "result": 1,
    "time_control": 1,
    "variant": 1,
    "imported_at": 1,
    "ended_at": 1,
    "user_rating": 1,
    "opponent": 1,
}
"""The fields of a game that are parsed, besides `head`, the head of its PGN."""


def ended_at(document: Document, tags: Mapping[str, str]) -> datetime | None:
    """The end of a game: as stored, by its PGN, or the time of its import."""
    if document.get("ended_at") is not None:
        return timestamps.parse_instant(document["ended_at"])
    return pgn_headers.end_time(tags) or timestamps.parse_instant(document.get("imported_at"))


def parse_game(document: Document) -> PlayedGame | None:
    """Parse a document with the fields of PROJECTION; None if it has no id or no readable end."""
    return game_of(document, pgn_headers.parse_tags(document.get("head")))


def game_of(document: Document, tags: Mapping[str, str]) -> PlayedGame | None:
    """The same with the tags of its PGN."""
    ended, game_id = ended_at(document, tags), document.get("game_id")
    if ended is None or not is_text(game_id):
        return None
    colour = _colour(document, tags)
    before, after = _ratings(document, tags, colour)
    platform = _text(document.get("platform")) or OTHER_PLATFORM
    descriptions = (
        _text(document.get("time_control")), tags.get("timecontrol", ""), tags.get("event", "")
    )  # fmt: skip
    return PlayedGame(
        game_id=game_id,
        platform=platform,
        speed=speed_class(platform, descriptions) or OTHER_SPEED,
        colour=colour,
        result=_result(document, tags),
        ended_at=ended,
        rating_before=before,
        rating_after=after,
        opponent=_text(document.get("opponent")) or _opponent(tags, colour),
        url=_text(document.get("url")),
    )


def non_negative_int(value: object) -> int | None:
    """Return a whole number that is not negative; None for any other value."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return int(value) if value >= 0 else None


def _text(value: object) -> str:
    return value.strip() if is_text(value) else ""


def _result(document: Document, tags: Mapping[str, str]) -> GameResult:
    """The result as stored; by the PGN if another word is stored."""
    known = (
        word
        for word in (_text(document.get("result")), tags.get("result", "").strip())
        if word in _KNOWN_RESULTS
    )
    return cast(GameResult, next(known, "*"))


def _colour(document: Document, tags: Mapping[str, str]) -> Colour | None:
    """The colour as stored, or by the player's name."""
    stored, name = document.get("user_color"), _text(document.get("username")).lower()
    if stored == "white" or stored == "black":
        return cast(Colour, stored)
    sides = [side for side in ("white", "black") if name and tags.get(side, "").lower() == name]
    return cast(Colour, sides[0]) if len(sides) == 1 else None


def _opponent(tags: Mapping[str, str], colour: Colour | None) -> str:
    return tags.get("black" if colour == "white" else "white", "") if colour else ""


def _ratings(
    document: Document, tags: Mapping[str, str], colour: Colour | None
) -> tuple[int | None, int | None]:
    """The ratings before and after the game; Chess.com has only the latter."""
    variant = _text(document.get("variant")) or tags.get("variant", "")
    if variant.lower() not in _STANDARD_VARIANTS:
        return None, None
    side = colour or ""
    stored = non_negative_int(document.get("user_rating"))
    if stored is None:
        stored = pgn_headers.rating(tags, side)
    if document.get("platform") == "chess.com":
        return None, stored
    change = pgn_headers.rating_change(tags, side)
    return stored, None if stored is None or change is None else stored + change


def pgn_head() -> Document:
    """The tags of a PGN: all before its first blank line or first move, unless that is too long.

    The text is not cut, because `$substrCP` and `$substrBytes` fail on broken characters, and the
    whole batch with them.
    """
    head: Any = "$pgn"
    for end in ("\n\n", "\r\n\r\n", "\n1."):
        head = {"$first": {"$split": [head, end]}}
    short = {"$lte": [{"$strLenBytes": "$$head"}, pgn_headers.MAX_HEADER_BYTES]}
    cut = {"$let": {"vars": {"head": head}, "in": {"$cond": [short, "$$head", ""]}}}
    return expressions.if_type("$pgn", "string", cut, "")
