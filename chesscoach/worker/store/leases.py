"""Leases: who may run what, decided on the server's clock.

A lease is a document `{_id, owner, fence, expires_at}` in `job_leases`. `owner` is a token of one
claim, never of a process; `fence` grows with each claim, so that writes of a former holder can be
refused. Documents exist before they are taken, since `$expr` is not allowed in an upsert.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from contextvars import Context
from datetime import datetime
from uuid import uuid4

from chesscoach import log
from chesscoach.errors import ChesscoachError, StoreUnavailable
from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.collection import MongoCollection
from chesscoach.worker.store.lease import Lease, LeaseStatus

_IS_FREE = {"$lte": ["$expires_at", "$$NOW"]}
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


class Leases:
    """The leases in a database, and those that this process holds."""

    def __init__(self, database: Database, ttl_s: float) -> None:
        self._collection = MongoCollection(database, "job_leases")
        self._ttl_s = ttl_s
        self._held: dict[str, Lease] = {}
        self._renewing_count = 0
        self._renewer: asyncio.Task[None] | None = None
        self._known: set[str] = set()

    @property
    def ttl_s(self) -> float:
        """Seconds that a lease lives without being renewed."""
        return self._ttl_s

    async def ensure(self, key: str) -> None:
        """Makes the document of a lease unless it exists."""
        await self._collection.insert_if_new(self._new_document(key))

    async def ensure_many(self, keys: Iterable[str]) -> None:
        """Makes the documents of leases that do not exist; those seen before are taken to exist."""
        if not (wanted := set(keys) - self._known):
            return
        existing = await self._collection.find({"_id": {"$in": list(wanted)}}, {"_id": 1})
        missing = wanted - {document["_id"] for document in existing}
        await self._collection.insert_new([self._new_document(key) for key in sorted(missing)])
        self._known |= wanted

    @staticmethod
    def _new_document(key: str) -> Document:
        # A document that was lost counts on from beyond every fence that was written before.
        fence = int(time.time())
        return {"_id": key, "owner": None, "fence": fence, "expires_at": _EPOCH, "holder": {}}

    async def acquire(self, key: str, holder: Document, owner: str | None = None) -> Lease | None:
        """Takes a lease if it is free, else None.

        Args:
            key: the lease; its document exists.
            holder: describes the holder to people.
            owner: the token of this claim, where the caller has one already.
        """
        owner = owner or uuid4().hex
        try:
            return (await self.acquire_many({key: (owner, holder)})).get(key)
        except asyncio.CancelledError:
            await self.release_token(key, owner)
            raise

    async def acquire_many(self, wanted: Mapping[str, tuple[str, Document]]) -> dict[str, Lease]:
        """Takes those leases that are free: by key, each for the token of a claim and its holder.

        One update takes them all; the tokens that are read back tell which are ours.
        """
        if not wanted:
            return {}
        keys, owners = list(wanted), [owner for owner, _ in wanted.values()]
        claims = [{"owner": owner, "holder": holder} for owner, holder in wanted.values()]
        number = {"$indexOfArray": [{"$literal": keys}, "$_id"]}
        claim = {"$arrayElemAt": [{"$literal": claims}, number]}
        term = {"fence": {"$add": ["$fence", 1]}, "expires_at": self._new_expiry()}
        update = [{"$replaceWith": {"$mergeObjects": ["$$ROOT", claim, term]}}]
        free = {"_id": {"$in": keys}, "$expr": _IS_FREE}
        began = asyncio.get_running_loop().time()
        try:
            await self._collection.update_many(free, update)
        except StoreUnavailable:  # the driver does not repeat it; what it did shows below
            await self._collection.update_many(free, update)
        ours = {"_id": {"$in": keys}, "owner": {"$in": owners}}
        acquired = {}
        for document in await self._collection.find(ours, {"owner": 1, "fence": 1}):
            key, owner = document["_id"], document["owner"]
            acquired[key] = Lease(key, owner, document["fence"], began + self._ttl_s)
            self._held[owner] = acquired[key]
        return acquired

    async def status(self, key: str) -> LeaseStatus | None:
        """What the document says now, by the server's clock; None if there is no document."""
        return (await self.statuses([key])).get(key)

    async def statuses(self, keys: Iterable[str]) -> dict[str, LeaseStatus]:
        """The same of several, by key."""
        documents = await self._collection.aggregate(
            [{"$match": {"_id": {"$in": list(keys)}}}, {"$set": {"free": _IS_FREE}}]
        )
        return {
            document["_id"]: LeaseStatus(
                owner=document["owner"],
                alive=not document["free"],
                expires_at=document["expires_at"],
                holder=document.get("holder") or {},
            )
            for document in documents
        }

    @asynccontextmanager
    async def renewing(self) -> AsyncIterator[None]:
        """Renews what this process holds for as long as a caller is inside.

        A lease that is found taken ends at once; one that cannot be renewed ends at its deadline.
        """
        self._renewing_count += 1
        if self._renewer is None:
            # An empty context: the task may outlive the run that started it, and logs no run's id.
            self._renewer = asyncio.create_task(
                self._renew_loop(), name="keeper", context=Context()
            )
        try:
            yield
        finally:
            self._renewing_count -= 1
            if not self._renewing_count:
                renewer, self._renewer = self._renewer, None
                renewer.cancel()
                await asyncio.wait({renewer})

    async def _renew_loop(self) -> None:
        while True:
            await asyncio.sleep(self._ttl_s / 6)
            try:
                await self._renew()
            except ChesscoachError as error:
                log.get_logger().warning(
                    "lease_renewal_failed", leases=len(self._held), error=str(error)
                )

    async def _renew(self) -> None:
        """Renews the leases that have lived for a third of their time."""
        began = asyncio.get_running_loop().time()
        due = [
            lease for lease in self._held.values() if lease.deadline - began <= self._ttl_s * 2 / 3
        ]
        if not due:
            return
        owners = {lease.owner: lease.key for lease in due}
        ours = {"_id": {"$in": list(owners.values())}, "owner": {"$in": list(owners)}}
        result = await self._collection.update_many(
            ours, [{"$set": {"expires_at": self._new_expiry()}}]
        )
        kept = set(owners)
        if result.matched_count < len(owners):
            kept = {
                document["owner"] for document in await self._collection.find(ours, {"owner": 1})
            }
        for lease in due:
            if lease.owner in kept:
                lease.extend(began + self._ttl_s)
            else:
                self._held.pop(lease.owner, None)
                lease.extend(began)

    async def release(self, lease: Lease) -> None:
        """Releases a lease; one that is not ours any more is left alone."""
        await self.release_token(lease.key, lease.owner)

    async def release_token(self, key: str, owner: str) -> None:
        """Releases what the claim of that token holds, if it holds anything."""
        self._held.pop(owner, None)
        await self._collection.update_one(
            {"_id": key, "owner": owner},
            {"$set": {"owner": None, "expires_at": _EPOCH, "holder": {}}},
        )

    def _new_expiry(self) -> Document:
        amount = math.ceil(self._ttl_s * 1000)
        return {"$dateAdd": {"startDate": "$$NOW", "unit": "millisecond", "amount": amount}}
