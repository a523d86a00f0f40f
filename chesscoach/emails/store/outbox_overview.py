"""The outbox as an overview shows it: the last weeks by state, and pages of emails."""

from collections import defaultdict

from chesscoach.emails.store.outbox_values import OutboxEntry, from_document
from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.collection import MongoCollection
from chesscoach.mongo.readable import convert_readable
from chesscoach.mongo.values import is_text
from chesscoach.schedules.iso_week import Week

_NAME = "email_outbox"
_NO_MESSAGE = {"letter": 0}


class OutboxOverview:
    """Reads `email_outbox`; every query goes by a week or a user."""

    def __init__(self, database: Database) -> None:
        self._collection = MongoCollection(database, _NAME)

    async def counts(self, since: Week) -> dict[str, dict[str, int]]:
        """The number of emails by week and state, from a week on."""
        groups = await self._collection.aggregate(
            [
                {"$match": {"week": {"$gte": since.key, "$lt": "3"}}},
                {"$group": {"_id": {"week": "$week", "state": "$state"}, "n": {"$sum": 1}}},
            ]
        )
        counts: dict[str, dict[str, int]] = defaultdict(dict)
        for group in groups:
            week, state = group["_id"].get("week"), group["_id"].get("state")
            if is_text(week) and is_text(state):
                counts[week][state] = group["n"]
        return dict(sorted(counts.items(), reverse=True))

    async def page(
        self, since: Week, number: int, size: int, *, state: str | None, week: Week | None
    ) -> list[OutboxEntry]:
        """A page of the emails in a state, of a week or of those from `since` on; newest first."""
        query: Document = {"week": week.key if week else {"$gte": since.key, "$lt": "3"}}
        if state is not None:
            query["state"] = state
        documents = await self._collection.aggregate(
            [
                {"$match": query},
                {"$sort": {"week": -1, "state": -1, "_id": -1}},  # backwards through the index
                {"$skip": number * size},
                {"$limit": size},
                {"$project": _NO_MESSAGE},
            ]
        )
        return convert_readable(_NAME, documents, from_document)
