"""The document of `momentum_state`: when momentum began, and how far it has processed."""

from datetime import datetime
from typing import Any

from msgspec import Struct

from chesscoach.errors import LeaseLost, StoreFailed
from chesscoach.momentum.periods import Kind
from chesscoach.mongo import timestamps
from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.collection import MongoCollection

_ID = "momentum"


class State(Struct, frozen=True, kw_only=True):
    """When momentum began, and how far it has processed.

    Nothing before `since` is booked, closed or notified. Batches of the ledger up to `batch` have
    been begun, and those up to `applied` count in the players' progress. Evidence until
    `booked_until` is booked, and all that follows from the batches up to `settled` is done.
    `ranked` has the key of the last period of a kind with ranks.
    """

    started_at: datetime
    since: datetime
    booked_until: datetime
    batch: int = 0
    applied: int = 0
    settled: int = 0
    ranked: dict[Kind, str] = {}


class StateStore:
    """`momentum_state`; a run's writes are refused after another run has taken the lease."""

    def __init__(self, database: Database) -> None:
        self._collection = MongoCollection(database, "momentum_state")
        self._progress = MongoCollection(database, "user_progress")
        self._periods = MongoCollection(database, "momentum_periods")

    async def read(self) -> State | None:
        """The state; None before the first run."""
        document = await self._collection.find_one({"_id": _ID})
        return _to_state(document) if document else None

    async def begin(self, now: datetime, book_since: datetime | None = None) -> State:
        """Records the first instant, unless it is recorded; an earlier `book_since` moves it back.

        What lies between is then booked by the next run. Its periods are closed as well, unless
        some periods have been closed already.
        """
        await self._collection.insert_if_new(
            {
                "_id": _ID,
                "started_at": now,
                "book_since": book_since,
                "booked_until": book_since or now,
                "batch": 0,
                "applied": 0,
                "settled": 0,
                "ranked": {},
                "fence": 0,
            }
        )
        state = await self.read()
        if state is None:
            msg = "momentum_state: the document was deleted while it was written"
            raise StoreFailed(msg)
        if book_since is not None and book_since < state.since:
            fields = {"book_since": book_since, "booked_until": book_since, "ranked": {}}
            if await self._periods.find_one({}) is None:
                closed = {"week_closed": "", "month_closed": ""}
                await self._progress.update_many({"tz": {"$gt": ""}}, {"$unset": closed})
            await self._collection.update_one({"_id": _ID}, {"$set": fields})
            return await self.begin(now)
        return state

    async def take_batch(self, fence: int) -> int:
        """Begins the next batch of the ledger; returns its number.

        Raises:
            LeaseLost: another run has taken the lease.
        """
        document = await self._collection.find_one_and_update(
            {"_id": _ID, "fence": {"$lte": fence}}, {"$inc": {"batch": 1}, "$set": {"fence": fence}}
        )
        if document is None:
            raise _lease_lost()
        return int(document["batch"])

    async def save(self, fence: int, **fields: Any) -> None:
        """Writes fields, such as `applied` or `booked_until`.

        Raises:
            LeaseLost: another run has taken the lease.
        """
        result = await self._collection.update_one(
            {"_id": _ID, "fence": {"$lte": fence}}, {"$set": {**fields, "fence": fence}}
        )
        if not result.matched_count:
            raise _lease_lost()


def _lease_lost() -> LeaseLost:
    return LeaseLost("momentum_state: another run has taken the lease")


def _to_state(document: Document) -> State:
    started = timestamps.parse_instant(document.get("started_at"))
    since = timestamps.parse_instant(document.get("book_since")) or started
    if started is None or since is None:
        msg = "momentum_state: started_at is not an instant"
        raise StoreFailed(msg)
    return State(
        started_at=started,
        since=since,
        booked_until=timestamps.parse_instant(document.get("booked_until")) or since,
        batch=int(document.get("batch") or 0),
        applied=int(document.get("applied") or 0),
        settled=int(document.get("settled") or 0),
        ranked=dict(document.get("ranked") or {}),
    )
