"""The players' time zones: `users.timezone`, and its checked copy in `user_progress`.

MongoDB ends a whole pipeline at the first zone that it does not know, so only checked names are
copied. The copy also marks which document of a player counts: the others have no zone.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any

from msgspec import Struct

from chesscoach.momentum.periods import KINDS, Kind
from chesscoach.mongo import values
from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.collection import MongoCollection

RANKABLE: Document = {
    "is_active": {"$ne": False},
    "disabled": {"$ne": True},
    "deleted": {"$ne": True},
}
"""The filter for users who are on boards."""

_CLOSED: dict[Kind, str] = {kind: f"{kind}_closed" for kind in KINDS}
_HAS_TEXT_ID = values.of_type("user_id", "string")


class ZoneOf(Struct, frozen=True, kw_only=True):
    """A player's progress document, its zone as stored, and the zone that the user has set.

    `surplus` are the ids of the player's younger documents. `new` are the kinds of which no period
    was ever final.
    """

    id: Any
    user_id: str
    stored: tuple[str | None, str | None]
    wanted: Any
    new: tuple[Kind, ...]
    surplus: tuple[Any, ...]


class ZoneChange(Struct, frozen=True, kw_only=True):
    """The zone to store, where it comes from, and what is final of the kinds that are new."""

    tz: str
    source: str
    closed: tuple[tuple[Kind, str], ...] = ()


class Players:
    """The application's users, and the zones in the progress of each."""

    def __init__(self, database: Database) -> None:
        self._users = MongoCollection(database, "users")
        self._progress = MongoCollection(database, "user_progress")

    async def zones(self) -> list[str]:
        """The time zones in use."""
        groups = await self._progress.aggregate([{"$group": {"_id": "$tz"}}])
        return sorted(group["_id"] for group in groups if values.is_text(group["_id"]))

    async def wanted_zones(self) -> list[str]:
        """The time zones that users have set, unchecked."""
        groups = await self._users.aggregate([{"$group": {"_id": "$timezone"}}])
        return sorted(group["_id"] for group in groups if values.is_text(group["_id"]))

    async def progress_pages(
        self, size: int, user_ids: Collection[str] | None = None
    ) -> AsyncIterator[list[Document]]:
        """Pages of the zones in the progress of all players, or of some."""
        project = dict.fromkeys(("user_id", "tz", "tz_source", *_CLOSED.values()), 1)
        after = ""
        while True:
            query: Document = {"user_id": {"$gt": after}, **_HAS_TEXT_ID}
            if user_ids is not None:
                query["user_id"]["$in"] = list(user_ids)
            order = [("user_id", 1), ("_id", 1)]
            page = await self._progress.find(query, project, sort=order, limit=size)
            if not page:
                return
            after = page[-1]["user_id"]
            yield page
            if len(page) < size:
                return

    async def zones_of(self, progress: Sequence[Document]) -> list[ZoneOf]:
        """The players of a page, with the zones that they have set."""
        wanted = await self._timezones([document["user_id"] for document in progress])
        by_user: dict[str, list[Document]] = {}
        for document in progress:
            by_user.setdefault(document["user_id"], []).append(document)
        return [
            ZoneOf(
                id=first["_id"],
                user_id=user_id,
                stored=(values.to_text(first.get("tz")), values.to_text(first.get("tz_source"))),
                wanted=wanted.get(user_id),
                new=tuple(
                    kind for kind, field in _CLOSED.items() if not values.to_text(first.get(field))
                ),
                surplus=tuple(document["_id"] for document in others),
            )
            for user_id, (first, *others) in by_user.items()
        ]

    async def with_surplus_progress(self, limit: int) -> list[Any]:
        """The sorted ids of at most `limit` users with several documents in `user_progress`.

        The application finds a document and else inserts one, without a unique index. The oldest
        counts, and pages may show another.
        """
        pipeline: list[Document] = [
            {"$sort": {"user_id": 1}},
            {"$group": {"_id": "$user_id", "documents": {"$sum": 1}}},
            {"$match": {"_id": {"$ne": None}, "documents": {"$gt": 1}}},
            {"$sort": {"_id": 1}},
            {"$limit": limit},
        ]
        return [group["_id"] for group in await self._progress.aggregate(pipeline)]

    async def change_zones(self, changes: Mapping[ZoneChange, Sequence[Any]]) -> None:
        """Stores zones: each change for the documents of some ids."""
        for change, ids in changes.items():
            fields: Document = {"tz": change.tz, "tz_source": change.source}
            fields |= {f"{kind}_closed": key for kind, key in change.closed}
            await self._progress.update_many({"_id": {"$in": list(ids)}}, {"$set": fields})

    async def existing(self, user_ids: Collection[str]) -> set[str]:
        """Those of some users whom the application has."""
        return set(await self._timezones(list(user_ids)))

    async def rankable(self, user_ids: Sequence[str]) -> set[str]:
        """Those of some users who exist and are not disabled."""
        query = {"user_id": {"$in": list(user_ids)}, **RANKABLE}
        users = await self._users.find(query, {"_id": 0, "user_id": 1})
        return {user["user_id"] for user in users if values.is_text(user["user_id"])}

    async def _timezones(self, user_ids: Sequence[str]) -> dict[str, Any]:
        query = {"user_id": {"$in": list(user_ids)}}
        users = await self._users.find(query, {"_id": 0, "user_id": 1, "timezone": 1})
        return {
            user["user_id"]: user.get("timezone")
            for user in users
            if values.is_text(user["user_id"])
        }
