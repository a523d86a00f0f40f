"""`training_sessions`: which were planned, and which were completed."""

from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime
from typing import TypeAlias

from chesscoach.mongo import values
from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.collection import MongoCollection

Session: TypeAlias = tuple[str, str, date]
"""The id of a session, its user and its date."""

_TEXTS = [values.of_type(field, "string") for field in ("user_id", "local_date")]
"""A comparison also matches the elements of an array, which is neither a user nor a date."""


class TrainingSessions:
    """The `training_sessions` collection; a session has a local date and no instant."""

    def __init__(self, database: Database) -> None:
        self._collection = MongoCollection(database, "training_sessions")

    async def completed(
        self, first: date, last: date, user_id: str | None, size: int
    ) -> AsyncIterator[list[Session]]:
        """Pages of the completed sessions of some days: id, user and date."""
        user = {"user_id": user_id} if user_id is not None else {}
        for day in _days(first, last):
            query: Document = {"local_date": day, "status": "completed", **user}
            query["$and"] = [*_TEXTS, values.of_type("status", "string")]
            local_date = date.fromisoformat(day)
            async for page in self._collection.user_pages(query, size, {"user_id": 1}):
                yield [(str(document["_id"]), document["user_id"], local_date) for document in page]

    async def planned(
        self, first: date, last: date, until: datetime, user_ids: Sequence[str]
    ) -> dict[str, tuple[int, int]]:
        """How many sessions some users had planned in some days, and completed until an instant.

        A session without a readable `completed_at` counts as completed in time.
        """
        at = {"$convert": {"input": "$completed_at", "to": "date", "onError": None, "onNull": None}}
        in_time = {"$and": [{"$eq": ["$status", "completed"]}, {"$lte": [at, until]}]}
        pipeline: list[Document] = [
            {
                "$match": {
                    "user_id": {"$in": list(user_ids)},
                    "local_date": {"$in": _days(first, last)},  # texts between may be no dates
                    "status": {"$ne": "cancelled"},
                    "$and": _TEXTS,
                }
            },
            {
                "$group": {
                    "_id": "$user_id",
                    "planned": {"$sum": 1},
                    "done": {"$sum": {"$cond": [in_time, 1, 0]}},
                }
            },
        ]
        return {
            group["_id"]: (group["planned"], group["done"])
            for group in await self._collection.aggregate(pipeline)
        }


def _days(first: date, last: date) -> list[str]:
    return [
        date.fromordinal(day).isoformat() for day in range(first.toordinal(), last.toordinal() + 1)
    ]
