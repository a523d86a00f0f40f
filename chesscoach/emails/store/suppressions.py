"""Addresses that get no mail any more, and the provider's events that have told us so.

Addresses are compared in lower case, without space around them. The first reason stays.
"""

from collections.abc import Collection
from datetime import datetime

from chesscoach.emails.suppression import Suppression
from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.collection import MongoCollection


def normalize_address(address: str) -> str:
    """An address in the form in which it is compared."""
    return address.strip().lower()


class Suppressions:
    """`email_suppressions` and `email_events`, which are ours.

    The server forgets events after 30 days, by an index; no promise rests on them: what an event
    does may be done again.
    """

    def __init__(self, database: Database) -> None:
        self._collection = MongoCollection(database, "email_suppressions")
        self._events = MongoCollection(database, "email_events")

    async def suppress(self, items: Collection[Suppression]) -> int:
        """Suppresses addresses; the number of those that were not before."""
        first: dict[str, Suppression] = {}
        for item in sorted(items, key=lambda item: item.at):
            first.setdefault(normalize_address(item.address), item)
        new = await self._collection.insert_new(
            [
                {"_id": address, "reason": item.reason, "at": item.at, "event_id": item.event_id}
                for address, item in first.items()
            ]
        )
        return sum(new)

    async def find_suppressed(self, addresses: Collection[str]) -> set[str]:
        """Which of these addresses are suppressed, in lower case."""
        query = {"_id": {"$in": sorted({normalize_address(address) for address in addresses})}}
        return {row["_id"] for row in await self._collection.find(query, {"_id": 1})}

    async def find(self, address: str) -> Suppression | None:
        """Why an address gets no mail any more, if so."""
        row = await self._collection.find_one({"_id": normalize_address(address)})
        return _suppression(row) if row else None

    async def list_newest(self, limit: int) -> list[Suppression]:
        """The newest of them first."""
        newest = await self._collection.find({}, sort=[("at", -1), ("_id", 1)], limit=limit)
        return [_suppression(document) for document in newest]

    async def count(self) -> int:
        """About how many there are."""
        return await self._collection.estimate_count()

    async def remove(self, address: str) -> bool:
        """Lets an address get mail again; whether it was suppressed."""
        return await self._collection.delete_one({"_id": normalize_address(address)})

    async def unseen_events(self, ids: Collection[str]) -> set[str]:
        """Which of these events are not remembered."""
        wanted = set(ids)
        query = {"_id": {"$in": sorted(wanted)}}
        seen = await self._events.find(query, {"_id": 1})
        return wanted - {row["_id"] for row in seen}

    async def mark_events_seen(self, ids: Collection[str], now: datetime) -> None:
        """Remembers events; some may be remembered already."""
        await self._events.insert_new(
            [{"_id": event_id, "at": now} for event_id in sorted(set(ids))]
        )


def _suppression(row: Document) -> Suppression:
    return Suppression(
        address=row["_id"], reason=row["reason"], at=row["at"], event_id=row.get("event_id")
    )
