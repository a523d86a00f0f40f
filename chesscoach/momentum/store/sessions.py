"""`training_sessions`: which were planned, and which were completed."""

from collections.abc import Sequence
from datetime import date, datetime

from chesscoach.mongo import values
from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.collection import MongoCollection


class TrainingSessions:
    """The `training_sessions` collection; a session has a local date and no instant."""

    def __init__(self, database: Database) -> None:
        self._collection = MongoCollection(database, "training_sessions")

    async def completed(
        self, first: date, last: date, user_id: str | None
    ) -> list[tuple[str, str, date]]:
        """Completed sessions of some days: id, user and date."""
        query: Document = {
            "local_date": {"$gte": first.isoformat(), "$lte": last.isoformat()},
            "status": "completed",
            **({"user_id": user_id} if user_id is not None else {}),
        }
        project = dict.fromkeys(("user_id", "local_date"), 1)
        documents = await self._collection.find(query, project)
        return [
            (str(document["_id"]), document["user_id"], day)
            for document in documents
            if values.is_text(document.get("user_id"))
            and (day := values.to_date(document["local_date"])) is not None
        ]

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
            if values.is_text(group["_id"])
        }


def _days(first: date, last: date) -> list[str]:
    return [
        date.fromordinal(day).isoformat() for day in range(first.toordinal(), last.toordinal() + 1)
    ]
