"""The application's notifications to a user, each added once.

The `_id` follows from what a notification is about, so this does not depend on the application's
unique index on `notification_id`. It is an ObjectId, since the application's routes mark and
dismiss a notification by that; `notification_id` is the same as a text.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID, uuid5

from bson import ObjectId
from msgspec import Struct
from pymongo import UpdateOne

from chesscoach.mongo import timestamps
from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.collection import MongoCollection

_NAMESPACE = UUID("5d0c2c0e-6a2f-4b0e-8d57-0f6a8f3f7c11")


class Notification(Struct, frozen=True, kw_only=True):
    """A notification; `key` says what it is about: one user has one of a key.

    `page` is the path of the application's page that it leads to.
    """

    key: str
    user_id: str
    kind: str
    title: str
    message: str
    data: Mapping[str, object]
    page: str | None = None


class Notifications:
    """The `notifications` collection, which belongs to the application."""

    def __init__(self, database: Database) -> None:
        self._collection = MongoCollection(database, "notifications")

    async def add(self, notification: Notification, now: datetime) -> bool:
        """Adds a notification; False if the user has it already."""
        id_ = _object_id(notification.key)
        fields = {**_content(notification), **_origin(notification, now)}
        return await self._collection.insert_if_new({"_id": id_, **fields})

    async def add_all(self, notifications: Sequence[Notification], now: datetime) -> int:
        """Adds notifications; returns how many of them the users did not have yet."""
        new = await self._collection.insert_new(
            [
                {
                    "_id": _object_id(notification.key),
                    **_content(notification),
                    **_origin(notification, now),
                }
                for notification in notifications
            ]
        )
        return sum(new)

    async def put(self, notifications: Sequence[Notification], now: datetime) -> None:
        """Adds notifications; one that is there gets the new text, and stays read or dismissed."""
        await self._collection.bulk_update(
            [
                UpdateOne(
                    {"_id": _object_id(notification.key)},
                    {
                        "$set": _content(notification),
                        "$setOnInsert": _origin(notification, now),
                    },
                    upsert=True,
                )
                for notification in notifications
            ]
        )

    async def existing(self, keys: Collection[str]) -> set[str]:
        """Those of some keys whose notifications are there."""
        return {*await self.data_of(list(keys))} if keys else set()

    async def data_of(self, keys: Sequence[str]) -> dict[str, Document]:
        """The data of those notifications that are there, by key."""
        by_id = {_object_id(key): key for key in keys}
        documents = await self._collection.find({"_id": {"$in": list(by_id)}}, {"data": 1})
        return {by_id[document["_id"]]: document["data"] for document in documents}


def _object_id(key: str) -> ObjectId:
    return ObjectId(uuid5(_NAMESPACE, key).bytes[:12])


def _content(notification: Notification) -> Document:
    return {
        "title": notification.title,
        "message": notification.message,
        "data": dict(notification.data),
        "action_url": notification.page,
    }


def _origin(notification: Notification, now: datetime) -> Document:
    return {
        "notification_id": str(_object_id(notification.key)),
        "user_id": notification.user_id,
        "type": notification.kind,
        "priority": "medium",
        "read": False,
        "dismissed": False,
        "created_at": timestamps.format_instant(now),
    }
