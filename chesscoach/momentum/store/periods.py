"""`momentum_periods`: the final results of each player's weeks and months, with their ranks."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import TypeAlias

from msgspec import Struct
from pymongo import UpdateMany

from chesscoach.momentum.periods import Kind, Period
from chesscoach.mongo import values
from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.collection import MongoCollection

_IDS_PER_UPDATE = 5000


BoardEntry: TypeAlias = tuple[str, str, int]
"""A result on a board: its id, its user and the points."""


class Result(Struct, frozen=True, kw_only=True):
    """A player's points in a period, and the training sessions planned and done."""

    user_id: str
    points: int
    planned: int
    done: int
    perfect: bool


def result_id(user_id: str, period: Period) -> str:
    """The `_id` of a user's result in a period."""
    return f"{user_id}|{period.kind}|{period.key}"


class ClosedPeriods:
    """`momentum_periods`, which is our collection."""

    def __init__(self, database: Database) -> None:
        self._collection = MongoCollection(database, "momentum_periods")

    async def add(self, period: Period, results: Sequence[Result], now: datetime) -> None:
        """Adds final results; those that are there stay as they are."""
        await self._collection.insert_new(
            [
                {
                    "_id": result_id(result.user_id, period),
                    "user_id": result.user_id,
                    "kind": period.kind,
                    "key": period.key,
                    "points": result.points,
                    "planned": result.planned,
                    "done": result.done,
                    "perfect": result.perfect,
                    "rank": None,
                    "closed_at": now,
                }
                for result in results
            ]
        )

    async def board(self, kind: Kind, key: str, size: int) -> AsyncIterator[list[BoardEntry]]:
        """Pages of the results with points, most first."""
        query: Document = {"kind": kind, "key": key, "points": {"$gte": 1}}
        order = [("points", -1), ("_id", 1)]
        project = {"user_id": 1, "points": 1}
        after: Document = {}
        while page := await self._collection.find(
            {"$and": [query, after]}, project, sort=order, limit=size
        ):
            last = page[-1]
            after = {
                "$or": [
                    {"points": {"$lt": last["points"]}},
                    {"points": last["points"], "_id": {"$gt": last["_id"]}},
                ]
            }
            yield [
                (document["_id"], document["user_id"], int(document["points"]))
                for document in page
                if values.is_text(document.get("user_id"))
            ]

    async def save_ranks(self, kind: Kind, key: str, ranks: Mapping[int, int]) -> None:
        """Writes the ranks of a period: for each number of points that of all who have it."""
        results: Document = {"kind": kind, "key": key}
        updates = [
            UpdateMany(
                {**results, "points": points, "rank": {"$ne": rank}}, {"$set": {"rank": rank}}
            )
            for points, rank in ranks.items()
        ]
        await self._collection.bulk_update(updates)

    async def remove_ranks(self, ids: Sequence[str]) -> None:
        """Removes the ranks of some results."""
        for start in range(0, len(ids), _IDS_PER_UPDATE):
            part = {"$in": ids[start : start + _IDS_PER_UPDATE]}
            ranked = {"_id": part, "rank": {"$ne": None}}
            await self._collection.update_many(ranked, {"$set": {"rank": None}})
