"""Taking away rows whose time is over, a page at a time, beside whoever else reads and writes.

A page is found by keyset on `_id` and judged here. Then its rows are deleted in one command, which
repeats the judgement: each only while the field that it was judged by still holds one of the values
that were found to be over. A session that was refreshed in between holds another.
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
    """A row by its `_id`: the field that it was judged by, its value, and the instant in that.

    `held` are the other fields that the judgement rests on. `fresh`: it was never put back.
    """

    id: Any
    field: str
    value: Any
    at: datetime
    conditions: dict[str, Any]
    deletable: bool = True


class CandidatePage(Struct, frozen=True, kw_only=True):
    """What a page holds: rows that are `over`, and the ids of `strays`, which have no instant.

    `next` is where the next page begins; None if this was the last.
    """

    expired: Sequence[ExpiredDocument]
    invalid_ids: Sequence[Any]
    next: "PageKey | None"


class PageKey(Struct, frozen=True, kw_only=True):
    """A place in a walk: behind the row of that `_id`, of whatever type that is."""

    id: Any


class Deleter:
    """Pages of rows that are over, and what is done to them; in any collection."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, rule: Rule, after: PageKey | None, size: int) -> CandidatePage:
        """The next rows of a rule, from the first with None."""
        rows = await self._find(rule, rule.match, rule.fields, after, size)
        over, strays = [], []
        for row in rows:
            field = rule.by(row)
            at = rule.instant(row.get(field))
            if at is None:
                strays.append(row["_id"])
            elif rule.is_expired(at):
                over.append(_to_expired(rule, row, field, at))
        return CandidatePage(expired=over, invalid_ids=strays, next=_next(rows, size))

    async def texts(self, rule: Rule, after: PageKey | None, size: int) -> CandidatePage:
        """The next rows whose field is a text that should be a date; live ones, too."""
        field = rule.repairs or ""
        rows = await self._find(rule, filters.texts(field), (field,), after, size)
        found = [(row, timestamps.parse_instant(row.get(field))) for row in rows]
        readable = [_to_expired(rule, row, field, at) for row, at in found if at is not None]
        return CandidatePage(expired=readable, invalid_ids=(), next=_next(rows, size))

    async def count_remaining(self, rule: Rule, after: PageKey) -> int:
        """How many rows are still to be judged behind a place."""
        stages: list[Document] = [{"$match": _after_key(rule.match, after)}, {"$count": "n"}]
        counted = await self._collection(rule).aggregate(stages)
        return int(counted[0]["n"]) if counted else 0

    async def delete(self, rule: Rule, rows: Sequence[ExpiredDocument]) -> int:
        """Deletes rows that are still over; returns how many that were.

        After a failover in the middle it is said again, which the driver does not do with deletes
        of many; what the first one had deleted is not counted then.
        """
        collection, deleted = self._collection(rule), 0
        for query in _unchanged_filters(rows):
            try:
                deleted += await collection.delete_many(query, hint=_BY_ID)
            except StoreUnavailable:
                deleted += await collection.delete_many(query, hint=_BY_ID)
        return deleted

    async def requeue(self, rule: Rule, rows: Sequence[ExpiredDocument], now: datetime) -> int:
        """Makes stale queue items pending again; returns how many were."""
        pending = {
            "status": "pending",
            "created_at": timestamps.format_instant(now),
            "started_at": None,
        }
        update, put_back = {"$set": {**pending, str(rule.requeues_as): 1}}, 0
        for query in _unchanged_filters(rows):
            result = await self._collection(rule).update_many(
                {**query, str(rule.requeues_as): None}, update
            )
            put_back += result.modified_count
        return put_back

    async def repair(self, rule: Rule, rows: Sequence[ExpiredDocument]) -> int:
        """Turns texts that are as they were read into dates; returns how many that were."""
        updates = [
            UpdateOne(
                {"_id": {"$eq": row.id}, row.field: row.value},
                {"$set": {row.field: _not_before(row.at)}},
                hint=_BY_ID,
            )
            for row in rows
        ]
        return await self._collection(rule).bulk_update(updates)

    async def _find(
        self, rule: Rule, match: Document, fields: Sequence[str], after: PageKey | None, size: int
    ) -> list[Document]:
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
    """A row's `_id` for people; of one that may be a secret itself no more than its beginning."""
    if rule.secret and isinstance(id, str | bytes):
        return f"{str(id)[:_DISPLAY_LENGTH]}…"
    return str(id)[:80]


def _after_key(match: Document, after: PageKey) -> Document:
    # A comparison in a plain filter keeps to one type of BSON; this one goes on to the next.
    return {"$and": [match, {"$expr": {"$gt": ["$_id", {"$literal": after.id}]}}]}


def _next(rows: Sequence[Document], size: int) -> PageKey | None:
    return PageKey(id=rows[-1]["_id"]) if len(rows) == size else None


def _to_expired(rule: Rule, row: Document, field: str, at: datetime) -> ExpiredDocument:
    fresh = rule.requeues_as is None or row.get(rule.requeues_as) is None
    return ExpiredDocument(
        id=row["_id"],
        field=field,
        value=row[field],
        at=at,
        conditions=rule.conditions(row),
        deletable=fresh,
    )


def _unchanged_filters(rows: Sequence[ExpiredDocument]) -> list[Document]:
    """Filters for rows that are still over: one for all that were judged in the same way."""
    alike: dict[tuple[str, str], list[ExpiredDocument]] = {}
    for row in rows:
        alike.setdefault((row.field, str(row.conditions)), []).append(row)
    return [
        {
            **group[0].conditions,
            "_id": {"$in": [row.id for row in group]},
            field: {"$in": [row.value for row in group]},
        }
        for (field, _), group in alike.items()
    ]


def _not_before(at: datetime) -> datetime:
    """The first millisecond that is not before an instant: nothing expires too early."""
    return at + timedelta(microseconds=-at.microsecond % 1000)
