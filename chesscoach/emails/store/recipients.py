"""Subscribers: users by their setting, in the forms that the application writes."""

from collections.abc import AsyncIterator, Collection

from msgspec import Struct

from chesscoach.emails.recipient import EmailKind, Recipient
from chesscoach.emails.store.subscription_expressions import is_subscribed, lacks_id
from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.collection import MongoCollection
from chesscoach.mongo.readable import count_unreadable
from chesscoach.mongo.values import is_text, of_type
from chesscoach.worker.shard import ALL_USERS, Shard

PAGE_SIZE = 500
_HAS_TEXT_ID = of_type("user_id", "string")
_PROJECTION = {"_id": 0, "user_id": 1, "email": 1, "name": 1, "timezone": 1, "language": 1}


class TimezoneFilter(Struct, frozen=True, kw_only=True):
    """The zones of users: `wanted`, and with `rest` also those whose zone is not in `known`."""

    wanted: Collection[str]
    known: Collection[str]
    rest: bool


class Recipients:
    """The `users` collection, which belongs to the application.

    `default_opt_in` is what a missing preference means.
    """

    def __init__(self, database: Database, *, default_opt_in: bool = False) -> None:
        self._collection = MongoCollection(database, "users")
        self._default_opt_in = default_opt_in

    async def subscribers(
        self,
        kind: EmailKind,
        user_id: str | None = None,
        zones: TimezoneFilter | None = None,
        shard: Shard = ALL_USERS,
    ) -> AsyncIterator[list[Recipient]]:
        """Yield pages of the subscribers of a kind in a shard, or only one user."""
        size, after = shard.page_size_for(PAGE_SIZE), ""
        while page := await self._page(kind, user_id, zones, after, size):
            mine = [_recipient(user) for user in page if shard.contains(user["user_id"])]
            for start in range(0, len(mine), PAGE_SIZE):
                yield mine[start : start + PAGE_SIZE]
            if page[-1]["user_id"] == after:  # broken characters, which the server sorts behind it
                return
            after = page[-1]["user_id"]

    async def _page(
        self,
        kind: EmailKind,
        user_id: str | None,
        zones: TimezoneFilter | None,
        after: str,
        size: int,
    ) -> list[Document]:
        query: Document = {
            "user_id": {"$gt": after} if user_id is None else {"$gt": after, "$eq": user_id},
            "$expr": is_subscribed(kind, default_opt_in=self._default_opt_in),
        }
        if zones is not None:
            of_zones: list[Document] = [{"timezone": {"$in": list(zones.wanted)}}]
            of_zones += [{"timezone": {"$nin": list(zones.known)}}] if zones.rest else []
            query["$or"] = of_zones
        return await self._collection.find(query, _PROJECTION, sort=[("user_id", 1)], limit=size)

    async def count_without_id(self, kind: EmailKind) -> int:
        """The number of users who would get a kind of emails if their user_id were a text."""
        query = {"$expr": lacks_id(kind, default_opt_in=self._default_opt_in)}
        return await count_unreadable(self._collection, query)

    async def find_subscribed(
        self, kind: EmailKind, user_ids: Collection[str]
    ) -> dict[str, Recipient]:
        """Read the subscribers among some users, by user_id."""
        query = {
            "user_id": {"$in": list(user_ids)},
            "$expr": is_subscribed(kind, default_opt_in=self._default_opt_in),
        }
        users = await self._collection.find(query, _PROJECTION)
        return {user["user_id"]: _recipient(user) for user in users}

    async def find(self, user_id: str) -> Recipient | None:
        """Read a user, subscribed or not."""
        user = await self._collection.find_one({"user_id": user_id, **_HAS_TEXT_ID}, _PROJECTION)
        return _recipient(user) if user else None


def _recipient(user: Document) -> Recipient:
    return Recipient(
        user_id=user["user_id"],
        email=_text(user.get("email")).strip(),
        name=_text(user.get("name")),
        timezone=_text(user.get("timezone")) or None,
        language=_text(user.get("language")) or None,
    )


def _text(value: object) -> str:
    return value if is_text(value) else ""
