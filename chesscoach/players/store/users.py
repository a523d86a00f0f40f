"""The application's users: who has linked which names, and when he was last synced."""

import re
from collections.abc import AsyncIterator, Collection, Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct
from pymongo import UpdateOne

from chesscoach.errors import ConfigError, DuplicateDocument
from chesscoach.mongo import timestamps
from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.collection import MongoCollection
from chesscoach.sources.game import Platform
from chesscoach.worker.shard import ALL_USERS, Shard

PAGE_SIZE = 1000
_NAME_FIELDS: dict[Platform, tuple[str, ...]] = {
    "lichess": ("lichess_username",),
    "chess.com": ("chesscom_username", "chess_com_username"),  # both spellings occur
}


_FIELDS = tuple(field for fields in _NAME_FIELDS.values() for field in fields)
_LINKED_FILTER = [{field: {"$ne": None}} for field in _FIELDS]


class UserNames(Struct, frozen=True, kw_only=True):
    """A user and the names that he linked, in each spelling of the field.

    They are unchecked and can be any value.
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
        """Pages of a part of the users who have linked something, or the one of that id."""
        size, after = shard.page_size_for(PAGE_SIZE), ""
        while page := await self._page(user_id, after, size):
            if mine := [_to_user(row) for row in page if shard.contains(row["user_id"])]:
                yield mine
            after = page[-1]["user_id"]

    async def _page(self, user_id: str | None, after: str, size: int) -> list[Document]:
        query: Document = {
            "user_id": {"$gt": after} if user_id is None else {"$gt": after, "$eq": user_id},
            "$or": _LINKED_FILTER,
        }
        project = dict.fromkeys(("user_id", "last_game_sync", *_FIELDS), 1) | {"_id": 0}
        return await self._collection.find(query, project, sort=[("user_id", 1)], limit=size)

    async def with_accounts(self, user_ids: Collection[str]) -> set[str]:
        """Which of these users there are and have linked something."""
        query = {"user_id": {"$in": list(user_ids)}, "$or": _LINKED_FILTER}
        users = await self._collection.find(query, {"_id": 0, "user_id": 1})
        return {user["user_id"] for user in users}

    async def exists(self, user_id: str) -> bool:
        """Whether the application has that user."""
        return await self._collection.find_one({"user_id": user_id}, {"_id": 1}) is not None

    async def find_by_name(self, name: str) -> list[UserNames]:
        """Users of that user_id, or who have linked that name in whatever case; at most 20.

        It reads the whole collection: no index serves names.
        """
        spelled = {"$regex": rf"^\s*{re.escape(name)}\s*$", "$options": "i"}
        query = {
            "user_id": {"$type": "string"},
            "$or": [
                {"user_id": name, "$or": _LINKED_FILTER},
                *({field: spelled} for field in _FIELDS),
            ],
        }
        fields = dict.fromkeys(("user_id", "last_game_sync", *_FIELDS), 1)
        return [_to_user(user) for user in await self._collection.find(query, fields, limit=20)]

    async def set_last_sync(self, instants: Mapping[str, datetime]) -> None:
        """Writes `last_game_sync` as the application does, as an ISO string."""
        await self._collection.bulk_update(
            [
                UpdateOne(
                    {"user_id": user_id},
                    {"$set": {"last_game_sync": timestamps.format_instant(instant)}},
                )
                for user_id, instant in instants.items()
            ]
        )

    async def rename(self, platform: Platform, user_id: str, old: str, new: str) -> None:
        """Writes a user's new name on a site where the old one, in whatever case, stands."""
        for field in _NAME_FIELDS[platform]:
            await self._collection.update_one(
                {
                    "user_id": user_id,
                    "$expr": {
                        "$and": [
                            {"$eq": [{"$type": f"${field}"}, "string"]},
                            {"$eq": [{"$toLower": {"$trim": {"input": f"${field}"}}}, old]},
                        ]
                    },
                },
                {"$set": {field: new}},
            )

    async def link(self, user_id: str, names: Mapping[Platform, str | None]) -> None:
        """Sets (or with None removes) names of a user, and makes the user if there is none.

        For those who have no application yet; the fields are the application's.

        Raises:
            ConfigError: an index of the application's wants more of a user than we can give him.
        """
        kept = {_NAME_FIELDS[site][0]: name for site, name in names.items() if name is not None}
        gone = {
            field: ""
            for site, name in names.items()
            if name is None
            for field in _NAME_FIELDS[site]
        }
        update: Document = {"$setOnInsert": {"name": user_id}}
        update |= {"$set": kept} if kept else {}
        update |= {"$unset": gone} if gone else {}
        try:
            await self._collection.update_one({"user_id": user_id}, update, upsert=bool(kept))
        except DuplicateDocument:
            msg = "the application's users must differ in more: make the user there, then link him"
            raise ConfigError(msg) from None


def _to_user(row: Document) -> UserNames:
    names: dict[Platform, tuple[Any, ...]] = {}
    for site, fields in _NAME_FIELDS.items():
        given = tuple(row[field] for field in fields if row.get(field) is not None)
        if given:
            names[site] = given
    return UserNames(
        user_id=row["user_id"],
        names=names,
        last_sync=timestamps.parse_instant(row.get("last_game_sync")),
    )
