"""The lane of a site: one request in flight across the cluster, and what the site asked us to mind.

A lane is the lease `lane:{site}`. Its row also holds the pause that a site asked for, how long the
site is closed for, and how many accounts were asked about in the last ten minutes; whoever takes
the lane next, in whatever process, minds them too.

A site that has granted more requests at a time has further lanes, `lane:{site}#1` and on. What is
to be minded, and the count of fences, stand in the first one's row for all of them.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from msgspec import Struct

from chesscoach import log
from chesscoach.errors import LeaseLost, SourceUnavailable
from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.collection import MongoCollection
from chesscoach.worker.store.lease import Lease
from chesscoach.worker.store.leases import Leases

_WINDOW_S = 600
_DAY_S = 86_400
_DAILY_LIMIT_FACTOR = 15
"""Lichess's limit for a day, in limits for ten minutes: 120,000 users to 8,000."""


def _in_seconds(seconds: float) -> Document:
    amount = int(seconds * 1000)
    return {"$dateAdd": {"startDate": "$$NOW", "unit": "millisecond", "amount": amount}}


def _max_instant(field: str, seconds: float) -> Document:
    """The instant in so many seconds, or that of the field if it comes after it."""
    return {"$max": [f"${field}", _in_seconds(seconds)]}


def _seconds_until(field: str) -> Document:
    return {"$divide": [{"$subtract": [{"$ifNull": [field, "$$NOW"]}, "$$NOW"]}, 1000]}


def _if_future(field: str, value: object) -> Document:
    """A value as long as an instant has not come; null after it, and where there is none."""
    return {"$cond": [{"$gt": [field, "$$NOW"]}, value, None]}


class LaneStatus(Struct, frozen=True, kw_only=True):
    """What a site's rows say now: who has a lane, and until when the site is to be left alone.

    `holder` is what the holder says of himself (of several, that of the first lane that is held),
    None if nobody has one; the instants are None where their time has passed.
    """

    holder: dict[str, Any] | None = None
    paused_until: datetime | None = None
    closed_until: datetime | None = None


class SourceLane:
    """Implements `sources.client.Lane` on a leased row, one of as many as the site has `lanes`."""

    def __init__(self, database: Database, leases: Leases, site: str, lanes: int = 1) -> None:
        self._collection = MongoCollection(database, "job_leases")
        self._leases = leases
        self._site = site
        self._key = f"lane:{site}"
        self._keys = [self._key, *(f"{self._key}#{number}" for number in range(1, lanes))]
        self._here = asyncio.Lock()
        self._one = asyncio.Lock()
        self._lease: Lease | None = None
        self._fence = 0
        self._paused_until = 0.0
        self._closed: datetime | None = None
        self.pauses = 0
        self.closings = 0

    @property
    def fence(self) -> int:
        """Grows with each holder; what is written under the lane carries it."""
        if self._lease is None:
            msg = f"the lane of {self._site} is not held"
            raise LeaseLost(msg)
        return self._fence

    async def status(self) -> LaneStatus:
        """How the lane stands, on the server's clock, without taking it."""
        rows = await self._collection.aggregate(
            [
                {"$match": {"_id": {"$in": self._keys}}},
                {"$sort": {"_id": 1}},
                {
                    "$project": {
                        "_id": 0,
                        "holder": _if_future("$expires_at", {"$ifNull": ["$holder", {}]}),
                        "paused_until": _if_future("$paused_until", "$paused_until"),
                        "closed_until": _if_future("$closed_until", "$closed_until"),
                    }
                },
            ]
        )
        first: Document = rows[0] if rows else {}
        held = next((row["holder"] for row in rows if row["holder"] is not None), None)
        return LaneStatus(**{**first, "holder": held})

    @asynccontextmanager
    async def acquire(self, holder: dict[str, Any]) -> AsyncIterator[None]:
        """Takes the lane, waiting for whoever has it, and gives it back at the end.

        Raises:
            SourceUnavailable: the site is closed for a time that has not passed.
        """
        async with self._here:
            for key in self._keys:  # also where somebody has deleted the rows since
                await self._leases.ensure(key)
            lease = await self._wait(holder)
            try:
                self._fence = await self._next_fence(lease)
                await self._load_state()
                self._raise_if_closed()
                self._lease = lease
                yield
            finally:
                self._lease = None
                await self._leases.release(lease)

    async def _wait(self, holder: dict[str, Any]) -> Lease:
        told = False
        while True:
            for key in self._keys:
                if (lease := await self._leases.acquire(key, holder)) is not None:
                    return lease
            if not told:
                log.get_logger().info("lane_waiting", lane=self._key)
                told = True
            await asyncio.sleep(min(self._leases.ttl_s / 5, 1.0))

    async def _next_fence(self, lease: Lease) -> int:
        """Greater than that of everybody who has had a lane of the site before."""
        if lease.key == self._key:
            return lease.fence
        row: Any = await self._collection.find_one_and_update(
            {"_id": self._key}, {"$inc": {"fence": 1}}
        )
        return int(row["fence"])

    async def _load_state(self) -> None:
        rows = await self._collection.aggregate(
            [
                {"$match": {"_id": self._key}},
                {
                    "$project": {
                        "pauses": 1,
                        "closings": 1,
                        "closed_until": 1,
                        "pause_s": _seconds_until("$paused_until"),
                        "closed_s": _seconds_until("$closed_until"),
                    }
                },
            ]
        )
        row = rows[0] if rows else {}
        self.pauses = row.get("pauses", 0)
        self.closings = row.get("closings", 0)
        self._paused_until = asyncio.get_running_loop().time() + row.get("pause_s", 0)
        self._closed = row["closed_until"] if row.get("closed_s", 0) > 0 else None

    def _raise_if_closed(self) -> None:
        if self._closed is not None:
            msg = f"{self._site} is left alone until {self._closed:%Y-%m-%dT%H:%M:%SZ}"
            raise SourceUnavailable(msg)

    @asynccontextmanager
    async def request_slot(self) -> AsyncIterator[None]:
        """The time of one request: after any pause, and only while the lane is ours.

        Raises:
            SourceUnavailable: the site has been closed under this holder.
            LeaseLost: the lane could not be kept; the request was broken off.
        """
        if self._lease is None:
            msg = f"the lane of {self._site} is not held"
            raise LeaseLost(msg)
        async with self._one:
            if len(self._keys) > 1:  # what another lane's holder has heard counts for us
                await self._load_state()
            self._raise_if_closed()
            await asyncio.sleep(self._paused_until - asyncio.get_running_loop().time())
            async with self._lease.scope():
                yield

    async def pause(self, seconds: float) -> None:
        """Lets nobody ask the site for so long; counts the pauses in a row.

        A longer pause that another lane was told of meanwhile stands.
        """
        self.pauses += 1
        until = asyncio.get_running_loop().time() + seconds
        self._paused_until = max(self._paused_until, until)
        await self._update_state(
            {"pauses": self.pauses, "paused_until": _max_instant("paused_until", seconds)}
        )

    async def open_breaker(self, seconds: float) -> datetime:
        """Closes the site for so long, for everybody; returns until when."""
        self.pauses, self.closings = 0, self.closings + 1
        row = await self._update_state(
            {
                "pauses": 0,
                "closings": self.closings,
                "closed_until": _max_instant("closed_until", seconds),
            }
        )
        self._closed = row["closed_until"] if row else datetime.now(UTC)
        return self._closed

    async def reset(self) -> None:
        """The site answered as it should: past pauses and closings no longer count."""
        self.pauses = self.closings = 0
        await self._update_state({"pauses": 0, "closings": 0})

    async def _update_state(self, fields: Document) -> Document | None:
        key = self._lease.key if self._lease else self._key
        ours = {"_id": key, "owner": self._lease.owner if self._lease else None}
        if key != self._key:
            if await self._collection.find_one(ours, {"_id": 1}) is None:
                return None
            ours = {"_id": self._key}
        return await self._collection.find_one_and_update(ours, [{"$set": fields}])

    async def consume(self, amount: int, limit: int) -> None:
        """Takes `amount` out of the site's allowance of `limit` in any ten minutes, or waits.

        Raises:
            SourceUnavailable: a day's allowance, 15 times that, is spent.
        """
        while (wait := await self._try_consume(amount, limit)) > 0:
            if wait > _WINDOW_S:
                until = datetime.now(UTC) + timedelta(seconds=wait)
                msg = f"{self._site}: the day's allowance is spent until {until:%Y-%m-%dT%H:%M:%SZ}"
                raise SourceUnavailable(msg)
            log.get_logger().info("allowance_waiting", lane=self._key, wait_s=round(wait, 1))
            await asyncio.sleep(wait)

    async def _try_consume(self, amount: int, limit: int) -> float:
        """Seconds to wait before the next try; 0 if it is spent."""
        token = uuid4().hex
        today = {
            "$filter": {"input": {"$ifNull": ["$spent", []]}, "cond": _younger_than(_DAY_S)},
        }
        lately = {"$filter": {"input": "$spent", "cond": _younger_than(_WINDOW_S)}}
        entry = {"at": "$$NOW", "amount": {"$literal": amount}, "token": token}
        fits = {
            "$and": [
                {"$lte": [{"$add": [{"$sum": "$lately.amount"}, amount]}, limit]},
                {
                    "$lte": [
                        {"$add": [{"$sum": "$spent.amount"}, amount]},
                        limit * _DAILY_LIMIT_FACTOR,
                    ]
                },
            ]
        }
        row: Any = await self._collection.find_one_and_update(
            {"_id": self._key},
            [
                {"$set": {"spent": today, "asked_at": "$$NOW"}},
                {"$set": {"lately": lately}},
                {
                    "$set": {
                        "spent": {"$cond": [fits, {"$concatArrays": ["$spent", [entry]]}, "$spent"]}
                    }
                },
            ],
        )
        if any(item["token"] == token for item in row["spent"]):
            return 0.0
        spent = sum(item["amount"] for item in row["spent"])
        window_s, items = (
            (_DAY_S, row["spent"])
            if spent + amount > limit * _DAILY_LIMIT_FACTOR
            else (_WINDOW_S, row["lately"])
        )
        oldest = min((item["at"] for item in items), default=row["asked_at"])
        waited = float((row["asked_at"] - oldest).total_seconds())
        return max(window_s - waited, 0.1)


def _younger_than(seconds: int) -> Document:
    since = {"$dateSubtract": {"startDate": "$$NOW", "unit": "second", "amount": seconds}}
    return {"$gt": ["$$this.at", since]}
