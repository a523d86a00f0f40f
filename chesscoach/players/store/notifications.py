"""The application's notifications to a user, each added once.

The `_id` is the notification's id too, so this does not depend on the application's unique index on
`notification_id`.
"""

from collections.abc import Mapping
from datetime import datetime

from chesscoach.mongo import timestamps
from chesscoach.mongo.client import Database
from chesscoach.mongo.collection import MongoCollection


class Notifications:
    """The `notifications` collection, which belongs to the application."""

    def __init__(self, database: Database) -> None:
        self._collection = MongoCollection(database, "notifications")

    async def add(
        self,
        notification_id: str,
        user_id: str,
        kind: str,
        *,
        title: str,
        message: str,
        data: Mapping[str, str],
        now: datetime,
    ) -> bool:
        """Adds a notification; False if the user has it already."""
        return await self._collection.insert_if_new(
            {
                "_id": notification_id,
                "notification_id": notification_id,
                "user_id": user_id,
                "type": kind,
                "title": title,
                "message": message,
                "data": dict(data),
                "read": False,
                "created_at": timestamps.format_instant(now),
            }
        )
