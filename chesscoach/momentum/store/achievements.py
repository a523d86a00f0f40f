"""`user_achievements`: what each player has unlocked; a document means that it is unlocked.

The application's collection has no unique index on user and achievement. The `_id` of a document of
ours therefore follows from both.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID, uuid5

from bson import ObjectId
from msgspec import Struct

from chesscoach.mongo import values
from chesscoach.mongo.client import Database
from chesscoach.mongo.collection import MongoCollection

_NAMESPACE = UUID("c6f1d0de-0a7e-4d0b-9d0f-3f0a5d9e2b77")


class Unlocked(Struct, frozen=True, kw_only=True):
    """An achievement that a player has unlocked; `week` is that of a leaderboard."""

    user_id: str
    achievement: str
    at: datetime
    week: str | None = None


class UnlockedAchievements:
    """The `user_achievements` collection, which belongs to the application."""

    def __init__(self, database: Database) -> None:
        self._collection = MongoCollection(database, "user_achievements")

    async def of_users(self, user_ids: Collection[str]) -> dict[str, set[str]]:
        """The ids of the achievements that some users have, by user."""
        query = {"user_id": {"$in": list(user_ids)}}
        project = {"_id": 0, "user_id": 1, "achievement_id": 1}
        owned: dict[str, set[str]] = {}
        for document in await self._collection.find(query, project):
            user_id, achievement = document["user_id"], document.get("achievement_id")
            if values.is_text(user_id) and values.is_text(achievement):
                owned.setdefault(user_id, set()).add(achievement)
        return owned

    async def add(self, unlocked: Sequence[Unlocked]) -> None:
        """Adds achievements; one that a player has changes nothing."""
        await self._collection.insert_each(
            [
                {
                    "_id": ObjectId(
                        uuid5(_NAMESPACE, f"{item.user_id}|{item.achievement}").bytes[:12]
                    ),
                    "user_id": item.user_id,
                    "achievement_id": item.achievement,
                    "unlocked_at": item.at,
                    **({"week": item.week} if item.week is not None else {}),
                }
                for item in unlocked
            ]
        )
