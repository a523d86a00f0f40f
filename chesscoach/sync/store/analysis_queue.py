"""The application's analysis queue: our items for new games, within a day's allowance.

The `_id` of our items follows from their `queue_id`, which makes a repeated write harmless. The
application sets no `queue_id`, so that a unique index on it would refuse its second item.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from bson import ObjectId

from chesscoach.mongo import timestamps
from chesscoach.mongo.client import Database
from chesscoach.mongo.collection import MongoCollection
from chesscoach.sync.store.game_documents import UserGame

_QUEUE_STEP = timedelta(microseconds=1)
"""Between the `queued_at` of two items: the application's worker sorts by it."""


class AnalysisQueue:
    """The `analysis_queue` collection, which belongs to the application."""

    def __init__(self, database: Database) -> None:
        self._collection = MongoCollection(database, "analysis_queue")

    async def remaining_today(self, user_id: str, now: datetime, allowance: int) -> int:
        """How many more items a user may get on the UTC day of `now`.

        All items of the day count, including the application's own, and all items that still wait.
        If the queue grew faster than the application takes items, the cleanup would delete the
        oldest ones.
        """
        start = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        end = start + timedelta(days=1)
        day = timestamps.format_instant(start)[:10]
        of_day = [
            {field: within}
            for field in ("created_at", "queued_at")
            for within in ({"$gte": day, "$lt": day + "~"}, {"$gte": start, "$lt": end})
        ]
        waiting = {"status": {"$in": ["pending", "processing"]}}
        query = {"user_id": user_id, "$or": [waiting, *of_day]}
        return allowance - await self._collection.count(query, limit=max(allowance, 1))

    async def find_queued(self, queue_ids: Sequence[str]) -> set[str]:
        """Which of these items there are."""
        by_key = {_document_id(queue_id): queue_id for queue_id in queue_ids}
        items = await self._collection.find({"_id": {"$in": list(by_key)}}, {"_id": 1})
        return {by_key[item["_id"]] for item in items}

    async def add(self, games: Mapping[str, UserGame], now: datetime) -> None:
        """Queues games, given by item id; an item that is there stays as it is.

        The fields are those that the application's worker and its own sync use: the worker takes
        the items in the order of `priority` and `queued_at`.
        """
        items = [
            {
                "_id": _document_id(queue_id),
                "queue_id": queue_id,
                "user_id": item.user_id,
                "game_id": item.game_id,
                "pgn": item.game.pgn,
                "user_color": item.colour,
                "auto_synced": True,
                "status": "pending",
                "priority": 0,
                "created_at": timestamps.format_instant(now),
                "queued_at": timestamps.format_instant(now + place * _QUEUE_STEP),
                "started_at": None,
                "completed_at": None,
                "error": None,
            }
            for place, (queue_id, item) in enumerate(games.items())
        ]
        await self._collection.insert_new(items)


def _document_id(queue_id: str) -> ObjectId:
    """The `_id` of an item of ours, of the type that the application's have."""
    return ObjectId(sha256(queue_id.encode()).digest()[:12])
