"""What the views of momentum read: boards, and everything about one player."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from chesscoach.momentum.periods import Kind
from chesscoach.momentum.store.players import RANKABLE
from chesscoach.mongo import timestamps, values
from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.collection import MongoCollection

_HAS_TEXT_ID = values.of_type("user_id", "string")


class BoardEntry(Struct, frozen=True, kw_only=True):
    """A player on a board; players with equal points share a rank, and the next ranks are free."""

    rank: int
    user_id: str
    name: str | None
    points: int
    level: int | None = None


class LedgerEntry(Struct, frozen=True, kw_only=True):
    """An award in the ledger."""

    id: str
    action: str
    points: int
    at: datetime | None
    local_date: str | None
    week_key: str | None
    month_key: str | None


class PlayerDocuments(Struct, frozen=True, kw_only=True):
    """What is stored of a player: the progress that counts, and the number of other documents."""

    user: Document | None
    progress: Document
    surplus: int
    streak: Document
    achievements: int


class Views:
    """The collections of momentum, for reading."""

    def __init__(self, database: Database) -> None:
        self._progress = MongoCollection(database, "user_progress")
        self._events = MongoCollection(database, "momentum_events")
        self._periods = MongoCollection(database, "momentum_periods")
        self._streaks = MongoCollection(database, "momentum_streaks")
        self._achievements = MongoCollection(database, "user_achievements")
        self._users = MongoCollection(database, "users")

    async def final_board(self, kind: Kind, key: str, limit: int) -> list[BoardEntry]:
        """The ranks of a period that is final; empty before that."""
        rows = await self._periods.aggregate(
            [
                {"$match": {"kind": kind, "key": key, "rank": {"$gte": 1}, **_HAS_TEXT_ID}},
                {"$sort": {"points": -1, "_id": 1}},
                *_only_users("user_id"),
                {"$limit": limit},
            ],
            allowDiskUse=True,
        )
        return [
            BoardEntry(
                rank=int(row["rank"]),
                user_id=row["user_id"],
                name=values.to_text(row["user"].get("name")),
                points=int(row["points"]),
            )
            for row in rows
        ]

    async def open_board(self, kind: Kind, key: str, limit: int) -> list[BoardEntry]:
        """The players of a period by the sums of the ledger, as they are now."""
        rows = await self._events.aggregate(
            [
                {"$match": {f"{kind}_key": key, **_HAS_TEXT_ID}},
                {"$group": {"_id": "$user_id", "points": {"$sum": "$points"}}},
                {"$match": {"points": {"$gte": 1}}},
                {"$sort": {"points": -1, "_id": 1}},
                *_only_users("_id"),
                {"$limit": limit},
            ],
            allowDiskUse=True,
        )
        return _ranked([(row["_id"], int(row["points"]), row["user"], None) for row in rows])

    async def all_time_board(self, limit: int) -> list[BoardEntry]:
        """The players by all their points, also those that the application paid."""
        oldest: list[Document] = [
            {"$match": {"$expr": {"$eq": ["$user_id", "$$user"]}}},
            {"$sort": {"_id": 1}},
            {"$limit": 1},
            {"$project": {"_id": 1}},
        ]
        rows = await self._progress.aggregate(
            [
                {"$match": {"xp": {"$gte": 1}, **_HAS_TEXT_ID}},
                {"$project": {"user_id": 1, "xp": 1, "level": 1}},
                {"$sort": {"xp": -1, "user_id": 1}},
                {
                    "$lookup": {
                        "from": "user_progress",
                        "let": {"user": "$user_id"},
                        "pipeline": oldest,
                        "as": "oldest",
                    }
                },
                {"$match": {"$expr": {"$eq": ["$_id", {"$first": "$oldest._id"}]}}},
                *_only_users("user_id"),
                {"$limit": limit},
            ],
            allowDiskUse=True,
        )
        return _ranked(
            [(row["user_id"], int(row["xp"]), row["user"], row.get("level")) for row in rows]
        )

    async def player(self, user_id: str) -> PlayerDocuments | None:
        """What is stored of a player; None if the application has no such user."""
        query = {"user_id": user_id}
        user = await self._users.find_one(query, {"_id": 0, "name": 1, "timezone": 1})
        progress = await self._progress.find(query, sort=[("_id", 1)])
        if user is None and not progress:
            return None
        return PlayerDocuments(
            user=user,
            progress=progress[0] if progress else {},
            surplus=max(len(progress) - 1, 0),
            streak=await self._streaks.find_one({"_id": f"{user_id}|days"}) or {},
            achievements=await self._achievements.count(query),
        )

    async def result(self, user_id: str, kind: Kind, key: str) -> Document:
        """A player's result in a period that is final; empty before that."""
        return await self._periods.find_one({"_id": f"{user_id}|{kind}|{key}"}) or {}

    async def last_events(self, user_id: str, limit: int) -> list[LedgerEntry]:
        """A player's last awards, the newest first."""
        documents = await self._events.find(
            {"user_id": user_id}, sort=[("ts", -1), ("_id", 1)], limit=limit
        )
        return [
            LedgerEntry(
                id=str(document["_id"]),
                action=str(document.get("action")),
                points=int(document.get("points") or 0),
                at=timestamps.parse_instant(document.get("ts")),
                local_date=document.get("local_date"),
                week_key=document.get("week_key"),
                month_key=document.get("month_key"),
            )
            for document in documents
        ]


def _only_users(field: str) -> list[Document]:
    """The stages that leave out players whose user is deleted or disabled, in a board's order."""
    return [
        {
            "$lookup": {
                "from": "users",
                "localField": field,
                "foreignField": "user_id",
                "pipeline": [{"$match": RANKABLE}, {"$project": {"name": 1}}, {"$limit": 1}],
                "as": "users",
            }
        },
        {"$match": {"users": {"$ne": []}}},
        {"$set": {"user": {"$first": "$users"}}},
    ]


def _ranked(rows: Sequence[tuple[str, int, Document, Any]]) -> list[BoardEntry]:
    """Rows in order of their points with ranks: equal points share one, the next is by place."""
    entries: list[BoardEntry] = []
    for place, (user_id, points, user, level) in enumerate(rows, 1):
        tied = bool(entries) and entries[-1].points == points
        entries.append(
            BoardEntry(
                rank=entries[-1].rank if tied else place,
                user_id=user_id,
                name=values.to_text(user.get("name")),
                points=points,
                level=int(level) if isinstance(level, int | float) else None,
            )
        )
    return entries
