"""`user_progress`: the application's counters and ours, in the oldest document of each player.

The application makes a document by find and insert, so a player may have two. The application
writes its fields at any time, so ours add to its numbers and never replace them.
"""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from bson import ObjectId

from chesscoach.momentum.levels import LEVELS
from chesscoach.momentum.periods import KINDS, Kind
from chesscoach.momentum.player import Counter, Player
from chesscoach.momentum.store.progress_documents import KEY_PATTERNS, PREFIXES, STATS, to_player
from chesscoach.mongo import values
from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.collection import MongoCollection

_NAMESPACE = UUID("0c8a6b1e-58a3-4a52-9a57-2f1c5b0f9d11")
_PERIOD_FIELDS = dict.fromkeys(
    ("user_id", "tz", *(f"{kind}_closed" for kind in KINDS), "weekly_key", "monthly_key"), 1
)
_DAY = timedelta(days=1)
_THRESHOLDS = [level.xp for level in LEVELS]


class ProgressStore:
    """The `user_progress` collection, which belongs to the application."""

    def __init__(self, database: Database) -> None:
        self._collection = MongoCollection(database, "user_progress")

    async def of_users(self, user_ids: Collection[str]) -> dict[str, Player]:
        """The progress of some users, by user; users without progress are left out."""
        query = {"user_id": {"$in": list(user_ids)}}
        players: dict[str, Player] = {}
        for document in await self._collection.find(query, sort=[("user_id", 1), ("_id", 1)]):
            if values.is_text(document["user_id"]):
                players.setdefault(document["user_id"], to_player(document))
        return players

    async def pages(
        self, query: Document, size: int, *, only_periods: bool = False
    ) -> AsyncIterator[list[Player]]:
        """Pages of the players of a query; with `only_periods` only zones and keys are read.

        Only the document of a player that counts has a time zone, so `query` asks for one.
        """
        fields = _PERIOD_FIELDS if only_periods else None
        if not await self.has_any(query):
            return
        after = ""
        while True:
            match = {"$and": [{"user_id": {"$gt": after}}, query]}
            page = await self._collection.find(match, fields, sort=[("user_id", 1)], limit=size)
            if not page:
                return
            yield [to_player(document) for document in page]
            if len(page) < size:
                return
            after = page[-1]["user_id"]

    async def has_any(self, *queries: Document) -> bool:
        """Whether any query has players; where none has, this takes a tenth of a find's time."""
        if not queries:
            return False
        match = {"$match": {"$or": list(queries)}}
        first: list[Document] = [match, {"$limit": 1}, {"$project": {"_id": 1}}]
        return bool(await self._collection.aggregate(first, hint={"$natural": 1}))

    async def count(self, query: Document) -> int:
        """The number of players of a query."""
        return await self._collection.count(query)

    async def create(self, user_ids: Sequence[str], since: datetime, now: datetime) -> None:
        """Adds the progress of users who have none, as the application begins it.

        The `_id` follows from the user and `since`, so that a repeated run adds no second one.
        """
        seconds = int(since.timestamp()).to_bytes(4)
        await self._collection.insert_new(
            [
                {
                    "_id": ObjectId(seconds + uuid5(_NAMESPACE, user_id).bytes[:8]),
                    "user_id": user_id,
                    "xp": 0,
                    "level": 1,
                    **dict.fromkeys(STATS, 0),
                    "best_accuracy": 0.0,
                    "current_streak": 0,
                    "longest_streak": 0,
                    "last_activity_date": None,
                    "created_at": now,
                    "updated_at": now,
                }
                for user_id in user_ids
            ]
        )

    async def apply(self, bookings: Sequence[Document], batch: int, now: datetime) -> None:
        """Adds a batch's points and statistics to progress; each document once per batch."""
        await self._collection.update_each(
            [(booking["id"], _added(booking)) for booking in bookings],
            lambda own: _booking_stages(own, batch, now),
            {"momentum_batch": {"$not": {"$gte": batch}}},
        )

    async def reset(self, kind: Kind, key: str, players: Document) -> int:
        """Begins the period of a key for those of some players whose counter is older.

        A period without points leaves the one before it as the previous one. So the end does not
        depend on how many resets there were.
        """
        prefix = PREFIXES[kind]
        query = reset_query(kind, key, players)
        if not await self.has_any(query):
            return 0
        points = integer_expression(f"{prefix}_xp")
        is_key = {"$regexMatch": {"input": f"${prefix}_key", "regex": KEY_PATTERNS[kind]}}
        is_text = {"$eq": [{"$type": f"${prefix}_key"}, "string"]}
        own_key = {"$cond": [{"$and": [is_text, is_key]}, f"${prefix}_key", None]}
        has_points = {"$ne": [points, 0]}
        update: list[Document] = [
            {
                "$set": {
                    f"{prefix}_prev_xp": {
                        "$cond": [has_points, points, {"$ifNull": [f"${prefix}_prev_xp", 0]}]
                    },
                    f"{prefix}_prev_key": {
                        "$cond": [has_points, own_key, {"$ifNull": [f"${prefix}_prev_key", None]}]
                    },
                    f"{prefix}_xp": 0,
                    f"{prefix}_key": key,
                }
            }
        ]
        return (await self._collection.update_many(query, update)).modified_count

    async def close(self, kind: Kind, ids: Sequence[Any], key: str) -> None:
        """Records that a period is final for some players."""
        field = f"{kind}_closed"
        query = {"_id": {"$in": list(ids)}, field: {"$lt": key}}
        await self._collection.update_many(query, {"$set": {field: key}})

    async def show(self, shown: Sequence[tuple[Player, Document]]) -> None:
        """Writes what pages show of streaks, unless the application has written it meanwhile."""
        await self._collection.update_each(
            [
                (
                    player.id,
                    {
                        "current": player.shown.current,
                        "last_activity": player.shown.last_activity,
                        "fields": fields,
                    },
                )
                for player, fields in shown
            ],
            lambda own: [_replace(own, _with_shown())],
        )


def reset_query(kind: Kind, key: str, players: Document) -> Document:
    """Those of some players whose counter of a kind is older than the period of a key.

    A counter with a key that is not one of a period has no period.
    """
    field = f"{PREFIXES[kind]}_key"
    older = [{field: {"$lt": key}}, {field: {"$not": {"$regex": KEY_PATTERNS[kind]}}}]
    return {**players, "$or": older}


def open_query(kind: Kind, key: str, players: Document) -> Document:
    """Those of some players for whom the period of a key is not final."""
    return {**players, f"{kind}_closed": {"$lt": key}}


def unseen_query(players: Document) -> Document:
    """Those of some players whose shown streak the application has written since we last looked."""
    shown, seen = ("$current_streak", "$last_activity_date"), "$momentum_streak.seen"
    differs = [
        {"$ne": [shown[0], f"{seen}.current"]},
        {"$ne": [shown[1], f"{seen}.last_activity"]},
    ]
    return {
        **players,
        "$or": [
            {"momentum_streak": None, "current_streak": {"$gt": 0}},
            {"momentum_streak": {"$ne": None}, "$expr": {"$or": differs}},
        ],
    }


def ended_query(today: date, today_utc: datetime, players: Document) -> Document:
    """Those of some players with a streak, ours or the application's, that is over."""
    yesterday = {"$not": {"$gte": (today - _DAY).isoformat()}}
    streak = "momentum_streak"
    return {
        **players,
        "$or": [
            {f"{streak}.ours": {"$gt": 0}, "last_activity_local": yesterday},
            {
                f"{streak}.application": {"$gt": 0},
                f"{streak}.application_local": yesterday,
                f"{streak}.application_at": {"$not": {"$gte": today_utc - _DAY}},
            },
        ],
    }


def _added(booking: Document) -> Document:
    return {
        "points": booking["points"],
        "stats": booking["stats"],
        "accuracy": booking["accuracy"],
        "counters": _counter_fields(booking["counters"]),
    }


def _replace(own: Document, document: Document) -> Document:
    """The stage that replaces a document by an expression in which `own` is its own value."""
    return {"$replaceWith": {"$let": {"vars": {"own": own}, "in": document}}}


def _booking_stages(own: Document, batch: int, now: datetime) -> list[Document]:
    """The pipeline that adds its booking to a document; numbers of another type count as zero."""
    fields: Document = {
        "xp": {"$add": [integer_expression("xp"), "$$own.points"]},
        "momentum_xp": {"$add": [integer_expression("momentum_xp"), "$$own.points"]},
        "momentum_batch": batch,
        "updated_at": now,
        "best_accuracy": _if_added("accuracy", "best_accuracy", "$max", _number),
    }
    for name in STATS:
        fields[name] = _if_added(f"stats.{name}", name, "$add", integer_expression)
    return [
        _replace(own, {"$mergeObjects": ["$$ROOT", fields, "$$own.counters"]}),
        {"$set": {"level": level_expression("xp")}},
    ]


def _with_shown() -> Document:
    """The document with its new fields, where pages show what they were calculated from."""
    is_shown = [
        {"$eq": [{"$ifNull": [f"${field}", None]}, f"$$own.{name}"]}
        for field, name in (
            ("current_streak", "current"),
            ("last_activity_date", "last_activity"),
        )
    ]
    changed = {"$mergeObjects": ["$$ROOT", "$$own.fields"]}
    return {"$cond": [{"$and": is_shown}, changed, "$$ROOT"]}


def _if_added(added: str, field: str, operator: str, number: Callable[[str], Document]) -> Document:
    """A field after an addition; without one it stays as it is, or missing."""
    value = f"$$own.{added}"
    total = {operator: [number(field), value]}
    return {"$cond": [{"$isNumber": value}, total, f"${field}"]}


def _counter_fields(counters: Mapping[Kind, Counter]) -> Document:
    fields: Document = {}
    for kind, counter in counters.items():
        prefix = PREFIXES[kind]
        fields |= {
            f"{prefix}_xp": counter.points,
            f"{prefix}_key": counter.key,
            f"{prefix}_prev_xp": counter.previous_points,
            f"{prefix}_prev_key": counter.previous_key,
        }
    return fields


def level_expression(field: str) -> Document:
    """The level of the points in a field, as an expression of MongoDB."""
    reached = {"$filter": {"input": _THRESHOLDS, "cond": {"$lte": ["$$this", _number(field)]}}}
    return {"$max": [1, {"$size": reached}]}


def integer_expression(field: str) -> Document:
    """The number in a field as an integer; 0 for NaN, infinity, and values of another type."""
    to_long = {"$convert": {"input": f"${field}", "to": "long", "onError": 0}}
    to_int = {"$convert": {"input": f"${field}", "to": "int", "onError": to_long}}
    return {"$cond": [{"$isNumber": f"${field}"}, to_int, 0]}


def _number(name: str) -> Document:
    return {"$cond": [{"$isNumber": f"${name}"}, f"${name}", 0]}
