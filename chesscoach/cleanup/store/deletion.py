"""Finds and deletes expired documents, a page at a time, while other processes read and write.

A page is found by keyset on `_id`, and Python decides which of its documents have expired. One
command then deletes those whose fields still hold values that were found to have expired. A session
that was refreshed in between holds another value and stays.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct
from pymongo import UpdateOne

from chesscoach.cleanup.rules import Rule
from chesscoach.cleanup.store import filters
from chesscoach.errors import StoreUnavailable
from chesscoach.mongo import timestamps
from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.collection import MongoCollection

_BY_ID = {"_id": 1}
_DISPLAY_LENGTH = 8


class ExpiredDocument(Struct, frozen=True, kw_only=True):
    """An expired document: its newest instant, and the fields that must not have changed.

    `dates` are the values of its instants, `conditions` those of other fields. `requeueable`: it
    was never put back into the queue. `ours` says whose it was, where the rule counts that.
    """

    id: Any
    at: datetime
    dates: dict[str, Any]
    conditions: dict[str, Any]
    requeueable: bool = True
    ours: bool = True


class CandidatePage(Struct, frozen=True, kw_only=True):
    """The expired documents of a page, and the ids of those without a valid timestamp.

    `next` is where the next page begins; None if this was the last one.
    """

    expired: Sequence[ExpiredDocument]
    invalid_ids: Sequence[Any]
    next: "PageKey | None"


class PageKey(Struct, frozen=True, kw_only=True):
    """Where a page begins: after the document of that `_id`, which may have any type."""

    id: Any


class Deleter:
    """Finds, deletes, requeues and repairs the documents of a rule's collection."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, rule: Rule, after: PageKey | None, size: int) -> CandidatePage:
        """The next documents of a rule, from the first with None."""
        documents = await self._find(rule, rule.match, after, size)
        expired, invalid_ids = [], []
        for document in documents:
            at = rule.newest_instant(document)
            if at is None:
                invalid_ids.append(document["_id"])
            elif rule.is_expired(at):
                expired.append(_to_expired(rule, document, at))
        return CandidatePage(
            expired=expired, invalid_ids=invalid_ids, next=_next_page(documents, size)
        )

    async def texts(self, rule: Rule, after: PageKey | None, size: int) -> CandidatePage:
        """The next documents, expired or not, whose field is a text that should be a date."""
        field = rule.repairs or ""
        documents = await self._find(rule, filters.texts(field), after, size)
        readable = [
            _to_expired(rule, document, at)
            for document in documents
            if (at := timestamps.parse_instant(document.get(field))) is not None
        ]
        return CandidatePage(expired=readable, invalid_ids=(), next=_next_page(documents, size))

    async def count_remaining(self, rule: Rule, after: PageKey) -> int:
        """The number of documents that a rule has not looked at, after a page."""
        stages: list[Document] = [{"$match": _after_key(rule.match, after)}, {"$count": "n"}]
        counted = await self._collection(rule).aggregate(stages)
        return int(counted[0]["n"]) if counted else 0

    async def delete(self, rule: Rule, expired: Sequence[ExpiredDocument]) -> int:
        """Deletes the documents that have not changed; returns their number.

        The driver does not repeat a delete of many after a failover, so this does. What the first
        command deleted is not counted then.
        """
        collection, deleted = self._collection(rule), 0
        for query in _unchanged_filters(expired):
            try:
                deleted += await collection.delete_many(query, hint=_BY_ID)
            except StoreUnavailable:
                deleted += await collection.delete_many(query, hint=_BY_ID)
        return deleted

    async def requeue(self, rule: Rule, stale: Sequence[ExpiredDocument], now: datetime) -> int:
        """Makes stale queue items pending again; returns their number."""
        pending = {
            "status": "pending",
            "created_at": timestamps.format_instant(now),
            "started_at": None,
        }
        update, requeued = {"$set": {**pending, str(rule.requeues_as): 1}}, 0
        for query in _unchanged_filters(stale):
            result = await self._collection(rule).update_many(
                {**query, str(rule.requeues_as): None}, update
            )
            requeued += result.modified_count
        return requeued

    async def repair(self, rule: Rule, texts: Sequence[ExpiredDocument]) -> int:
        """Turns texts that have not changed into dates; returns their number."""
        updates = [
            UpdateOne(
                {"_id": {"$eq": text.id}, **text.dates},
                {"$set": dict.fromkeys(text.dates, _not_before(text.at))},
                hint=_BY_ID,
            )
            for text in texts
        ]
        return await self._collection(rule).bulk_update(updates)

    async def _find(
        self, rule: Rule, match: Document, after: PageKey | None, size: int
    ) -> list[Document]:
        fields = [*rule.dates, *rule.conditions, *filter(None, [rule.requeues_as])]
        if rule.is_ours is not None:
            fields.append("queue_id")
        stages: list[Document] = [
            {"$match": match if after is None else _after_key(match, after)},
            {"$sort": _BY_ID},
            {"$limit": size},
            {"$project": dict.fromkeys(fields, 1)},
        ]
        return await self._collection(rule).aggregate(stages)

    def _collection(self, rule: Rule) -> MongoCollection:
        return MongoCollection(self._database, rule.collection)


def display_id(rule: Rule, id: Any) -> str:
    """A document's `_id` for people; only its beginning if it may be a secret."""
    if rule.secret and isinstance(id, str | bytes):
        return f"{str(id)[:_DISPLAY_LENGTH]}…"
    return str(id)[:80]


def _after_key(match: Document, after: PageKey) -> Document:
    # A comparison in a plain filter stays within one BSON type; this one goes on to the next.
    return {"$and": [match, {"$expr": {"$gt": ["$_id", {"$literal": after.id}]}}]}


def _next_page(documents: Sequence[Document], size: int) -> PageKey | None:
    return PageKey(id=documents[-1]["_id"]) if len(documents) == size else None


def _to_expired(rule: Rule, document: Document, at: datetime) -> ExpiredDocument:
    return ExpiredDocument(
        id=document["_id"],
        at=at,
        dates={name: document.get(name) for name in rule.dates},
        conditions={name: document[name] for name in rule.conditions},
        requeueable=rule.requeues_as is None or document.get(rule.requeues_as) is None,
        ours=rule.is_ours is None or rule.is_ours(document),
    )


def _unchanged_filters(expired: Sequence[ExpiredDocument]) -> list[Document]:
    """Filters for documents that have not changed: one for each set of conditions.

    A document whose instants all are instants of expired documents has expired itself.
    """
    groups: dict[str, list[ExpiredDocument]] = {}
    for document in expired:
        groups.setdefault(str(document.conditions), []).append(document)
    return [
        {
            **group[0].conditions,
            "_id": {"$in": [document.id for document in group]},
            **{
                name: {"$in": [document.dates[name] for document in group]}
                for name in group[0].dates
            },
        }
        for group in groups.values()
    ]


def _not_before(at: datetime) -> datetime:
    """The first millisecond that is not before an instant: nothing expires too early."""
    return at + timedelta(microseconds=-at.microsecond % 1000)
