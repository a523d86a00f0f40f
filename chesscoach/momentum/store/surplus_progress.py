"""Users with several documents in `user_progress`: the oldest counts, and pages may show another.

The application finds a document and else inserts one, without a unique index.
"""

from typing import Any

from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.collection import MongoCollection


class SurplusProgress:
    """Reads `user_progress`, which belongs to the application."""

    def __init__(self, database: Database) -> None:
        self._collection = MongoCollection(database, "user_progress")

    async def users(self, limit: int) -> list[Any]:
        """The sorted ids of users with several documents, at most `limit`."""
        pipeline: list[Document] = [
            {"$sort": {"user_id": 1}},
            {"$group": {"_id": "$user_id", "documents": {"$sum": 1}}},
            {"$match": {"_id": {"$ne": None}, "documents": {"$gt": 1}}},
            {"$sort": {"_id": 1}},
            {"$limit": limit},
        ]
        return [group["_id"] for group in await self._collection.aggregate(pipeline)]
