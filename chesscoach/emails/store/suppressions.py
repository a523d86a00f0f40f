"""Suppressed addresses, and the provider's events that have been processed.

Addresses are compared in lower case, without surrounding space. The first reason is kept.
"""

from collections.abc import Collection
from datetime import datetime

import msgspec

from chesscoach.emails.suppression import Suppression
from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.collection import MongoCollection
from chesscoach.mongo.readable import convert_readable


def normalize_address(address: str) -> str:
    """Convert an address to the form that is compared."""
    return address.strip().lower()


class Suppressions:
    """`email_suppressions` and `email_events`, which are our collections.

    An index deletes events after 30 days. No promise depends on them, because an event can be
    processed twice without harm.
    """

    def __init__(self, database: Database) -> None:
        self._collection = MongoCollection(database, "email_suppressions")
        self._events = MongoCollection(database, "email_events")

    async def suppress(self, items: Collection[Suppression]) -> int:
        """Suppress addresses; return how many were not suppressed before."""
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
        """The suppressed ones of some addresses, in lower case."""
        query = {"_id": {"$in": sorted({normalize_address(address) for address in addresses})}}
        return {document["_id"] for document in await self._collection.find(query, {"_id": 1})}

    async def find(self, address: str) -> Suppression | None:
        """Read the suppression of an address, if any."""
        document = await self._collection.find_one({"_id": normalize_address(address)})
        return _suppression(document) if document else None

    async def list_newest(self, limit: int) -> list[Suppression]:
        """Read the newest suppressions first."""
        newest = await self._collection.find({}, sort=[("at", -1), ("_id", 1)], limit=limit)
        return convert_readable("email_suppressions", newest, _suppression)

    async def count(self) -> int:
        """Estimate the number of suppressions."""
        return await self._collection.estimate_count()

    async def remove(self, address: str) -> bool:
        """Delete a suppression; return whether there was one."""
        return await self._collection.delete_one({"_id": normalize_address(address)})

    async def unseen_events(self, ids: Collection[str]) -> set[str]:
        """The events that have not been processed."""
        wanted = set(ids)
        query = {"_id": {"$in": sorted(wanted)}}
        seen = await self._events.find(query, {"_id": 1})
        return wanted - {event["_id"] for event in seen}

    async def mark_events_seen(self, ids: Collection[str], now: datetime) -> None:
        """Record events as processed; some may be recorded already."""
        await self._events.insert_new(
            [{"_id": event_id, "at": now} for event_id in sorted(set(ids))]
        )


def _suppression(document: Document) -> Suppression:
    return msgspec.convert({**document, "address": document["_id"]}, Suppression)
