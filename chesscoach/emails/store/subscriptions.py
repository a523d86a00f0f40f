"""The users' subscriptions: `email_notifications`, in all its forms.

It is a dict with a boolean for each kind, a bare boolean for all kinds, or missing. The field
belongs to the application, so a change of one kind keeps the meaning for the others.
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
        """Switch a kind off; return whether that changed anything, None without such a user.

        It is one update, so that a setting that the application writes meanwhile is not lost. A
        bare `true` becomes a dict, with the application's own kinds on; so does a missing setting,
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
                # Any other form: its meaning for the other kinds is unknown.
                "default": {"$literal": off},
            }
        }
        done = await self._collection.update_one(
            {"user_id": user_id}, [{"$set": {"email_notifications": kept}}]
        )
        return done.modified_count == 1 if done.matched_count else None

    async def subscribed(self, user_ids: Collection[str], kind: EmailKind) -> set[str]:
        """The users that are subscribed now: exactly `true`, for the kind or for all."""
        query = {
            "user_id": {"$in": list(user_ids)},
            # Expressions, because a query would also look into arrays.
            "$expr": {"$or": [{"$eq": [_FIELD, True]}, {"$eq": [f"{_FIELD}.{kind}", True]}]},
        }
        users = await self._collection.find(query, {"_id": 0, "user_id": 1})
        return {user["user_id"] for user in users}
