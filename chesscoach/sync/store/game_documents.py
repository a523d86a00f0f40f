"""The document of a game, in the application's own shape: its fields, and what it may lack."""

from datetime import datetime

from msgspec import Struct

from chesscoach.mongo import timestamps
from chesscoach.mongo.client import Document
from chesscoach.mongo.values import is_text
from chesscoach.sources.game import Colour, Game
from chesscoach.sync import source_ids

_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_UNNAMED_OPPONENT = "Opponent"
"""What the application calls an opponent without a name."""

_IS_PGN = {"$eq": [{"$type": "$pgn"}, "string"]}
_LINK_TAG = r'\[\s*(?:link|site)\s+"([^"]*)"'

PROJECTION: Document = {
    "_id": 0,
    "game_id": 1,
    "url": 1,
    "imported_at": 1,
    "accuracies": 1,
    "pgn": {"$and": [_IS_PGN, {"$gt": ["$pgn", ""]}]},
    # Only where there is no URL: a month has hundreds of PGNs.
    "links": {
        "$cond": [
            {"$gt": ["$url", ""]},
            [],
            {
                "$regexFindAll": {
                    "input": {"$cond": [_IS_PGN, "$pgn", ""]},
                    "regex": _LINK_TAG,
                    "options": "i",
                }
            },
        ]
    },
}


class UserGame(Struct, frozen=True, kw_only=True):
    """A game as one user's: what a document of `games` is made of.

    `analysable` says whether an engine's time is well spent on it.
    """

    game_id: str
    user_id: str
    username: str
    colour: Colour
    game: Game
    analysable: bool = False


class StoredGame(Struct, frozen=True, kw_only=True):
    """What a stored game may lack."""

    imported_at: datetime
    accuracies: Document | None
    pgn: bool


def to_stored_game(document: Document) -> StoredGame:
    """What a document of ours has."""
    return StoredGame(
        imported_at=timestamps.parse_instant(document.get("imported_at")) or _EPOCH,
        accuracies=document.get("accuracies"),
        pgn=document["pgn"],
    )


def source_ids_in(document: Document) -> set[str]:
    """The source's ids of a game that the application stored, by its URL, else by its PGN."""
    url = document.get("url")
    ids = source_ids.ids_in(url)
    if is_text(url):
        ids.add(url)
    for link in document["links"]:
        ids |= source_ids.ids_in(link["captures"][0])
    return ids


def missing_fields(item: UserGame, stored: StoredGame) -> Document:
    """What the source has added to a game since it was stored."""
    fields: Document = {}
    accuracies = _accuracies(item.game)
    if accuracies is not None and accuracies != stored.accuracies:
        fields["accuracies"] = accuracies
    if item.game.pgn and not stored.pgn:
        fields |= {"pgn": item.game.pgn, "analysable": item.analysable, **_tag_fields(item.game)}
    return fields


def to_document(item: UserGame, imported_at: datetime) -> Document:
    """The document of a new game."""
    game = item.game
    mine, other = (game.white, game.black) if item.colour == "white" else (game.black, game.white)
    began = game.started_at or game.ended_at
    began_text = timestamps.format_instant(began)
    return {
        "game_id": item.game_id,
        "user_id": item.user_id,
        "platform": game.platform,
        "username": item.username,
        "pgn": game.pgn,
        "url": game.url,
        "user_color": item.colour,
        "result": game.result,
        "time_control": game.speed,
        "imported_at": timestamps.format_instant(imported_at),
        "is_analyzed": False,
        "auto_synced": True,
        "white_player": game.white.name,
        "black_player": game.black.name,
        "opponent_name": other.name or _UNNAMED_OPPONENT,
        # As the application reads them from the PGN's `UTCDate` and `UTCTime`: the game's start.
        "date_played": began_text[:10].replace("-", "."),
        "played_at_utc": began,
        **_tag_fields(game),
        "user_rating": mine.rating,
        # Ours, for summaries and for finding a game at its source again.
        "external_id": game.external_id,
        "variant": game.variant,
        "initial_fen": game.initial_fen,
        "ending": game.ending,
        "analysable": item.analysable,
        "accuracies": _accuracies(game),
        "rated": game.rated,
        "started_at": began_text if game.started_at else None,
        "ended_at": timestamps.format_instant(game.ended_at),
        "opponent": other.name,
        "opponent_rating": other.rating,
    }


def _tag_fields(game: Game) -> Document:
    """The application's fields that come from the PGN; the opening's name, else its ECO code."""
    header, _, _ = game.pgn.partition("\n\n")
    return {
        "opening": _tag(header, "Opening") or _tag(header, "ECO"),
        "termination": _tag(header, "Termination") or game.ending or None,
    }


def _tag(header: str, name: str) -> str | None:
    """A tag's value, as the sources write tags: each on a line; None if it is missing or unknown.

    To parse every tag would cost half as much as to store the game.
    """
    _, _, rest = f"\n{header}".partition(f'\n[{name} "')
    value, _, _ = rest.partition('"')
    return None if value in ("", "?") else value


def _accuracies(game: Game) -> Document | None:
    if game.accuracies is None:
        return None
    white, black = game.accuracies
    return {"white": white, "black": black}
