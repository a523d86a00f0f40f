"""What momentum needs before its first run: levels, achievements, and the users' documents."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from chesscoach.momentum.achievements import ACHIEVEMENTS
from chesscoach.momentum.store.collections import MomentumCollections, level_documents
from chesscoach.momentum.store.progress import level_expression
from chesscoach.mongo import values
from chesscoach.mongo.client import Document

_PAGE_SIZE = 1000
_ZERO_IF_MISSING = (
    "xp",
    "current_streak",
    "longest_streak",
    "momentum_xp",
    "weekly_xp",
    "monthly_xp",
)


class LevelChanges(Struct, frozen=True, kw_only=True):
    """What became of the table of levels; `surplus` are the numbers that it does not have."""

    created: int
    updated: int
    surplus: list[Any]


class Preparation:
    """Adds what is missing; what is there stays as it is, except where a method says so."""

    def __init__(self, collections: MomentumCollections) -> None:
        self._collections = collections
        self._users = collections.collection("users")
        self._progress = collections.collection("user_progress")

    async def add_levels(self) -> int:
        """Adds levels that are missing; returns how many."""
        levels = self._collections.collection("momentum_levels")
        return sum(await levels.insert_new(level_documents()))

    async def update_levels(self) -> LevelChanges:
        """Adds levels that are missing and corrects those that differ; surplus ones stay."""
        levels = self._collections.collection("momentum_levels")
        created, updated, documents = await self.add_levels(), 0, level_documents()
        for document in documents:
            differs = {"_id": document["_id"], "$expr": {"$ne": ["$$ROOT", {"$literal": document}]}}
            result = await levels.update_one(differs, [{"$replaceWith": document}])
            updated += result.modified_count
        numbers = [document["_id"] for document in documents]
        others = await levels.find({"_id": {"$nin": numbers}}, {"_id": 1}, limit=100)
        surplus = [document["_id"] for document in others]
        return LevelChanges(created=created, updated=updated, surplus=surplus)

    async def add_achievements(self) -> int:
        """Adds definitions of achievements that are missing; returns how many."""
        achievements = self._collections.collection("momentum_achievements")
        documents = [
            {"_id": achievement.id, **msgspec.to_builtins(achievement)}
            for achievement in ACHIEVEMENTS
        ]
        return sum(await achievements.insert_new(documents))

    async def user_pages(self) -> AsyncIterator[list[str]]:
        """Pages of the ids of all users; ids that are not texts are left out."""
        after = ""
        while True:
            query = {"user_id": {"$gt": after}, **values.of_type("user_id", "string")}
            page = await self._users.find(
                query, {"_id": 0, "user_id": 1}, sort=[("user_id", 1)], limit=_PAGE_SIZE
            )
            if not page:
                return
            yield list(dict.fromkeys(user["user_id"] for user in page))
            after = page[-1]["user_id"]

    async def without_progress(self, user_ids: Sequence[str]) -> list[str]:
        """Those of some users who have no progress."""
        oldest = await self._collections.oldest_progress(user_ids)
        return [user_id for user_id in user_ids if user_id not in oldest]

    async def fill_progress(self, user_ids: Sequence[str], now: datetime) -> int:
        """Fills in missing counters of users; returns how many documents changed.

        A missing level is that of the points. Only the oldest document of a user counts.
        """
        oldest = await self._collections.oldest_progress(user_ids)
        incomplete = {
            "_id": {"$in": list(oldest.values())},
            "$or": [{field: None} for field in ("level", *_ZERO_IF_MISSING)],
        }
        filled = {field: {"$ifNull": [f"${field}", 0]} for field in _ZERO_IF_MISSING}
        level = {"$ifNull": ["$level", level_expression("xp")]}
        update: list[Document] = [{"$set": filled}, {"$set": {"level": level, "updated_at": now}}]
        return (await self._progress.update_many(incomplete, update)).modified_count
