"""Finds users for operators: by an exact address, or by the beginning of a user_id.

Only indexes are read. None serves a part of a name, so that is not searched for.
"""

from msgspec import Struct

from chesscoach.errors import StoreFailed
from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.collection import MongoCollection
from chesscoach.mongo.values import is_text, of_type

_FIELDS = {"_id": 0, "user_id": 1, "name": 1, "email": 1}
_EMAIL_INDEX = "email_1"
"""The application's index; an installation without the application has none."""


class FoundUser(Struct, frozen=True, kw_only=True):
    """A user as a search shows them; texts are empty where they are missing."""

    user_id: str
    name: str
    email: str


class UserSearch:
    """The `users` collection, which belongs to the application."""

    def __init__(self, database: Database) -> None:
        self._collection = MongoCollection(database, "users")

    async def beginning_with(self, text: str, limit: int) -> list[FoundUser]:
        """The first users, by user_id, whose user_id begins with a text; all begin with none."""
        query: Document = {"user_id": {"$gt": "", "$gte": text}, **of_type("user_id", "string")}
        users = await self._collection.find(query, _FIELDS, sort=[("user_id", 1)], limit=limit)
        return [_found(user) for user in users if user["user_id"].startswith(text)]

    async def with_email(self, address: str) -> list[FoundUser]:
        """The user of an address; none if no index has addresses."""
        query = {"email": address, **of_type("user_id", "string")}
        try:
            users = await self._collection.find(query, _FIELDS, hint=_EMAIL_INDEX, limit=1)
        except StoreFailed:
            return []
        return [_found(user) for user in users]


def _found(user: Document) -> FoundUser:
    texts = {name: value if is_text(value := user.get(name)) else "" for name in ("name", "email")}
    return FoundUser(user_id=user["user_id"], **texts)
