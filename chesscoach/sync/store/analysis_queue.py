"""The application's analysis queue: our items for new games, within a day's allowance."""

from collections.abc import Mapping, Sequence
from datetime import datetime

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
        items = await self._collection.find(
            {"queue_id": {"$in": queue_ids}}, {"_id": 0, "queue_id": 1}
        )
        return {item["queue_id"] for item in items}

    async def oldest_pending(self) -> datetime | None:
        """Since when the item waits that has waited longest; of those whose time can be read."""
        oldest = []
        for kind in ("string", "date"):
            query = {"status": "pending", "created_at": {"$type": kind}}
            item = await self._collection.find_one(
                query, {"created_at": 1}, sort=[("created_at", 1)]
            )
            oldest.append(timestamps.parse_instant(item["created_at"]) if item else None)
        return min((at for at in oldest if at is not None), default=None)

    async def add(self, user_id: str, games: Mapping[str, str], now: datetime) -> None:
        """Queues games, given as item id to game id; an item that is there stays as it is."""
        items = [
            {
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
