"""Which mails the application's users want: `email_notifications`, in all the forms it has.

A dict with a boolean for each kind, a bare boolean for all of them, or nothing. The field is the
application's, so what is not about the kind in question is kept as it is or as it was meant.
"""

from collections.abc import Collection
from typing import Any

from chesscoach.emails.recipient import EmailKind
from chesscoach.mongo.client import Database
from chesscoach.mongo.collection import MongoCollection

_FIELD = "$email_notifications"
_APPLICATION_KINDS = ("game_analyzed", "weakness_alert")


class Subscriptions:
    """The setting in the `users` collection, which belongs to the application."""

    def __init__(self, database: Database) -> None:
        self._collection = MongoCollection(database, "users")

    async def unsubscribe(self, user_id: str, kind: EmailKind) -> bool | None:
        """Turns a kind off; whether that changed anything, or None if there is no such user.

        One update, so a setting that the application writes meanwhile is not lost. A bare `true`
        becomes a dict, with the application's own kinds on as they were; so does a missing setting,
        which the application may read as "all". A bare `false` is off already and stays.
        """
        off: dict[str, Any] = {kind: False}
        others = dict.fromkeys(_APPLICATION_KINDS, True)
        kept = {
            "$switch": {
                "branches": [
                    {
                        "case": {"$eq": [{"$type": _FIELD}, "object"]},
                        "then": {"$mergeObjects": [_FIELD, {"$literal": off}]},
                    },
                    {"case": {"$eq": [_FIELD, False]}, "then": False},
                    {
                        "case": {"$eq": [{"$ifNull": [_FIELD, True]}, True]},
                        "then": {"$literal": others | off},
                    },
                ],
                # Something else again: what it meant for the other kinds, nobody knows.
                "default": {"$literal": off},
            }
        }
        done = await self._collection.update_one(
            {"user_id": user_id}, [{"$set": {"email_notifications": kept}}]
        )
        return done.modified_count == 1 if done.matched_count else None

    async def subscribed(self, user_ids: Collection[str], kind: EmailKind) -> set[str]:
        """Which of these users want a kind now: exactly `true`, for the kind or for all."""
        query = {
            "user_id": {"$in": list(user_ids)},
            # As expressions, for a query would look into arrays too.
            "$expr": {"$or": [{"$eq": [_FIELD, True]}, {"$eq": [f"{_FIELD}.{kind}", True]}]},
        }
        users = await self._collection.find(query, {"_id": 0, "user_id": 1})
        return {user["user_id"] for user in users}
