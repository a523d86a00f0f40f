"""Leases: who may work on something, decided on the server's clock.

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
from chesscoach.errors import StoreFailed, StoreUnavailable
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
        """Makes the row of a lease unless it exists."""
        await self._collection.insert_if_new(self._new_document(key))

    async def acquire(self, key: str, holder: Document, owner: str | None = None) -> Lease | None:
        """Takes a lease if it is free, else None.

        Args:
            key: the lease; its row exists.
            holder: tells people who has it.
            owner: the token of this claim, where the caller has one already.
        """
        owner = owner or uuid4().hex
        begun = asyncio.get_running_loop().time()
        try:
            row = await self._claim(key, owner, holder, _IS_FREE)
        except asyncio.CancelledError:
            await self.release_token(key, owner)
            raise
        if row is None:
            return None
        lease = Lease(key, owner, row["fence"], begun + self._ttl_s)
        self._held[owner] = lease
        return lease

    async def _claim(
        self, key: str, owner: str, holder: Document, free: Document
    ) -> Document | None:
        wanted = {"_id": key, "$expr": free}
        claim = {
            "owner": owner,
            "fence": {"$add": ["$fence", 1]},
            "expires_at": self._new_expiry(),
            "holder": {"$literal": holder},
        }
        try:
            return await self._collection.find_one_and_update(wanted, [{"$set": claim}])
        except StoreUnavailable:
            # Whether it was applied is unknown: the token says whether the lease is ours.
            return await self._collection.find_one_and_update(
                wanted, [{"$set": claim}]
            ) or await self._collection.find_one({"_id": key, "owner": owner})

    async def status(self, key: str) -> LeaseStatus | None:
        """What the row says now, judged on the server's clock; None if there is no row."""
        return (await self.statuses([key])).get(key)

    async def statuses(self, keys: Iterable[str]) -> dict[str, LeaseStatus]:
        """The same of several, by key."""
        leases = await self._collection.aggregate(
            [{"$match": {"_id": {"$in": list(keys)}}}, {"$set": {"free": _IS_FREE}}]
        )
        return {
            lease["_id"]: LeaseStatus(
                owner=lease["owner"],
                alive=not lease["free"],
                expires_at=lease["expires_at"],
                holder=lease.get("holder") or {},
            )
            for lease in leases
        }

    async def ensure_many(self, keys: Iterable[str]) -> None:
        """Makes the rows of leases that do not exist."""
        if not (wanted := set(keys) - self._known):
            return
        existing = await self._collection.find({"_id": {"$in": list(wanted)}}, {"_id": 1})
        missing = wanted - {lease["_id"] for lease in existing}
        await self._collection.insert_new([self._new_document(key) for key in sorted(missing)])
        self._known |= wanted

    @staticmethod
    def _new_document(key: str) -> Document:
        # A row that was lost and is made anew counts on from beyond what anybody has written with.
        fence = int(time.time())
        return {"_id": key, "owner": None, "fence": fence, "expires_at": _EPOCH, "holder": {}}

    async def acquire_many(self, wanted: Mapping[str, tuple[str, Document]]) -> dict[str, Lease]:
        """Takes those that are free of some leases, by key: the claim's token and its holder.

        A token is the batch's, a colon and the key, so that one update takes them all.
        """
        if not wanted:
            return {}
        batch = next(iter(wanted.values()))[0].partition(":")[0]
        begun = asyncio.get_running_loop().time()
        holders = {key: holder for key, (_, holder) in wanted.items()}
        same = next(iter(holders.values()))
        update = [
            {
                "$set": {
                    "owner": {"$concat": [batch, ":", "$_id"]},
                    "fence": {"$add": ["$fence", 1]},
                    "expires_at": self._new_expiry(),
                    "holder": {"$literal": same},
                }
            }
        ]
        free = {"_id": {"$in": list(wanted)}, "$expr": _IS_FREE}
        try:
            await self._collection.update_many(free, update)
        except StoreUnavailable:  # not repeated by the driver; what it did shows below
            await self._collection.update_many(free, update)
        owners = [owner for owner, _ in wanted.values()]
        taken = {}
        ours = {"_id": {"$in": list(wanted)}, "owner": {"$in": owners}}
        for row in await self._collection.find(ours, {"owner": 1, "fence": 1}):
            lease = Lease(row["_id"], row["owner"], row["fence"], begun + self._ttl_s)
            self._held[lease.owner] = taken[lease.key] = lease
        return taken

    @asynccontextmanager
    async def renewing(self) -> AsyncIterator[None]:
        """Renews what this process holds for as long as anybody is in here.

        A lease that is found taken ends at once; one that cannot be renewed ends at its deadline.
        """
        self._renewing_count += 1
        if self._renewer is None:
            # Nobody's task: it may outlive the run that began it, and must not speak as that.
            self._renewer = asyncio.create_task(
                self._renew_loop(), name="keeper", context=Context()
            )
        try:
            yield
        finally:
            self._renewing_count -= 1
            if not self._renewing_count:
                keeper, self._renewer = self._renewer, None
                keeper.cancel()
                await asyncio.wait({keeper})

    async def _renew_loop(self) -> None:
        while True:
            await asyncio.sleep(self._ttl_s / 6)
            try:
                await self._renew()
            except (StoreUnavailable, StoreFailed) as error:
                log.get_logger().warning(
                    "lease_renewal_failed", leases=len(self._held), error=str(error)
                )

    async def _renew(self) -> None:
        """Renews all that have lived for a third of their time."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        due = [
            lease for lease in self._held.values() if lease.deadline - begun <= self._ttl_s * 2 / 3
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
            kept = {row["owner"] for row in await self._collection.find(ours, {"owner": 1})}
        for lease in due:
            if lease.owner in kept:
                lease.extend(begun + self._ttl_s)
            else:
                self._held.pop(lease.owner, None)
                lease.extend(begun)

    async def release(self, lease: Lease) -> None:
        """Gives a lease back; one that is not ours any more is left alone."""
        await self.release_token(lease.key, lease.owner)

    async def release_token(self, key: str, owner: str) -> None:
        """Gives back what the claim of that token holds, if it holds anything."""
        self._held.pop(owner, None)
        await self._collection.update_one(
            {"_id": key, "owner": owner},
            {"$set": {"owner": None, "expires_at": _EPOCH, "holder": {}}},
        )

    def _new_expiry(self) -> Document:
        amount = math.ceil(self._ttl_s * 1000)
        return {"$dateAdd": {"startDate": "$$NOW", "unit": "millisecond", "amount": amount}}
