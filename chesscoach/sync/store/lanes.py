"""The lane of a source: one request in flight in the cluster, and the limits that it set.

A lane is the lease `lane:{source}`. Its document also holds the pause that the source asked for
and the end of an open breaker. It counts the accounts of the last ten minutes' requests. The
next holder of the lane, in any process, respects them too.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec
from msgspec import Struct

from chesscoach import log
from chesscoach.errors import LeaseLost, SourceUnavailable
from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.collection import MongoCollection
from chesscoach.mongo.readable import convert_readable
from chesscoach.worker.store.lease import Lease
from chesscoach.worker.store.leases import Leases

_WINDOW_S = 600
_DAY_S = 86_400
_DAILY_LIMIT_FACTOR = 15
"""Lichess's limit for a day, in limits for ten minutes: 120,000 users to 8,000."""


def _in_seconds(seconds: float) -> Document:
    amount = int(seconds * 1000)
    return {"$dateAdd": {"startDate": "$$NOW", "unit": "millisecond", "amount": amount}}


def _seconds_until(field: str) -> Document:
    return {"$divide": [{"$subtract": [{"$ifNull": [field, "$$NOW"]}, "$$NOW"]}, 1000]}


def _if_future(field: str, value: object) -> Document:
    """A value while an instant lies in the future; null after it, and where there is no instant."""
    return {"$cond": [{"$gt": [field, "$$NOW"]}, value, None]}


class LaneStatus(Struct, frozen=True, kw_only=True):
    """Who holds the lane of a source now, and until when the source must get no request.

    `holder` is how the holder describes itself, None if the lane is free. The instants are None
    where their time has passed.
    """

    holder: dict[str, Any] | None = None
    paused_until: datetime | None = None
    closed_until: datetime | None = None


class Breaker(Struct, frozen=True, kw_only=True):
    """The breaker of a source; it counts as open until the source has answered as it should.

    `open_until` is the instant until which it gets no request, None once that has passed.
    """

    is_open: bool
    open_until: datetime | None = None


class SourceLane:
    """Implements `sources.client.Lane` on a lease."""

    def __init__(self, database: Database, leases: Leases, source: str) -> None:
        self._collection = MongoCollection(database, "job_leases")
        self._leases = leases
        self._source = source
        self._key = f"lane:{source}"
        self._process_lock = asyncio.Lock()
        self._request_lock = asyncio.Lock()
        self._lease: Lease | None = None
        self._paused_until = 0.0
        self._closed_until: datetime | None = None
        self.pauses = 0
        self.closings = 0

    @property
    def fence(self) -> int:
        """Grows with each holder; what is written under the lane carries it."""
        return self._held_lease().fence

    def _held_lease(self) -> Lease:
        if self._lease is None:
            msg = f"the lane of {self._source} is not held"
            raise LeaseLost(msg)
        return self._lease

    async def status(self) -> LaneStatus:
        """The status of the lane on the server's clock; does not take it."""
        status = await self._project(
            {
                "holder": _if_future("$expires_at", {"$ifNull": ["$holder", {}]}),
                "paused_until": _if_future("$paused_until", "$paused_until"),
                "closed_until": _if_future("$closed_until", "$closed_until"),
            }
        )
        readable = convert_readable(
            "job_leases", [status], lambda document: msgspec.convert(document, LaneStatus)
        )
        return readable[0] if readable else LaneStatus()

    async def breaker(self) -> Breaker:
        """Whether the breaker has opened and the source has not answered since."""
        closed = _if_future("$closed_until", "$closed_until")
        fields = await self._project({"closings": 1, "closed_until": closed})
        closings, until = fields.get("closings"), fields.get("closed_until")
        counted = isinstance(closings, int) and closings > 0
        return Breaker(
            is_open=counted or until is not None,
            open_until=until if isinstance(until, datetime) else None,
        )

    async def _project(self, fields: Document) -> Document:
        """Fields of the lane's document, on the server's clock; none if there is no document."""
        documents = await self._collection.aggregate(
            [{"$match": {"_id": self._key}}, {"$project": {"_id": 0, **fields}}]
        )
        return documents[0] if documents else {}

    @asynccontextmanager
    async def acquire(self, holder: dict[str, Any]) -> AsyncIterator[None]:
        """Waits until the lane is free, holds it, and releases it at the end.

        Raises:
            SourceUnavailable: the breaker of the source is open.
        """
        async with self._process_lock:
            await self._leases.ensure(self._key)  # also after its document was deleted
            lease = await self._wait(holder)
            try:
                await self._load_state()
                self._raise_if_closed()
                self._lease = lease
                yield
            finally:
                self._lease = None
                await self._leases.release(lease)

    async def _wait(self, holder: dict[str, Any]) -> Lease:
        logged = False
        while (lease := await self._leases.acquire(self._key, holder)) is None:
            if not logged:
                log.get_logger().info("lane_waiting", lane=self._key)
                logged = True
            await asyncio.sleep(min(self._leases.ttl_s / 5, 1.0))
        return lease

    async def _load_state(self) -> None:
        state = await self._project(
            {
                "pauses": 1,
                "closings": 1,
                "closed_until": _if_future("$closed_until", "$closed_until"),
                "pause_s": _seconds_until("$paused_until"),
            }
        )
        self.pauses = state.get("pauses", 0)
        self.closings = state.get("closings", 0)
        self._paused_until = asyncio.get_running_loop().time() + state.get("pause_s", 0)
        self._closed_until = state.get("closed_until")

    def _raise_if_closed(self) -> None:
        if self._closed_until is not None:
            msg = f"{self._source} gets no request until {self._closed_until:%Y-%m-%dT%H:%M:%SZ}"
            raise SourceUnavailable(msg)

    @asynccontextmanager
    async def request_slot(self) -> AsyncIterator[None]:
        """The time of one request: after any pause, and only while the lane is held.

        Raises:
            SourceUnavailable: the breaker of the source has opened since the lane was taken.
            LeaseLost: the lane could not be kept; the request was cancelled.
        """
        lease = self._held_lease()
        async with self._request_lock:
            self._raise_if_closed()
            await asyncio.sleep(self._paused_until - asyncio.get_running_loop().time())
            async with lease.scope():
                yield

    async def pause(self, seconds: float) -> None:
        """Delays the next request, of any process; counts the pauses in a row."""
        self.pauses += 1
        self._paused_until = asyncio.get_running_loop().time() + seconds
        await self._update_state({"pauses": self.pauses, "paused_until": _in_seconds(seconds)})

    async def open_breaker(self, seconds: float) -> datetime:
        """Ends all requests of all processes for a time; returns until when."""
        self.pauses, self.closings = 0, self.closings + 1
        document = await self._update_state(
            {"pauses": 0, "closings": self.closings, "closed_until": _in_seconds(seconds)}
        )
        self._closed_until = document["closed_until"] if document else datetime.now(UTC)
        return self._closed_until

    async def reset(self) -> None:
        """The source answered as it should: past pauses and closings no longer count."""
        self.pauses = self.closings = 0
        await self._update_state({"pauses": 0, "closings": 0})

    async def _update_state(self, fields: Document) -> Document | None:
        """Changes the lane's document; None if the lane is lost."""
        owner = self._lease.owner if self._lease else None
        return await self._collection.find_one_and_update(
            {"_id": self._key, "owner": owner}, [{"$set": fields}]
        )

    async def consume(self, amount: int, limit: int) -> None:
        """Takes `amount` out of the source's allowance of `limit` in any ten minutes, or waits.

        Raises:
            SourceUnavailable: the day's allowance, 15 times that, is spent.
        """
        while (wait := await self._try_consume(amount, limit)) > 0:
            if wait > _WINDOW_S:
                until = datetime.now(UTC) + timedelta(seconds=wait)
                msg = (
                    f"{self._source}: the day's allowance is spent until {until:%Y-%m-%dT%H:%M:%SZ}"
                )
                raise SourceUnavailable(msg)
            log.get_logger().info("allowance_waiting", lane=self._key, wait_s=round(wait, 1))
            await asyncio.sleep(wait)

    async def _try_consume(self, amount: int, limit: int) -> float:
        """Seconds to wait before the next attempt; 0 if the amount was taken."""
        token = uuid4().hex
        entry = {"at": "$$NOW", "amount": {"$literal": amount}, "token": token}
        daily_limit = limit * _DAILY_LIMIT_FACTOR
        fits = {
            "$and": [
                {"$lte": [{"$add": [{"$sum": "$lately.amount"}, amount]}, limit]},
                {"$lte": [{"$add": [{"$sum": "$spent.amount"}, amount]}, daily_limit]},
            ]
        }
        taken = {"$cond": [fits, {"$concatArrays": ["$spent", [entry]]}, "$spent"]}
        document: Any = await self._collection.find_one_and_update(
            {"_id": self._key},
            [
                {"$set": {"spent": _entries_younger_than(_DAY_S), "asked_at": "$$NOW"}},
                {"$set": {"lately": _entries_younger_than(_WINDOW_S)}},
                {"$set": {"spent": taken}},
            ],
        )
        spent, lately = document["spent"], document["lately"]
        if any(item["token"] == token for item in spent):
            return 0.0
        day_is_spent = sum(item["amount"] for item in spent) + amount > daily_limit
        window_s, items = (_DAY_S, spent) if day_is_spent else (_WINDOW_S, lately)
        oldest = min((item["at"] for item in items), default=document["asked_at"])
        waited_s: float = (document["asked_at"] - oldest).total_seconds()
        return max(window_s - waited_s, 0.1)


def _entries_younger_than(seconds: int) -> Document:
    since = {"$dateSubtract": {"startDate": "$$NOW", "unit": "second", "amount": seconds}}
    entries = {"$ifNull": ["$spent", []]}
    return {"$filter": {"input": entries, "cond": {"$gt": ["$$this.at", since]}}}
