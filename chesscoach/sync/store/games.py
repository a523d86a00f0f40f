"""Games, in the application's own shape, each once per user.

A game's `game_id` follows from the source, its id there and the user, so the application's unique
index makes a repeated write harmless. Games that the application imported itself have ids of its
own; they are known by their `url`.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from itertools import compress

from msgspec import Struct
from pymongo import UpdateOne

from chesscoach.mongo import timestamps
from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.collection import MongoCollection
from chesscoach.mongo.values import is_text, of_type
from chesscoach.sources.game import Colour, Game

_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_PROJECTION = {
    "_id": 0,
    "game_id": 1,
    "url": 1,
    "imported_at": 1,
    "accuracies": 1,
    "pgn": {"$and": [{"$eq": [{"$type": "$pgn"}, "string"]}, {"$gt": ["$pgn", ""]}]},
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


class InsertResult(Struct, frozen=True, kw_only=True):
    """What became of a batch: the games that are new, and those of ours that were stored already.

    `known` maps a game's id to when it was imported; `completed` are those that had come without
    their moves and have them now.
    """

    new: list[UserGame]
    known: dict[str, datetime]
    completed: list[UserGame]


class _StoredGame(Struct, frozen=True, kw_only=True):
    """What a stored game may lack."""

    imported_at: datetime
    accuracies: Document | None
    pgn: bool


class Games:
    """The `games` collection, which belongs to the application."""

    def __init__(self, database: Database) -> None:
        self._collection = MongoCollection(database, "games")

    async def insert_new(self, batch: Iterable[UserGame], now: datetime) -> InsertResult:
        """Inserts the games that are not there yet, and adds to those of ours what they lack.

        Nothing else of a stored game is changed, and none is ever deleted: a source's lists waver.

        Raises:
            DuplicateDocument: a unique index refuses a game that is not there; all others are.
        """
        wanted = {item.game_id: item for item in batch}
        known, imported = await self._find_existing(wanted.values())
        missing = [
            item
            for item in wanted.values()
            if item.game_id not in known and (item.user_id, item.game.url) not in imported
        ]
        imported_at = timestamps.format_instant(now)
        insertions = await self._collection.insert_each(
            [_document(item, imported_at) for item in missing], key="game_id"
        )
        inserted = [insertion == "new" for insertion in insertions]
        if not all(inserted):  # a rival, another batch of ours, or an import with another URL
            known |= await self._known(
                [item.game_id for item, is_new in zip(missing, inserted, strict=True) if not is_new]
            )
        patches = {
            game_id: patch
            for game_id, document in known.items()
            if (patch := _patch(wanted[game_id], document))
        }
        await self._collection.bulk_update(
            [
                UpdateOne({"user_id": wanted[key].user_id, "game_id": key}, {"$set": patch})
                for key, patch in patches.items()
            ]
        )
        if refused := insertions.count("refused"):
            raise self._collection.refusal(refused)
        return InsertResult(
            new=list(compress(missing, inserted)),
            known={game_id: document.imported_at for game_id, document in known.items()},
            completed=[wanted[game_id] for game_id, patch in patches.items() if "pgn" in patch],
        )

    async def _find_existing(
        self, items: Collection[UserGame]
    ) -> tuple[dict[str, _StoredGame], set[tuple[str, str]]]:
        """The games that are stored already: ours by id, the application's by (user, url).

        Both have their `url`, so that one look by the index on it finds either.
        """
        known: dict[str, _StoredGame] = {}
        imported: set[tuple[str, str]] = set()
        ids = {item.game_id for item in items}
        for user_id in {item.user_id for item in items}:
            urls = [item.game.url for item in items if item.user_id == user_id]
            query = {"user_id": user_id, "url": {"$in": urls}, **of_type("user_id", "string")}
            for document in await self._collection.find(query, _PROJECTION):
                game_id, url = document.get("game_id"), document["url"]
                if is_text(game_id) and game_id in ids:
                    known[game_id] = _known(document)
                elif is_text(url):
                    imported.add((user_id, url))
        return known, imported

    async def _known(self, ids: list[str]) -> dict[str, _StoredGame]:
        query = {"game_id": {"$in": ids}, **of_type("game_id", "string")}
        games = await self._collection.find(query, _PROJECTION)
        return {game["game_id"]: _known(game) for game in games}

    async def count_by_user(self, user_ids: list[str]) -> dict[tuple[str, str], int]:
        """The number of stored games by (user, platform)."""
        documents = await self._collection.aggregate(
            [
                {"$match": {"user_id": {"$in": user_ids}}},
                {"$group": {"_id": {"u": "$user_id", "p": "$platform"}, "n": {"$sum": 1}}},
            ]
        )
        return {
            (user_id, platform): document["n"]
            for document in documents
            if is_text(user_id := document["_id"].get("u"))
            and is_text(platform := document["_id"].get("p"))
        }


def _known(document: Document) -> _StoredGame:
    return _StoredGame(
        imported_at=timestamps.parse_instant(document.get("imported_at")) or _EPOCH,
        accuracies=document.get("accuracies"),
        pgn=document["pgn"],
    )


def _accuracies(game: Game) -> Document | None:
    if game.accuracies is None:
        return None
    white, black = game.accuracies
    return {"white": white, "black": black}


def _patch(item: UserGame, document: _StoredGame) -> Document:
    """What the source has added to a game since it was stored."""
    patch: Document = {}
    accuracies = _accuracies(item.game)
    if accuracies is not None and accuracies != document.accuracies:
        patch["accuracies"] = accuracies
    if item.game.pgn and not document.pgn:
        patch |= {"pgn": item.game.pgn, "analysable": item.analysable}
    return patch


def _document(item: UserGame, imported_at: str) -> Document:
    game = item.game
    mine, other = (game.white, game.black) if item.colour == "white" else (game.black, game.white)
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
        "imported_at": imported_at,
        "is_analyzed": False,
        "auto_synced": True,
        # Ours, for summaries and for finding a game at its source again.
        "external_id": game.external_id,
        "variant": game.variant,
        "initial_fen": game.initial_fen,
        "ending": game.ending,
        "analysable": item.analysable,
        "accuracies": _accuracies(game),
        "rated": game.rated,
        "started_at": timestamps.format_instant(game.started_at) if game.started_at else None,
        "ended_at": timestamps.format_instant(game.ended_at),
        "user_rating": mine.rating,
        "opponent": other.name,
        "opponent_rating": other.rating,
    }
