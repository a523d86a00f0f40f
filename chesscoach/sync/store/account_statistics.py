"""The accounts of each source in figures, from indexes alone."""

from datetime import datetime

import msgspec
from msgspec import Struct, field

from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.collection import MongoCollection
from chesscoach.mongo.values import is_text
from chesscoach.sources.game import Platform


class StalestAccount(Struct, frozen=True, kw_only=True):
    """The account that has been due for the longest time; `checked_at` is None if never."""

    key: str = field(name="_id")
    due_at: datetime
    checked_at: datetime | None = None


class AccountStatistics:
    """Reads `sync_accounts`."""

    def __init__(self, database: Database) -> None:
        self._collection = MongoCollection(database, "sync_accounts")

    async def counts(self, platform: Platform) -> dict[tuple[str, bool], int]:
        """The number of a source's accounts by status, and by whether the last check failed."""
        failing = {"$gt": [{"$ifNull": ["$failures", 0]}, 0]}
        groups: list[Document] = await self._collection.aggregate(
            [
                {"$match": {"platform": platform}},
                {"$group": {"_id": {"status": "$standing", "failing": failing}, "n": {"$sum": 1}}},
            ]
        )
        return {
            (status, bool(group["_id"].get("failing"))): group["n"]
            for group in groups
            if is_text(status := group["_id"].get("status"))
        }

    async def stalest(self, platform: Platform) -> StalestAccount | None:
        """A source's linked account with the earliest due time; None if it cannot be read."""
        document = await self._collection.find_one(
            {"platform": platform, "links.0": {"$exists": True}},
            {"due_at": 1, "checked_at": 1},
            sort=[("due_at", 1), ("_id", 1)],
        )
        if document is None:
            return None
        try:
            return msgspec.convert(document, StalestAccount)
        except msgspec.ValidationError:
            return None
