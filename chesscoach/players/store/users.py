"""The application's users: the names that they linked, and when they were last synced."""

import re
from collections.abc import AsyncIterator, Collection, Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct
from pymongo import UpdateOne

from chesscoach.errors import ConfigError, DuplicateDocument
from chesscoach.mongo import timestamps, values
from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.collection import MongoCollection
from chesscoach.mongo.readable import count_unreadable
from chesscoach.sources.game import Platform
from chesscoach.sources.source import SOURCES
from chesscoach.worker.shard import ALL_USERS, Shard

PAGE_SIZE = 1000
_FIELDS = tuple(field for source in SOURCES.values() for field in source.user_fields)
_HAS_TEXT_ID = values.of_type("user_id", "string")
_NAMED = {"$ne": None, "$not": {"$regex": r"^\s*$"}}
LINKED_FILTER = [{field: _NAMED} for field in _FIELDS]
"""The branches of an `$or`: users who have linked a name."""


class UserNames(Struct, frozen=True, kw_only=True):
    """A user and their linked names, in each spelling of the field.

    The names are unchecked and can be any value.
    """

    user_id: str
    names: dict[Platform, tuple[Any, ...]]
    last_sync: datetime | None


class Users:
    """The `users` collection, which belongs to the application."""

    def __init__(self, database: Database) -> None:
        self._collection = MongoCollection(database, "users")

    async def linked_users(
        self, user_id: str | None = None, shard: Shard = ALL_USERS
    ) -> AsyncIterator[list[UserNames]]:
        """Pages of a shard's users who have linked a name, or only the user of an id."""
        size, after = shard.page_size_for(PAGE_SIZE), ""
        while page := await self._page(user_id, after, size):
            if users := [_to_user(user) for user in page if shard.contains(user["user_id"])]:
                yield users
            if page[-1]["user_id"] == after:  # broken characters, which the server sorts behind it
                return
            after = page[-1]["user_id"]

    async def _page(self, user_id: str | None, after: str, size: int) -> list[Document]:
        query: Document = {
            "user_id": {"$gt": after} if user_id is None else {"$gt": after, "$eq": user_id},
            "$or": LINKED_FILTER,
            **_HAS_TEXT_ID,
        }
        project = dict.fromkeys(("user_id", "last_game_sync", *_FIELDS), 1) | {"_id": 0}
        return await self._collection.find(query, project, sort=[("user_id", 1)], limit=size)

    async def with_accounts(self, user_ids: Collection[str]) -> set[str]:
        """Those of some users who exist and have linked a name."""
        query = {"user_id": {"$in": list(user_ids)}, "$or": LINKED_FILTER, **_HAS_TEXT_ID}
        users = await self._collection.find(query, {"_id": 0, "user_id": 1})
        return {user["user_id"] for user in users}

    async def find_by_id_prefix(self, prefix: str, limit: int) -> list[str]:
        """The ids of the first users whose user_id begins with a text; an index serves it."""
        query = {"user_id": {"$gte": prefix, "$lt": f"{prefix}\uffff"}}
        fields, order = {"_id": 0, "user_id": 1}, [("user_id", 1)]
        users = await self._collection.find(query, fields, sort=order, limit=limit)
        return [user["user_id"] for user in users if type(user["user_id"]) is str]

    async def find_names(self, user_id: str) -> UserNames | None:
        """A user and their linked names, if there are any; None without the user."""
        query = {"user_id": user_id, **_HAS_TEXT_ID}
        fields = dict.fromkeys(("user_id", "last_game_sync", *_FIELDS), 1)
        user = await self._collection.find_one(query, fields)
        return _to_user(user) if user is not None else None

    async def exists(self, user_id: str) -> bool:
        """Whether the application has a user."""
        return (
            await self._collection.find_one({"user_id": user_id, **_HAS_TEXT_ID}, {"_id": 1})
            is not None
        )

    async def count_without_id(self) -> int:
        """The number of users who have linked a name and whose user_id is not a text."""
        query = {"$or": LINKED_FILTER, **values.not_of_type("user_id", "string")}
        return await count_unreadable(self._collection, query)

    async def find_by_name(self, name: str) -> list[UserNames]:
        """At most 20 users with this user_id, or with this linked name in any case.

        It reads the whole collection: no index serves names.
        """
        query = {
            **_HAS_TEXT_ID,
            "$or": [
                {"user_id": name, "$or": LINKED_FILTER},
                *({field: _any_case(name)} for field in _FIELDS),
            ],
        }
        fields = dict.fromkeys(("user_id", "last_game_sync", *_FIELDS), 1)
        return [_to_user(user) for user in await self._collection.find(query, fields, limit=20)]

    async def count_conflicting_names(self, limit: int) -> int:
        """How many users have two different names on Chess.com, in the two spellings of the field.

        It reads the whole collection, and counts up to `limit`.
        """
        fields = SOURCES["chess.com"].user_fields
        newer, older = (_normalized(field) for field in fields)
        differ = [{"$ne": [newer, older]}, {"$ne": [newer, ""]}, {"$ne": [older, ""]}]
        pipeline: list[Document] = [
            {"$match": {field: {"$gt": ""} for field in fields}},
            {"$match": {"$expr": {"$and": differ}}},
            {"$limit": limit},
            {"$count": "users"},
        ]
        counted = await self._collection.aggregate(pipeline)
        return counted[0]["users"] if counted else 0

    async def with_name(self, platform: Platform, user_ids: Collection[str], name: str) -> set[str]:
        """Those of some users who have linked a name on a source, in any case."""
        same = [{field: _any_case(name)} for field in SOURCES[platform].user_fields]
        query = {"user_id": {"$in": list(user_ids)}, "$or": same, **_HAS_TEXT_ID}
        users = await self._collection.find(query, {"_id": 0, "user_id": 1})
        return {user["user_id"] for user in users}

    async def set_last_sync(self, instants: Mapping[str, datetime]) -> None:
        """Writes `last_game_sync` as the application does, as an ISO string."""
        await self._collection.bulk_update(
            [
                UpdateOne(
                    {"user_id": user_id, **_HAS_TEXT_ID},
                    {"$set": {"last_game_sync": timestamps.format_instant(instant)}},
                )
                for user_id, instant in instants.items()
            ]
        )

    async def rename(self, platform: Platform, user_id: str, old: str, new: str) -> None:
        """Replaces a user's old name on a source, in any case, by the new one."""
        for field in SOURCES[platform].user_fields:
            await self._collection.update_one(
                {
                    "user_id": user_id,
                    "$expr": {
                        "$and": [
                            {"$eq": [{"$type": "$user_id"}, "string"]},
                            {"$eq": [{"$type": f"${field}"}, "string"]},
                            {"$eq": [{"$toLower": {"$trim": {"input": f"${field}"}}}, old]},
                        ]
                    },
                },
                {"$set": {field: new}},
            )

    async def link(self, user_id: str, names: Mapping[Platform, str | None]) -> None:
        """Sets (or with None removes) names of a user; adds the user if there is none.

        This serves installations without the application; the fields are the application's.

        Raises:
            ConfigError: an index of the application needs more fields than we can set.
        """
        # Every version of the application reads the older spelling, if the newer one is not there.
        fields = {source: SOURCES[source].user_fields for source in names}
        linked = {fields[source][-1]: name for source, name in names.items() if name is not None}
        removed = {field: "" for source in names for field in fields[source] if field not in linked}
        update: Document = {"$setOnInsert": {"name": user_id}}
        update |= {"$set": linked} if linked else {}
        update |= {"$unset": removed} if removed else {}
        try:
            await self._collection.update_one({"user_id": user_id}, update, upsert=bool(linked))
        except DuplicateDocument:
            msg = "the application's users need more fields: add the user there, then link the name"
            raise ConfigError(msg) from None


def _normalized(field: str) -> Document:
    """A name as the source takes it; an empty text for a value of another type."""
    text = {"$cond": [{"$eq": [{"$type": f"${field}"}, "string"]}, f"${field}", ""]}
    return {"$toLower": {"$trim": {"input": text}}}


def _any_case(name: str) -> Document:
    return {"$regex": rf"^\s*{re.escape(name)}\s*$", "$options": "i"}


def _is_blank(name: object) -> bool:
    """Whether a field holds no name; the application leaves empty texts behind."""
    return name is None or (isinstance(name, str) and not name.strip())


def _to_user(user: Document) -> UserNames:
    names: dict[Platform, tuple[Any, ...]] = {}
    for platform, source in SOURCES.items():
        fields = source.user_fields
        linked = tuple(user[field] for field in fields if not _is_blank(user.get(field)))
        if linked:
            names[platform] = linked
    return UserNames(
        user_id=user["user_id"],
        names=names,
        last_sync=timestamps.parse_instant(user.get("last_game_sync")),
    )
