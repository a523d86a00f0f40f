"""The users' subscriptions: `email_notifications`, in all its forms.

The field belongs to the application, so a change of one kind keeps the meaning for the others.
"""

from collections.abc import Collection
from typing import Any

from msgspec import Struct

from chesscoach.emails.recipient import EmailKind
from chesscoach.emails.store.subscription_expressions import is_subscribed, lacks_preference
from chesscoach.mongo.client import Database
from chesscoach.mongo.collection import MongoCollection
from chesscoach.mongo.values import of_type

_FIELD = "$email_notifications"
_APPLICATION_KINDS = ("game_analyzed", "weakness_alert")


class SubscriptionCounts(Struct, frozen=True, kw_only=True):
    """The users who get a kind of emails, and those of whom the default decides."""

    subscribed: int
    without_preference: int


class Subscriptions:
    """The setting in the `users` collection, which belongs to the application.

    `default_opt_in` is what a missing preference means.
    """

    def __init__(self, database: Database, *, default_opt_in: bool = False) -> None:
        self._collection = MongoCollection(database, "users")
        self._default_opt_in = default_opt_in

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
            {"user_id": user_id, **of_type("user_id", "string")},
            [{"$set": {"email_notifications": kept}}],
        )
        return done.modified_count == 1 if done.matched_count else None

    async def subscribed(self, user_ids: Collection[str], kind: EmailKind) -> set[str]:
        """The users that are subscribed now."""
        query = {
            "user_id": {"$in": list(user_ids)},
            "$expr": is_subscribed(kind, default_opt_in=self._default_opt_in),
        }
        users = await self._collection.find(query, {"_id": 0, "user_id": 1})
        return {user["user_id"] for user in users}

    async def count(self, kind: EmailKind) -> SubscriptionCounts:
        """Count the users with an address by their subscription; it reads every user."""
        subscribed = is_subscribed(kind, default_opt_in=self._default_opt_in)
        groups = await self._collection.aggregate(
            [
                {"$match": {"email": {"$gt": ""}}},
                {
                    "$group": {
                        "_id": None,
                        "subscribed": {"$sum": {"$cond": [subscribed, 1, 0]}},
                        "undecided": {"$sum": {"$cond": [lacks_preference(kind), 1, 0]}},
                    }
                },
            ]
        )
        counts = groups[0] if groups else {"subscribed": 0, "undecided": 0}
        return SubscriptionCounts(
            subscribed=counts["subscribed"], without_preference=counts["undecided"]
        )
