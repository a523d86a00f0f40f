"""`performance_snapshots`: one document for each player and local day.

The `_id` is the player and the day, so a day that is closed again is the same document.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime
from typing import Any

import msgspec
from pymongo import UpdateOne

from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.collection import MongoCollection
from chesscoach.mongo.readable import convert_readable
from chesscoach.training.snapshots.figures import Ratings
from chesscoach.training.snapshots.snapshot import Snapshot
from chesscoach.training.store import numbers

_NAME = "performance_snapshots"


class Snapshots:
    """The snapshots of all players."""

    def __init__(self, database: Database) -> None:
        self._collection = MongoCollection(database, _NAME)

    async def closed(self, days: Collection[tuple[str, date]]) -> set[tuple[str, date]]:
        """Those of some users' days that are closed."""
        query = {"_id": {"$in": [_key(user_id, day) for user_id, day in days]}, "final": True}
        documents = await self._collection.find(query, {"_id": 1})
        found = {document["_id"] for document in documents}
        return {(user_id, day) for user_id, day in days if _key(user_id, day) in found}

    async def read(
        self, user_ids: Sequence[str], first: date, last: date
    ) -> dict[tuple[str, date], Snapshot]:
        """The snapshots of some users from one local date to another."""
        query = {
            "user_id": {"$in": list(user_ids)},
            "local_date": {"$gte": first.isoformat(), "$lte": last.isoformat()},
        }
        documents = await self._collection.find(query, sort=[("user_id", 1), ("local_date", 1)])
        snapshots = convert_readable(_NAME, documents, _to_snapshot)
        return {(snapshot.user_id, snapshot.local_date): snapshot for snapshot in snapshots}

    async def last(self, user_id: str, days: int) -> list[Snapshot]:
        """A user's last snapshots, one a day, in the order of their days."""
        query = {"user_id": user_id, "local_date": {"$gt": ""}}
        order = [("local_date", -1)]
        documents = await self._collection.find(query, sort=order, limit=days)
        return convert_readable(_NAME, reversed(documents), _to_snapshot)

    async def paces(
        self, user_ids: Sequence[str], days: Collection[date]
    ) -> dict[tuple[str, date], float]:
        """The pace scores of some users on some days, where there is a snapshot."""
        keys = {_key(user_id, day): (user_id, day) for user_id in user_ids for day in days}
        documents = await self._collection.find({"_id": {"$in": list(keys)}}, {"pace_score": 1})
        scores = ((keys[item["_id"]], numbers.finite(item.get("pace_score"))) for item in documents)
        return {key: score for key, score in scores if score is not None}

    async def last_ratings(self, user_ids: Collection[str], before: date) -> dict[str, Ratings]:
        """The ratings in the last snapshot of some users before a day."""
        pipeline: list[Document] = [
            {
                "$match": {
                    "user_id": {"$in": list(user_ids)},
                    "local_date": {"$gt": "", "$lt": before.isoformat()},
                }
            },
            {"$sort": {"user_id": -1, "local_date": -1}},  # backwards through the index
            {"$group": {"_id": "$user_id", "last": {"$first": "$rating"}}},
        ]
        groups = await self._collection.aggregate(pipeline)
        return dict(
            convert_readable(_NAME, groups, lambda group: (group["_id"], _ratings(group["last"])))
        )

    async def write(
        self, new: Sequence[Snapshot], changed: Iterable[Snapshot], now: datetime
    ) -> None:
        """Adds new snapshots and replaces the figures of changed ones."""
        documents = [
            {
                "_id": _key(snapshot.user_id, snapshot.local_date),
                **_fields(snapshot),
                "created_at": now,
                "updated_at": now,
            }
            for snapshot in new
        ]
        insertions = await self._collection.insert_each(documents)
        if refused := insertions.count("refused"):
            raise self._collection.refusal(refused)
        existing = [
            snapshot
            for snapshot, insertion in zip(new, insertions, strict=True)
            if insertion == "existing"
        ]
        await self._collection.bulk_update(
            [
                UpdateOne(
                    {"_id": _key(snapshot.user_id, snapshot.local_date)},
                    {"$set": {**_fields(snapshot), "updated_at": now}},
                )
                for snapshot in (*existing, *changed)
            ]
        )


def _key(user_id: str, day: date) -> str:
    return f"{user_id}|{day.isoformat()}"


def _fields(snapshot: Snapshot) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.structs.asdict(snapshot)
    return {**fields, "local_date": snapshot.local_date.isoformat()}


def _to_snapshot(document: Document) -> Snapshot:
    return msgspec.convert(document, Snapshot)


def _ratings(value: object) -> Ratings:
    return msgspec.convert(value, dict[str, dict[str, int]])
