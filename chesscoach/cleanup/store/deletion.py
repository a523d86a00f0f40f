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
from pymongo.errors import AutoReconnect

from chesscoach.cleanup.rules import Rule
from chesscoach.cleanup.store import filters
from chesscoach.mongo import timestamps
from chesscoach.mongo.client import Collection, Database, Document
from chesscoach.mongo.errors import spoken

_BY_ID = {"_id": 1}
_SHOWN = 8


class Row(Struct, frozen=True, kw_only=True):
    """A row by its `_id`: the field that it was judged by, its value, and the instant in that.

    `held` are the other fields that the judgement rests on. `fresh`: it was never put back.
    """

    id: Any
    field: str
    value: Any
    at: datetime
    held: dict[str, Any]
    fresh: bool = True


class Page(Struct, frozen=True, kw_only=True):
    """What a page holds: rows that are `over`, and the ids of `strays`, which have no instant.

    `next` is where the next page begins; None if this was the last.
    """

    over: Sequence[Row]
    strays: Sequence[Any]
    next: "After | None"


class After(Struct, frozen=True, kw_only=True):
    """A place in a walk: behind the row of that `_id`, of whatever type that is."""

    id: Any


class Cleaning:
    """Pages of rows that are over, and what is done to them; in any collection."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @spoken
    async def page(self, rule: Rule, after: After | None, size: int) -> Page:
        """The next rows of a rule, from the first with None."""
        rows = await self._found(rule, rule.match, rule.fields, after, size)
        over, strays = [], []
        for row in rows:
            field = rule.by(row)
            at = rule.instant(row.get(field))
            if at is None:
                strays.append(row["_id"])
            elif rule.over(at):
                over.append(_row(rule, row, field, at))
        return Page(over=over, strays=strays, next=_next(rows, size))

    @spoken
    async def texts(self, rule: Rule, after: After | None, size: int) -> Page:
        """The next rows whose field is a text that should be a date; live ones, too."""
        field = rule.repairs or ""
        rows = await self._found(rule, filters.texts(field), (field,), after, size)
        found = [(row, timestamps.instant(row.get(field))) for row in rows]
        readable = [_row(rule, row, field, at) for row, at in found if at is not None]
        return Page(over=readable, strays=(), next=_next(rows, size))

    @spoken
    async def left(self, rule: Rule, after: After) -> int:
        """How many rows are still to be judged behind a place."""
        stages: list[Document] = [{"$match": _behind(rule.match, after)}, {"$count": "n"}]
        counted = await self._of(rule).aggregate(stages).to_list(1)
        return int(counted[0]["n"]) if counted else 0

    @spoken
    async def delete(self, rule: Rule, rows: Sequence[Row]) -> int:
        """Deletes rows that are still over; returns how many that were.

        After a failover in the middle it is said again, which the driver does not do with deletes
        of many; what the first one had deleted is not counted then.
        """
        collection, deleted = self._of(rule), 0
        for query in _still(rows):
            try:
                result = await collection.delete_many(query, hint=_BY_ID)
            except AutoReconnect:
                result = await collection.delete_many(query, hint=_BY_ID)
            deleted += result.deleted_count
        return deleted

    @spoken
    async def put_back(self, rule: Rule, rows: Sequence[Row], now: datetime) -> int:
        """Makes queue items that are still over wait anew; returns how many that were."""
        anew = {"status": "pending", "created_at": timestamps.text(now), "started_at": None}
        update, put_back = {"$set": {**anew, str(rule.again): 1}}, 0
        for query in _still(rows):
            result = await self._of(rule).update_many({**query, str(rule.again): None}, update)
            put_back += result.modified_count
        return put_back

    @spoken
    async def repair(self, rule: Rule, rows: Sequence[Row]) -> int:
        """Turns texts that are as they were read into dates; returns how many that were."""
        if not rows:
            return 0
        updates = [
            UpdateOne(
                {"_id": {"$eq": row.id}, row.field: row.value},
                {"$set": {row.field: _not_before(row.at)}},
                hint=_BY_ID,
            )
            for row in rows
        ]
        result = await self._of(rule).bulk_write(updates, ordered=False)
        return int(result.modified_count)

    async def _found(
        self, rule: Rule, match: Document, fields: Sequence[str], after: After | None, size: int
    ) -> list[Document]:
        stages: list[Document] = [
            {"$match": match if after is None else _behind(match, after)},
            {"$sort": _BY_ID},
            {"$limit": size},
            {"$project": dict.fromkeys(fields, 1)},
        ]
        rows: list[Document] = await self._of(rule).aggregate(stages).to_list(None)
        return rows

    def _of(self, rule: Rule) -> Collection:
        return self._database[rule.collection]


def shown(rule: Rule, id: Any) -> str:
    """A row's `_id` for people; of one that may be a secret itself no more than its beginning."""
    if rule.secret and isinstance(id, str | bytes):
        return f"{str(id)[:_SHOWN]}…"
    return str(id)[:80]


def _behind(match: Document, after: After) -> Document:
    # A comparison in a plain filter keeps to one type of BSON; this one goes on to the next.
    return {"$and": [match, {"$expr": {"$gt": ["$_id", {"$literal": after.id}]}}]}


def _next(rows: Sequence[Document], size: int) -> After | None:
    return After(id=rows[-1]["_id"]) if len(rows) == size else None


def _row(rule: Rule, row: Document, field: str, at: datetime) -> Row:
    fresh = rule.again is None or row.get(rule.again) is None
    return Row(
        id=row["_id"], field=field, value=row[field], at=at, held=rule.holds(row), fresh=fresh
    )


def _still(rows: Sequence[Row]) -> list[Document]:
    """Filters for rows that are still over: one for all that were judged in the same way."""
    alike: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        alike.setdefault((row.field, str(row.held)), []).append(row)
    return [
        {
            **group[0].held,
            "_id": {"$in": [row.id for row in group]},
            field: {"$in": [row.value for row in group]},
        }
        for (field, _), group in alike.items()
    ]


def _not_before(at: datetime) -> datetime:
    """The first millisecond that is not before an instant: nothing expires too early."""
    return at + timedelta(microseconds=-at.microsecond % 1000)
