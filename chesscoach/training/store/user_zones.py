"""The time zones that users have set in `users.timezone`, unchecked."""

from collections.abc import Collection
from typing import Any

from chesscoach.mongo import values
from chesscoach.mongo.client import Database
from chesscoach.mongo.collection import MongoCollection


class UserZones:
    """The zone of each user, and which users there are: those with progress are some too."""

    def __init__(self, database: Database) -> None:
        self._users = MongoCollection(database, "users")
        self._progress = MongoCollection(database, "user_progress")

    async def read(self, user_ids: Collection[str]) -> dict[str, Any]:
        """The zones of some users; without those that do not exist."""
        if not user_ids:
            return {}
        query = {"user_id": {"$in": list(user_ids)}}
        users = await self._users.find(query, {"_id": 0, "user_id": 1, "timezone": 1})
        return {
            user["user_id"]: user.get("timezone")
            for user in users
            if values.is_text(user["user_id"])
        }

    async def exists(self, user_id: str) -> bool:
        """Whether there is a user, or a player's progress."""
        if await self.read([user_id]):
            return True
        return await self._progress.find_one({"user_id": user_id}, {"_id": 1}) is not None
