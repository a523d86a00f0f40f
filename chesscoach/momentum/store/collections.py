"""The collections of momentum, and what a reset or a purge does to their documents.

Each operation reads and writes page by page, and repeating it changes nothing more. So a command
that was stopped is completed by running it again.
"""

from collections.abc import Sequence
from typing import Any

from chesscoach.momentum.levels import LEVELS
from chesscoach.momentum.store.scoped_collection import ScopedCollection
from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.collection import MongoCollection

USER_COLLECTIONS = (
    "user_progress",
    "user_achievements",
    "momentum_streaks",
    "momentum_events",
    "momentum_periods",
)
"""The collections whose documents belong to users."""

ALL_COLLECTIONS = ("momentum_levels", "momentum_achievements", *USER_COLLECTIONS, "momentum_state")

APPLICATION_COLLECTIONS = ("user_progress", "user_achievements")
"""The collections that belong to the application."""

PURGED_COLLECTIONS = tuple(name for name in ALL_COLLECTIONS if name != "user_progress")
"""The collections whose documents a purge deletes; it clears fields of `user_progress`."""

_COUNTERS = ("xp", "momentum_xp", "weekly_xp", "monthly_xp", "current_streak", "longest_streak")
_OUR_FIELDS = (
    *("tz", "tz_source", "momentum_batch", "ledger_from", "momentum_streak"),
    *("last_activity_local", "streak_lost", "streak_lost_on"),
    *("weekly_key", "weekly_prev_xp", "weekly_prev_key", "week_closed"),
    *("monthly_key", "monthly_prev_xp", "monthly_prev_key", "month_closed"),
)
_STATE_ID = "momentum"


class MomentumCollections:
    """The collections of momentum in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def scoped(self, name: str, user_id: str | None = None) -> ScopedCollection:
        """A collection, or the documents of one user in it."""
        query: Document = {} if user_id is None else {"user_id": user_id}
        if user_id is not None and name == "momentum_periods":  # it has no index on user_id
            query["_id"] = {"$gte": f"{user_id}|", "$lt": f"{user_id}}}"}
        return ScopedCollection(self._database, name, query)

    def collection(self, name: str) -> MongoCollection:
        """A collection by its name."""
        return MongoCollection(self._database, name)

    async def has_user(self, user_id: str) -> bool:
        """Whether the application has a user of that id, or the user's progress."""
        for name in ("users", "user_progress"):
            if await self.collection(name).find_one({"user_id": user_id}, {"_id": 1}) is not None:
                return True
        return False

    async def oldest_progress(self, user_ids: Sequence[str]) -> dict[str, Any]:
        """The id of the oldest progress document of each of some users: the one that counts."""
        groups = await self.collection("user_progress").aggregate(
            [
                {"$match": {"user_id": {"$in": list(user_ids)}}},
                {"$group": {"_id": "$user_id", "oldest": {"$min": "$_id"}}},
            ]
        )
        return {group["_id"]: group["oldest"] for group in groups}

    async def pending_batches(self) -> range:
        """The batches of awards that were begun and are not in the counters of all players."""
        state = await self.collection("momentum_state").find_one({"_id": _STATE_ID}) or {}
        return range(int(state.get("applied") or 0) + 1, int(state.get("batch") or 0) + 1)

    async def reset_levels(self, user_id: str | None) -> int:
        """Sets levels to 1; returns how many changed."""
        return await self.scoped("user_progress", user_id).update([{"$set": {"level": 1}}])

    async def reset_achievements(self, user_id: str | None) -> int:
        """Deletes unlocked achievements; returns how many there were."""
        return await self.scoped("user_achievements", user_id).delete_all()

    async def reset_streaks(self, user_id: str | None) -> int:
        """Sets streaks to 0 as if there had been no activity; returns how many documents changed.

        The last activity is removed too: activity of the same day then counts.
        """
        ended = {"current": 0, "longest": 0, "last_period": None}
        update = {"$set": ended, "$unset": {"days": "", "started": ""}}
        changed = await self.scoped("momentum_streaks", user_id).update(update)
        progress = {"current_streak": 0, "longest_streak": 0, "last_activity_date": None}
        update = {"$set": progress, "$unset": {"last_activity_local": "", "momentum_streak": ""}}
        return changed + await self.scoped("user_progress", user_id).update(update)

    async def replace_levels(self) -> int:
        """Replaces all documents of the table of levels; returns how many there are."""
        levels = self.collection("momentum_levels")
        await levels.delete_many({"_id": {"$nin": [level.number for level in LEVELS]}})
        for document in level_documents():
            query = {"_id": document["_id"]}
            await levels.update_one(query, [{"$replaceWith": document}], upsert=True)
        return len(LEVELS)

    async def purge(self, *, keep_structure: bool) -> dict[str, int]:
        """Deletes everything of momentum; returns how many documents of each collection went.

        With `keep_structure` the collections and their indexes stay, and counters are 0 and
        levels absent. Without it our collections are dropped, and the counters are absent too. The
        collections of the application always stay, with their indexes.
        """
        counts = {}
        for name in PURGED_COLLECTIONS:
            scoped = self.scoped(name)
            counts[name] = await scoped.count()
            if keep_structure or name in APPLICATION_COLLECTIONS:
                await scoped.delete_all()
            else:
                await scoped.drop()
        removed: dict[str, str] = dict.fromkeys(("level", *_OUR_FIELDS), "")
        update: Document = {"$unset": removed}
        if keep_structure:
            update["$set"] = dict.fromkeys(_COUNTERS, 0) | {"last_activity_date": None}
        else:
            removed |= dict.fromkeys((*_COUNTERS, "last_activity_date"), "")
        counts["user_progress"] = await self.scoped("user_progress").update(update)
        return counts


def level_documents() -> list[Document]:
    """The table of levels as documents."""
    return [
        {"_id": level.number, "level": level.number, "name": level.name, "xp": level.xp}
        for level in LEVELS
    ]
