"""How the database is, and what its run records say, for probes and metrics.

Through a client of its own, with two seconds for everything: Motor's threads wait for a server that
does not answer, and a probe would wait behind them for as long as they do. It only reads.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct
from pymongo import AsyncMongoClient, ReadPreference
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError

from chesscoach.emails.store.outbox_values import STATES, State
from chesscoach.errors import StoreUnavailable
from chesscoach.mongo.client import Document
from chesscoach.mongo.errors import translate, translates_errors
from chesscoach.schedules.iso_week import Week
from chesscoach.schedules.outcome import RUN_OUTCOMES, SKIP_OUTCOMES
from chesscoach.worker.store import run_documents, schedules
from chesscoach.worker.store.schedules import StoredSchedule

TIME_LIMIT_S = 2.0
_EMAILS_LIMIT_S = 1.0
"""Of that for counting mails; half a million take 0.6 s."""
_EPOCH = datetime.fromtimestamp(0, UTC)
_CLIENT_OPTIONS: dict[str, Any] = {
    "appname": "chesscoach-probe",
    "timeoutms": int(TIME_LIMIT_S * 1000),
    "serverselectiontimeoutms": int(TIME_LIMIT_S * 1000),
    "connecttimeoutms": int(TIME_LIMIT_S * 1000),
    "maxpoolsize": 4,
    "tz_aware": True,
    "datetime_conversion": "DATETIME_AUTO",
    "unicode_decode_error_handler": "replace",
}


class RunStatistics(Struct, frozen=True, kw_only=True):
    """What the run records say, whoever ran: by job, and all schedules.

    `running_since` is when the oldest living run began. `recent` counts what ended since some
    instant, by job and outcome (0 too); a record of several slots counts as so many. `mails`
    counts the rows of the outbox by state (0 too), from some week on; None if there are too many
    to be counted in time.
    """

    last_success: dict[str, datetime]
    running_since: dict[str, datetime]
    recent: dict[tuple[str, str], int]
    schedules: tuple[StoredSchedule, ...]
    emails: dict[State, int] | None


class Probe:
    """Asks the server; StoreUnavailable or StoreFailed within two seconds if it cannot."""

    def __init__(self, database: "AsyncDatabase[Document]", ttl_s: float) -> None:
        self._database = database
        self._runs = database["job_runs"]
        self._ttl_s = ttl_s

    @translates_errors
    async def ping(self) -> None:
        """Returns when a server that takes writes has answered."""
        async with _time_limit():
            await self._database.command("ping")

    @translates_errors
    async def statistics(self, jobs: Sequence[str], since: datetime, first: Week) -> RunStatistics:
        """What is recorded of these jobs, and of the mails of a week and those after it."""
        async with _time_limit():
            return RunStatistics(
                last_success=await self._last_success(jobs),
                running_since=await self._running_since(jobs),
                recent=await self._recent(jobs, since),
                schedules=await self._schedules(),
                emails=await self._emails(first),
            )

    async def _last_success(self, jobs: Sequence[str]) -> dict[str, datetime]:
        """When each job's newest run with exit code 0 ended, whoever is missing had none."""
        found = {}
        for job in jobs:
            row = await self._runs.find_one(
                {
                    "job": job,
                    "outcome": {"$in": ["succeeded", "partial"]},
                    "finished_at": {"$gt": _EPOCH},  # the index has nothing else
                    "exit_code": 0,
                    "part": None,
                },
                {"finished_at": 1},
                sort=[("finished_at", -1)],
            )
            if row is not None:
                found[job] = row["finished_at"]
        return found

    async def _running_since(self, jobs: Sequence[str]) -> dict[str, datetime]:
        rows = await self._runs.aggregate(
            [
                {"$match": {"outcome": "running", "job": {"$in": list(jobs)}}},
                {"$sort": {"started_at": -1}},
                {"$limit": 1000},
                {
                    "$project": {
                        "job": 1,
                        "outcome": 1,
                        "started_at": 1,
                        "lease": 1,
                        "claim": 1,
                        "claimed_at": 1,
                    }
                },
                *run_documents.LEASE_STAGES,
            ]
        )
        # The newest first, so that the oldest is what stays.
        return {
            row["job"]: row["started_at"]
            async for row in rows
            if not run_documents.is_orphaned(row, self._ttl_s)
        }

    async def _recent(self, jobs: Sequence[str], since: datetime) -> dict[tuple[str, str], int]:
        outcomes: Sequence[str] = (*RUN_OUTCOMES, *SKIP_OUTCOMES)
        found = {(job, outcome): 0 for job in jobs for outcome in outcomes}
        for ended, count in ((RUN_OUTCOMES, 1), (SKIP_OUTCOMES, {"$ifNull": ["$count", 1]})):
            # Without a look at the documents for the many: the index has all that is asked.
            rows = await self._runs.aggregate(
                [
                    {
                        "$match": {
                            "job": {"$in": list(jobs)},
                            "outcome": {"$in": list(ended)},
                            "finished_at": {"$gte": since},
                        }
                    },
                    {
                        "$group": {
                            "_id": {"job": "$job", "outcome": "$outcome"},
                            "count": {"$sum": count},
                        }
                    },
                ]
            )
            async for row in rows:
                found[row["_id"]["job"], row["_id"]["outcome"]] = int(row["count"])
        return found

    async def _emails(self, first: Week) -> dict[State, int] | None:
        """A row for each player and week: what is asked before must not fail for it."""
        try:
            async with asyncio.timeout(_EMAILS_LIMIT_S):
                # Without a look at the documents, which hold letters: the index has all of it.
                rows = await self._database["email_outbox"].aggregate(
                    [
                        {"$match": {"week": {"$gte": first.key}}},
                        {"$group": {"_id": "$state", "count": {"$sum": 1}}},
                    ]
                )
                found = {row["_id"]: int(row["count"]) async for row in rows}
        except TimeoutError:
            return None
        return {state: found.get(state, 0) for state in STATES}

    async def _schedules(self) -> tuple[StoredSchedule, ...]:
        rows = self._database["schedules"].find(schedules.SCHEDULES_ONLY)
        return tuple([schedules.from_document(row) async for row in rows])


@asynccontextmanager
async def _time_limit() -> AsyncIterator[None]:
    """The driver's own limit is for one operation; this one is for all of them."""
    try:
        async with asyncio.timeout(TIME_LIMIT_S):
            yield
    except TimeoutError:
        msg = f"MongoDB did not answer within {TIME_LIMIT_S:g} s"
        raise StoreUnavailable(msg) from None


@asynccontextmanager
async def open_probe(url: str, database: str, ttl_s: float) -> AsyncIterator[Probe]:
    """A probe of the database of that name; it connects when it is first asked.

    Args:
        url: as in `MONGO_URL`; what it says of timeouts is overruled.
        database: its name.
        ttl_s: how long a lease lives.

    Raises:
        StoreUnavailable: the URL cannot be used.
    """
    try:
        client = await asyncio.to_thread(_client, url)
    except PyMongoError as error:
        raise translate(error) from None
    try:
        yield Probe(client.get_database(database, read_preference=ReadPreference.PRIMARY), ttl_s)
    finally:
        with suppress(TimeoutError, PyMongoError):
            async with asyncio.timeout(TIME_LIMIT_S):
                await client.close()


def _client(url: str) -> "AsyncMongoClient[Document]":
    return AsyncMongoClient(url, **_CLIENT_OPTIONS)
