"""`adaptive_recommendations`: one document for each player, type and ISO week.

The `_id` is made of the three, so a week that is served again has the same documents.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from pymongo import UpdateOne

from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.collection import MongoCollection
from chesscoach.mongo.values import is_text
from chesscoach.training.recommendations.plan import Plan, WeeklyRecommendation
from chesscoach.training.recommendations.rules import Recommendation
from chesscoach.training.store import numbers


class StoredRecommendation(Struct, frozen=True, kw_only=True):
    """A recommendation as commands show it."""

    id: str
    user_id: str
    recommendation_type: str
    refresh_key: str
    priority: int
    title: str
    message: str
    metadata: Any
    is_active: bool
    created_at: Any
    dismissed_at: Any
    retired_at: Any


class Recommendations:
    """The recommendations of all players."""

    def __init__(self, database: Database) -> None:
        self._collection = MongoCollection(database, "adaptive_recommendations")

    async def served(self, weeks: Mapping[str, str], *, only_later: bool) -> set[str]:
        """Those of some users whose week or a later one, or only a later one, was served.

        `weeks` are the keys by user. They never go back, wherever the player moves.
        """
        query = {
            "user_id": {"$in": list(weeks)},
            "refresh_key": {"$gte": min(weeks.values(), default="")},
            "is_weekly": True,
        }
        found = await self._collection.find(query, {"_id": 0, "user_id": 1, "refresh_key": 1})
        return {
            document["user_id"]
            for document in found
            if is_text(document["user_id"])
            and document["user_id"] in weeks
            and is_text(document["refresh_key"])
            and (
                document["refresh_key"] > weeks[document["user_id"]]
                or (not only_later and document["refresh_key"] == weeks[document["user_id"]])
            )
        }

    async def of_weeks(self, weeks: Mapping[str, str]) -> dict[str, list[WeeklyRecommendation]]:
        """The recommendations of each user's week."""
        query = {
            "user_id": {"$in": list(weeks)},
            "refresh_key": {"$in": sorted(set(weeks.values()))},
        }
        stored: dict[str, list[WeeklyRecommendation]] = {user_id: [] for user_id in weeks}
        for document in await self._collection.find(query):
            user_id = document["user_id"]
            if is_text(user_id) and weeks.get(user_id) == document["refresh_key"]:
                stored[user_id].append(_to_stored(document))
        return stored

    async def write(
        self, plans: Mapping[str, Plan], weeks: Mapping[str, str], now: datetime
    ) -> None:
        """Carries out plans: what is active, and what is retired.

        A dismissed recommendation stays as it is, also if the player dismissed it just now.
        """
        updates = []
        for user_id, plan in plans.items():
            week = weeks[user_id]
            updates += [_activation(user_id, week, item, now) for item in plan.active]
            ids = [_key(user_id, kind, week) for kind in plan.retired]
            updates += [_retirement({"_id": key, "is_active": True}, now) for key in ids]
        await self._collection.bulk_update(updates)

    async def finish_weeks(self, weeks: Mapping[str, str], now: datetime) -> int:
        """Retires what is active of weeks before each user's, and marks the users' as served.

        Returns how many were retired.
        """
        count = 0
        for week in sorted(set(weeks.values())):
            users = {"user_id": {"$in": [user for user, key in weeks.items() if key == week]}}
            query = {**users, "refresh_key": {"$lt": week}, "is_active": True}
            update = {"$set": {"is_active": False, "retired_at": now}}
            count += (await self._collection.update_many(query, update)).modified_count
            served = {**users, "refresh_key": week, "is_weekly": False}
            await self._collection.update_many(served, {"$set": {"is_weekly": True}})
        return count

    async def of_user(self, user_id: str, *, active_only: bool) -> list[StoredRecommendation]:
        """A user's recommendations, the newest week and the highest priority first."""
        query: Document = {"user_id": user_id} | ({"is_active": True} if active_only else {})
        order = [("refresh_key", -1), ("priority", -1), ("_id", 1)]
        return [_to_shown(document) for document in await self._collection.find(query, sort=order)]

    async def top(self, user_ids: Sequence[str]) -> dict[str, StoredRecommendation]:
        """The most important active recommendation of some users, by user."""
        pipeline: list[Document] = [
            {"$match": {"user_id": {"$in": list(user_ids)}, "is_active": True}},
            {"$sort": {"refresh_key": -1, "priority": -1, "_id": 1}},
            {"$group": {"_id": "$user_id", "first": {"$first": "$$ROOT"}}},
        ]
        groups = await self._collection.aggregate(pipeline)
        return {
            group["_id"]: _to_shown(group["first"]) for group in groups if is_text(group["_id"])
        }

    async def dismiss(self, ids: Collection[str], now: datetime) -> list[StoredRecommendation]:
        """Dismisses recommendations until their week ends; returns those that were active."""
        dismissed = []
        for key in ids:
            document = await self._collection.find_one_and_update(
                {"_id": key, "dismissed_at": None},
                {"$set": {"is_active": False, "dismissed_at": now, "updated_at": now}},
            )
            if document is not None:
                dismissed.append(_to_shown(document))
        return dismissed

    async def find(self, key: str) -> StoredRecommendation | None:
        """The recommendation of an id."""
        document = await self._collection.find_one({"_id": key})
        return _to_shown(document) if document is not None else None


def _key(user_id: str, kind: str, week: str) -> str:
    return f"{user_id}|{kind}|{week}"


def _activation(user_id: str, week: str, item: Recommendation, now: datetime) -> UpdateOne:
    """Adds or renews a recommendation, unless the player has dismissed it."""
    content = {
        "title": item.title,
        "message": item.message,
        "priority": item.priority,
        "metadata": dict(item.metadata),
    }
    undismissed = {"$eq": [{"$ifNull": ["$dismissed_at", None]}, None]}
    first: Document = {
        "user_id": {"$literal": user_id},
        "recommendation_type": item.type,
        "refresh_key": week,
        "created_at": {"$ifNull": ["$created_at", now]},
        "dismissed_at": {"$ifNull": ["$dismissed_at", None]},
        "is_weekly": {"$ifNull": ["$is_weekly", False]},
    }
    renewed: Document = {
        name: {"$cond": [undismissed, {"$literal": value}, f"${name}"]}
        for name, value in content.items()
    }
    changed = {
        "$or": [{"$ne": [f"${name}", {"$literal": value}]} for name, value in content.items()]
    }
    renewed["updated_at"] = {"$cond": [{"$and": [undismissed, changed]}, now, "$updated_at"]}
    renewed["is_active"] = undismissed
    renewed["retired_at"] = {"$cond": [undismissed, None, {"$ifNull": ["$retired_at", None]}]}
    return UpdateOne(
        {"_id": _key(user_id, item.type, week)}, [{"$set": {**first, **renewed}}], upsert=True
    )


def _retirement(query: Document, now: datetime) -> UpdateOne:
    return UpdateOne(query, {"$set": {"is_active": False, "retired_at": now}})


def _to_stored(document: Document) -> WeeklyRecommendation:
    shown = _to_shown(document)
    metadata = shown.metadata
    return WeeklyRecommendation(
        content=Recommendation(
            type=shown.recommendation_type,
            priority=shown.priority,
            title=shown.title,
            message=shown.message,
            metadata=metadata if isinstance(metadata, dict) else {},
        ),
        is_active=shown.is_active,
        is_dismissed=shown.dismissed_at is not None,
    )


def _to_shown(document: Document) -> StoredRecommendation:
    def text(name: str) -> str:
        value = document.get(name)
        return value if is_text(value) else ""

    return StoredRecommendation(
        id=str(document["_id"]),
        user_id=text("user_id"),
        recommendation_type=text("recommendation_type"),
        refresh_key=text("refresh_key"),
        priority=numbers.count(document.get("priority"), 0),
        title=text("title"),
        message=text("message"),
        metadata=document.get("metadata"),
        is_active=document.get("is_active") is True,
        created_at=document.get("created_at"),
        dismissed_at=document.get("dismissed_at"),
        retired_at=document.get("retired_at"),
    )
