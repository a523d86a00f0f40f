"""The application's analysis queue: our items for new games, within a day's allowance.

The `_id` of our items follows from their `queue_id`, which makes a repeated write harmless. The
application sets no `queue_id`, so that a unique index on it would refuse its second item.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256

from bson import ObjectId

from chesscoach.mongo import timestamps
from chesscoach.mongo.client import Database
from chesscoach.mongo.collection import MongoCollection


class AnalysisQueue:
    """The `analysis_queue` collection, which belongs to the application."""

    def __init__(self, database: Database) -> None:
        self._collection = MongoCollection(database, "analysis_queue")

    async def remaining_today(self, user_id: str, now: datetime, allowance: int) -> int:
        """How many more items a user may get on the UTC day of `now`."""
        day = timestamps.format_instant(now)[:10]
        query = {"user_id": user_id, "created_at": {"$gte": day, "$lt": day + "~"}}
        return allowance - await self._collection.count(query, limit=max(allowance, 1))

    async def find_queued(self, queue_ids: Sequence[str]) -> set[str]:
        """Which of these items there are."""
        by_key = {_document_id(queue_id): queue_id for queue_id in queue_ids}
        items = await self._collection.find({"_id": {"$in": list(by_key)}}, {"_id": 1})
        return {by_key[item["_id"]] for item in items}

    async def add(self, user_id: str, games: Mapping[str, str], now: datetime) -> None:
        """Queues games, given as item id to game id; an item that is there stays as it is."""
        items = [
            {
                "_id": _document_id(queue_id),
                "queue_id": queue_id,
                "user_id": user_id,
                "game_id": game_id,
                "status": "pending",
                "priority": 0,
                "created_at": timestamps.format_instant(now),
                "started_at": None,
                "completed_at": None,
                "error": None,
            }
            for queue_id, game_id in games.items()
        ]
        await self._collection.insert_new(items)


def _document_id(queue_id: str) -> ObjectId:
    """The `_id` of an item of ours, of the type that the application's have."""
    return ObjectId(sha256(queue_id.encode()).digest()[:12])
