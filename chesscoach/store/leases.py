"""Leases: who may work on something, decided on the server's clock.

A lease is a document `{_id, owner, fence, expires_at}` in `job_leases`. `owner` is a token of one
claim, never of a process; `fence` grows with each claim, so that writes of a former holder can be
refused. Rows exist before they are taken, since `$expr` is not allowed in an upsert.
"""

import asyncio
import math
from datetime import datetime
from typing import Any
from uuid import uuid4

from msgspec import Struct
from pymongo import ReturnDocument
from pymongo.errors import ConnectionFailure, DuplicateKeyError, PyMongoError

from chesscoach import log
from chesscoach.errors import LeaseLost
from chesscoach.store.client import Database, Document
from chesscoach.store.faults import spoken

_FREE = {"$lte": ["$expires_at", "$$NOW"]}
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


class Holding(Struct, frozen=True, kw_only=True):
    """What a lease's row says: who has it (`alive`: and has not let it run out), and until when."""

    owner: str | None
    alive: bool
    expires_at: datetime
    holder: dict[str, Any]


class Lease:
    """A lease that we hold until `deadline`, on our own monotonic clock, in seconds.

    The deadline is counted from before the claim was sent, so it is never later than the server's.
    Work under a lease is done inside `scope()`, which ends with LeaseLost when the deadline passes
    without a renewal.
    """

    def __init__(self, key: str, owner: str, fence: int, deadline: float) -> None:
        self.key = key
        self.owner = owner
        self.fence = fence
        self.deadline = deadline
        self._scopes: set[asyncio.Timeout] = set()

    def extend(self, deadline: float) -> None:
        """Moves the deadline of the lease and of all work under it."""
        self.deadline = deadline
        for scope in self._scopes:
            if not scope.expired():
                scope.reschedule(deadline)

    def scope(self) -> "LeaseScope":
        """An asynchronous context in which work may count on the lease."""
        return LeaseScope(self)

    def enter(self, scope: asyncio.Timeout) -> None:
        """Lets renewals move a timeout."""
        self._scopes.add(scope)

    def exit(self, scope: asyncio.Timeout) -> None:
        """Forgets a timeout."""
        self._scopes.discard(scope)


class LeaseScope:
    """See `Lease.scope`."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._timeout = asyncio.timeout_at(lease.deadline)

    async def __aenter__(self) -> None:
        if self._lease.deadline <= asyncio.get_running_loop().time():
            msg = f"the lease {self._lease.key} has run out"
            raise LeaseLost(msg)
        await self._timeout.__aenter__()
        self._lease.enter(self._timeout)

    async def __aexit__(self, *exc: Any) -> None:
        self._lease.exit(self._timeout)
        try:
            await self._timeout.__aexit__(*exc)
        except TimeoutError:
            if not self._timeout.expired():
                raise
            msg = f"the lease {self._lease.key} could not be renewed in time"
            raise LeaseLost(msg) from None


class Leases:
    """The leases in a database, and those that this process holds."""

    def __init__(self, database: Database, ttl_s: float) -> None:
        self._rows = database["job_leases"]
        self._ttl_s = ttl_s
        self._held: dict[str, Lease] = {}

    @property
    def ttl_s(self) -> float:
        """Seconds that a lease lives without being renewed."""
        return self._ttl_s

    @spoken
    async def ensure(self, key: str) -> None:
        """Makes the row of a lease unless it exists."""
        try:
            await self._rows.insert_one(
                {"_id": key, "owner": None, "fence": 0, "expires_at": _EPOCH, "holder": {}}
            )
        except DuplicateKeyError:
            return

    @spoken
    async def take(self, key: str, holder: Document, owner: str | None = None) -> Lease | None:
        """Takes a lease if it is free, else None.

        Args:
            key: the lease; its row exists.
            holder: tells people who has it.
            owner: the token of this claim, where the caller has one already.
        """
        owner = owner or uuid4().hex
        begun = asyncio.get_running_loop().time()
        try:
            row = await self._claim(key, owner, holder)
        except asyncio.CancelledError:
            await self.give_up(key, owner)
            raise
        if row is None:
            return None
        lease = Lease(key, owner, row["fence"], begun + self._ttl_s)
        self._held[owner] = lease
        return lease

    async def _claim(self, key: str, owner: str, holder: Document) -> Document | None:
        try:
            row: Document | None = await self._rows.find_one_and_update(
                {"_id": key, "$expr": _FREE},
                [
                    {
                        "$set": {
                            "owner": owner,
                            "fence": {"$add": ["$fence", 1]},
                            "expires_at": self._from_now(),
                            "holder": {"$literal": holder},
                        }
                    }
                ],
                return_document=ReturnDocument.AFTER,
            )
        except ConnectionFailure:
            # Whether it was applied is unknown; the token tells.
            row = await self._rows.find_one({"_id": key, "owner": owner})
        return row

    @spoken
    async def look(self, key: str) -> Holding | None:
        """What the row says now, judged on the server's clock; None if there is no row."""
        rows = await self._rows.aggregate(
            [{"$match": {"_id": key}}, {"$set": {"free": _FREE}}]
        ).to_list(1)
        if not rows:
            return None
        row = rows[0]
        return Holding(
            owner=row["owner"],
            alive=not row["free"],
            expires_at=row["expires_at"],
            holder=row.get("holder") or {},
        )

    async def keep(self) -> None:
        """Renews what this process holds, for as long as it runs.

        A lease that is found taken ends at once; one that cannot be renewed ends at its deadline.
        Several keepers do no harm: each leaves alone what another has just renewed.
        """
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._ttl_s / 6)
            for lease in list(self._held.values()):
                if lease.deadline - loop.time() > self._ttl_s * 2 / 3:
                    continue
                try:
                    await self._renew(lease)
                except PyMongoError as error:
                    log.get_logger().warning(
                        "lease_renewal_failed", lease=lease.key, error=type(error).__name__
                    )

    async def _renew(self, lease: Lease) -> None:
        begun = asyncio.get_running_loop().time()
        result = await self._rows.update_one(
            {"_id": lease.key, "owner": lease.owner}, [{"$set": {"expires_at": self._from_now()}}]
        )
        if result.matched_count:
            lease.extend(begun + self._ttl_s)
        else:
            self._held.pop(lease.owner, None)
            lease.extend(begun)

    async def release(self, lease: Lease) -> None:
        """Gives a lease back; one that is not ours any more is left alone."""
        await self.give_up(lease.key, lease.owner)

    @spoken
    async def give_up(self, key: str, owner: str) -> None:
        """Gives back what the claim of that token holds, if it holds anything."""
        self._held.pop(owner, None)
        await self._rows.update_one(
            {"_id": key, "owner": owner},
            {"$set": {"owner": None, "expires_at": _EPOCH, "holder": {}}},
        )

    def _from_now(self) -> Document:
        amount = math.ceil(self._ttl_s * 1000)
        return {"$dateAdd": {"startDate": "$$NOW", "unit": "millisecond", "amount": amount}}
