"""Games, in the application's own shape, each once per user.

A game's `game_id` follows from the source, its id there and the user, so the application's unique
index makes a repeated write harmless. Games that the application imported itself have ids of its
own. They are recognised by the source's id in their `url`; manual imports have none, and are
recognised by the `[Link]` or `[Site]` of their PGN.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from itertools import compress

from msgspec import Struct
from pymongo import UpdateOne

from chesscoach.mongo.client import Database
from chesscoach.mongo.collection import MongoCollection
from chesscoach.mongo.values import is_text, of_type
from chesscoach.sync import source_ids
from chesscoach.sync.store import game_documents
from chesscoach.sync.store.game_documents import StoredGame, UserGame

IMPORT_STEP = timedelta(microseconds=1)
"""Between the `imported_at` of two games of a batch: the application sorts by it."""

_NO_URL = (None, "")


class InsertResult(Struct, frozen=True, kw_only=True):
    """What became of a batch: the games that are new, and those of ours that were stored already.

    `known` maps a game's id to when it was imported; `completed` are those that had come without
    their moves and have them now.
    """

    new: list[UserGame]
    known: dict[str, datetime]
    completed: list[UserGame]


class Games:
    """The `games` collection, which belongs to the application."""

    def __init__(self, database: Database) -> None:
        self._collection = MongoCollection(database, "games")

    async def insert_new(self, batch: Iterable[UserGame], now: datetime) -> InsertResult:
        """Inserts the games that are not there yet, and adds to those of ours what they lack.

        The games get instants from `now` on, in the order of their ends. Nothing else of a stored
        game is changed, and none is ever deleted: a source's lists waver.

        Raises:
            DuplicateDocument: a unique index refuses a game that is not there; all others are.
        """
        wanted = {item.game_id: item for item in batch}
        known, imported = await self._find_existing(wanted.values())
        missing = [
            item
            for item in wanted.values()
            if item.game_id not in known and item.game_id not in imported
        ]
        missing.sort(key=lambda item: item.game.ended_at)
        insertions = await self._collection.insert_each(
            [
                game_documents.to_document(item, now + place * IMPORT_STEP)
                for place, item in enumerate(missing)
            ],
            key="game_id",
        )
        inserted = [insertion == "new" for insertion in insertions]
        if not all(inserted):  # a rival, another batch of ours, or an import with another URL
            known |= await self._find_known(
                [item.game_id for item, is_new in zip(missing, inserted, strict=True) if not is_new]
            )
        patches = {
            game_id: patch
            for game_id, stored in known.items()
            if (patch := game_documents.missing_fields(wanted[game_id], stored))
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
            known={game_id: stored.imported_at for game_id, stored in known.items()},
            completed=[wanted[game_id] for game_id, patch in patches.items() if "pgn" in patch],
        )

    async def _find_existing(
        self, items: Collection[UserGame]
    ) -> tuple[dict[str, StoredGame], set[str]]:
        """The games that are stored already: ours by id, and the ids of the application's.

        One query for each user by the index on (user_id, url) finds both, since the documents
        without a URL have their own place in it.
        """
        known: dict[str, StoredGame] = {}
        imported: set[str] = set()
        by_user: dict[str, list[UserGame]] = defaultdict(list)
        for item in items:
            by_user[item.user_id].append(item)
        for user_id, of_user in by_user.items():
            ids = {item.game_id for item in of_user}
            urls = set().union(*(source_ids.urls_of(item.game) for item in of_user))
            query = {
                "user_id": user_id,
                "url": {"$in": [*urls, *_NO_URL]},
                **of_type("user_id", "string"),
            }
            foreign: set[str] = set()
            for document in await self._collection.find(query, game_documents.PROJECTION):
                game_id = document.get("game_id")
                if is_text(game_id) and game_id in ids:
                    known[game_id] = game_documents.to_stored_game(document)
                else:
                    foreign |= game_documents.source_ids_in(document)
            if foreign:
                imported |= {
                    item.game_id for item in of_user if foreign & source_ids.ids_of(item.game)
                }
        return known, imported

    async def _find_known(self, ids: list[str]) -> dict[str, StoredGame]:
        query = {"game_id": {"$in": ids}, **of_type("game_id", "string")}
        games = await self._collection.find(query, game_documents.PROJECTION)
        return {game["game_id"]: game_documents.to_stored_game(game) for game in games}

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
