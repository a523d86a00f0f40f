"""Runs: who works which slot, and what became of it.

A scheduled run is the document `{schedule}:{slot}` in `job_runs`, inserted before any work: who
inserts it works the slot. A run by hand is `{job}:manual:{uuid}`. `claim` is the token of the
attempt that owns the document; only that attempt may write to it.
"""

from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import msgspec
from bson import Timestamp
from msgspec import Struct
from pymongo.errors import BulkWriteError, DuplicateKeyError

from chesscoach.models import Counts, Outcome, Slot
from chesscoach.store.client import Database, Document
from chesscoach.store.faults import only_duplicates, spoken

_CLOSED = ("succeeded", "partial", "missed", "coalesced", "skipped_overlap")
_SPENT = ("failed", "timed_out")  # closed once the attempts are used up
_AGAIN = ("abandoned", "cancelled")
_NOT_WORKED = ("missed", "coalesced", "skipped_overlap")
_AGE = {
    "$set": {
        "age_s": {"$divide": [{"$subtract": ["$$NOW", {"$toDate": "$claimed_at"}]}, 1000]},
    }
}
_HELD = {"$first": "$held"}
WITH_LEASE: list[Document] = [
    {
        "$lookup": {
            "from": "job_leases",
            "localField": "lease",
            "foreignField": "_id",
            "as": "held",
        }
    },
    _AGE,
    {
        "$set": {
            "has_lease": {
                "$let": {"vars": {"held": _HELD}, "in": {"$eq": ["$$held.owner", "$claim"]}}
            },
            "lapsed": {
                "$let": {
                    "vars": {"held": _HELD},
                    "in": {"$lte": ["$$held.expires_at", "$$NOW"]},
                }
            },
        }
    },
]
"""Stages that add to a run's row what `is_dead` judges by."""


class Earlier(Struct, frozen=True, kw_only=True):
    """An attempt at a slot that did not close it."""

    attempt: int
    outcome: Outcome
    owner: dict[str, Any]
    started_at: datetime
    finished_at: datetime | None = None


class RunRecord(Struct, frozen=True, kw_only=True):
    """A run as it stands in the store; `id` names it in logs too.

    `lateness_s` is how long after its slot it began. A record of several slots that were not worked
    has the `first` of them, their `count` and the `reason`. `age_s` is how long ago the attempt was
    claimed, in seconds on the server's clock. `earlier` are the attempts before this one.
    """

    id: str
    job: str
    source: str
    outcome: Outcome
    attempt: int
    claim: str
    owner: dict[str, Any]
    lease: str
    started_at: datetime
    schedule: str | None = None
    slot: datetime | None = None
    finished_at: datetime | None = None
    duration_s: float | None = None
    candidates: int = 0
    done: int = 0
    failed: int = 0
    skipped: int = 0
    notes: dict[str, int | str] = {}
    errors: list[dict[str, str]] = []
    exit_code: int | None = None
    lateness_s: float | None = None
    reason: str | None = None
    first: datetime | None = None
    count: int = 1
    age_s: float = 0.0
    earlier: tuple[Earlier, ...] = ()

    def closed(self, max_attempts: int) -> bool:
        """Whether the slot is done with: nobody may work it again."""
        spent = self.outcome in _SPENT and self.attempt >= max_attempts
        return self.outcome in _CLOSED or spent


class NewRun(Struct, frozen=True, kw_only=True):
    """What a claim writes."""

    id: str
    job: str
    source: str
    claim: str
    owner: dict[str, Any]
    lease: str
    started_at: datetime
    slot: Slot | None = None
    outcome: Outcome = "running"


class NewSpan(Struct, frozen=True, kw_only=True):
    """Slots that are accounted for together without being worked: a record under the last one.

    `first` and `count` tell which they are; `reason` is for people.
    """

    job: str
    first: Slot
    last: Slot
    count: int
    outcome: Outcome
    source: str
    at: datetime
    reason: str


class OpenRun(Struct, frozen=True, kw_only=True):
    """A run that is not over: `dead` says that nobody works it any more.

    A run that is claimed takes its lease at once; one that has none twice a lease's life after its
    claim will not take it any more.
    """

    record: RunRecord
    dead: bool


class Runs:
    """The run records of a database."""

    def __init__(self, database: Database, ttl_s: float) -> None:
        self._rows = database["job_runs"]
        self._ttl_s = ttl_s

    @spoken
    async def claim(self, run: NewRun) -> RunRecord:
        """Inserts the run, or returns the one that stands; ours is the one with our claim."""
        with suppress(DuplicateKeyError):  # another's, or our own insert repeated by the driver
            await self._rows.insert_one(_row(run))
        found = await self.find(run.id)
        if found is None:  # deleted in between: by retention, so it was old and closed
            return await self.claim(run)
        return found

    @spoken
    async def claim_many(self, runs: Sequence[NewRun]) -> set[str]:
        """Inserts runs; the ids of those that are ours."""
        rows = [_row(run) for run in runs]
        claims = {run.id: run.claim for run in runs}
        try:
            await self._rows.insert_many(rows, ordered=False)
        except BulkWriteError as error:
            if not only_duplicates(error):
                raise
            taken = {runs[item["index"]].id for item in error.details["writeErrors"]}
        else:
            return set(claims)
        # After a repeated write a duplicate may be our own.
        found = self._rows.find({"_id": {"$in": list(taken)}}, {"claim": 1})
        return (set(claims) - taken) | {
            row["_id"] async for row in found if row["claim"] == claims[row["_id"]]
        }

    @spoken
    async def account_for(self, spans: Sequence[NewSpan]) -> list[NewSpan]:
        """Records slots that are not worked; returns those that nobody else had recorded."""
        if not spans:
            return []
        rows = [
            {
                "_id": span.last.key,
                "job": span.job,
                "schedule": span.last.schedule,
                "slot": span.last.at,
                "first": span.first.at,
                "count": span.count,
                "outcome": span.outcome,
                "reason": span.reason,
                "attempt": 0,
                "source": span.source,
                "claim": "",
                "owner": {},
                "lease": "",
                "started_at": span.at,
                "finished_at": span.at,
                "claimed_at": Timestamp(0, 0),
            }
            for span in spans
        ]
        try:
            await self._rows.insert_many(rows, ordered=False)
        except BulkWriteError as error:
            if not only_duplicates(error):
                raise
            taken = {item["index"] for item in error.details["writeErrors"]}
            return [span for number, span in enumerate(spans) if number not in taken]
        return list(spans)

    @spoken
    async def newest_slots(self) -> dict[str, datetime]:
        """The newest recorded slot of each schedule."""
        rows = self._rows.aggregate(
            [
                {"$match": {"schedule": {"$type": "string"}}},
                {"$sort": {"schedule": 1, "slot": -1}},
                {"$group": {"_id": "$schedule", "slot": {"$first": "$slot"}}},
            ]
        )
        return {row["_id"]: row["slot"] async for row in rows}

    @spoken
    async def open(
        self, schedules: Sequence[str], max_attempts: int, limit: int = 500
    ) -> list[OpenRun]:
        """Runs that are at work, and those of some schedules that may be worked again."""
        again = {"outcome": {"$in": list(_AGAIN)}, "schedule": {"$in": list(schedules)}}
        left = {
            "outcome": {"$in": list(_SPENT)},
            "attempt": {"$lt": max_attempts},
            "schedule": {"$in": list(schedules)},
        }
        rows = await self._rows.aggregate(
            [
                {"$match": {"$or": [{"outcome": "running"}, again, left]}},
                {"$sort": {"started_at": 1}},
                {"$limit": limit},
                *WITH_LEASE,
            ]
        ).to_list(None)
        return [OpenRun(record=_record(row), dead=is_dead(row, self._ttl_s)) for row in rows]

    @spoken
    async def close(self, old: RunRecord, outcome: Outcome, reason: str, at: datetime) -> bool:
        """Ends a run that nobody works any more; False if somebody does after all."""
        result = await self._rows.update_one(
            {"_id": old.id, "claim": old.claim, "outcome": old.outcome},
            {"$set": {"outcome": outcome, "reason": reason, "finished_at": at}},
        )
        return bool(result.matched_count)

    @spoken
    async def forget(self, before: datetime) -> int:
        """Deletes the records of runs that ended before an instant, but each schedule's newest."""
        newest = await self.newest_slots()
        keep = [f"{Slot(schedule=key, at=at).key}" for key, at in newest.items()]
        result = await self._rows.delete_many(
            {
                "started_at": {"$lt": before},
                "finished_at": {"$lt": before},
                "_id": {"$nin": keep},
            }
        )
        return int(result.deleted_count)

    @spoken
    async def recent(
        self, *, job: str | None, schedule: str | None, outcome: str | None, limit: int
    ) -> list[RunRecord]:
        """The newest runs, newest first, of a job, a schedule, an outcome."""
        given = {"job": job, "schedule": schedule, "outcome": outcome}
        query = {key: value for key, value in given.items() if value is not None}
        return await self._found(
            [{"$match": query}, {"$sort": {"started_at": -1}}, {"$limit": limit}]
        )

    @spoken
    async def covering(self, schedule: str, at: datetime) -> RunRecord | None:
        """The record that accounts for a slot: its own, or that of a range in which it lies."""
        return await self._first(
            [
                {
                    "$match": {
                        "schedule": schedule,
                        "slot": {"$gte": at},
                        "$or": [{"slot": at}, {"first": {"$lte": at}}],
                    }
                },
                {"$sort": {"slot": 1}},
            ]
        )

    @spoken
    async def of(self, run_ids: Collection[str]) -> dict[str, RunRecord]:
        """Runs by their ids; those that there are not are left out."""
        found = await self._found([{"$match": {"_id": {"$in": list(run_ids)}}}])
        return {record.id: record for record in found}

    @spoken
    async def stood_for(self, slot: Slot) -> bool:
        """Whether a newer slot of the schedule has been worked, or will be.

        One that was itself passed over (perhaps because of this very slot's run) stands for none.
        """
        row = await self._rows.find_one(
            {
                "schedule": slot.schedule,
                "slot": {"$gt": slot.at},
                "outcome": {"$nin": list(_NOT_WORKED)},
            },
            {"_id": 1},
        )
        return row is not None

    @spoken
    async def insist(self, run: NewRun) -> bool:
        """Says that an attempt lives, and which lease it has or waits for.

        False if the run is another's by now. Who holds the lease when he says so is safe: from then
        on others go by the lease.
        """
        result = await self._rows.update_one(
            {"_id": run.id, "claim": run.claim, "outcome": "running"},
            {
                "$set": {"lease": run.lease},
                "$currentDate": {"claimed_at": {"$type": "timestamp"}},
            },
        )
        return bool(result.matched_count)

    @spoken
    async def reclaim(self, old: RunRecord, run: NewRun) -> bool:
        """Takes an open or orphaned slot over as its next attempt; False if another was faster."""
        result = await self._rows.update_one(
            {"_id": old.id, "claim": old.claim, "outcome": old.outcome},
            {
                "$set": {
                    "outcome": "running",
                    "claim": run.claim,
                    "owner": run.owner,
                    "source": run.source,
                    "started_at": run.started_at,
                    "finished_at": None,
                    "duration_s": None,
                    "exit_code": None,
                    **_counted(Counts()),
                },
                "$inc": {"attempt": 1},
                "$currentDate": {"claimed_at": {"$type": "timestamp"}},
                "$push": {
                    "earlier": {
                        "attempt": old.attempt,
                        "outcome": "abandoned" if old.outcome == "running" else old.outcome,
                        "owner": old.owner,
                        "started_at": old.started_at,
                        "finished_at": old.finished_at,
                    }
                },
            },
        )
        if result.matched_count:
            return True
        now = await self.find(old.id)  # a repeated update finds its own work
        return now is not None and now.claim == run.claim

    @spoken
    async def find(self, run_id: str) -> RunRecord | None:
        """A run by its id."""
        return await self._first([{"$match": {"_id": run_id}}])

    @spoken
    async def newest(self, schedule: str) -> RunRecord | None:
        """The newest recorded slot of a schedule."""
        return await self._first(
            [{"$match": {"schedule": schedule}}, {"$sort": {"slot": -1}}, {"$limit": 1}]
        )

    async def _first(self, pipeline: list[Document]) -> RunRecord | None:
        found = await self._found([*pipeline, {"$limit": 1}])
        return found[0] if found else None

    async def _found(self, pipeline: list[Document]) -> list[RunRecord]:
        rows = await self._rows.aggregate([*pipeline, _AGE]).to_list(None)
        return [_record(row) for row in rows]

    @spoken
    async def report(self, run_id: str, claim: str, counts: Counts, fence: int) -> bool:
        """Writes how far an attempt has come; False if the run is no longer its own."""
        result = await self._rows.update_one(
            {"_id": run_id, "claim": claim, "outcome": "running"},
            {
                "$set": {
                    **_counted(counts),
                    "fence": fence,
                }
            },
        )
        return bool(result.matched_count)

    @spoken
    async def finish(
        self,
        run_id: str,
        claim: str,
        *,
        outcome: Outcome,
        counts: Counts,
        finished_at: datetime,
        duration_s: float,
        exit_code: int,
        reason: str | None = None,
    ) -> bool:
        """Writes the end of an attempt; False if the run has gone to another attempt."""
        result = await self._rows.update_one(
            {"_id": run_id, "claim": claim},
            {
                "$set": {
                    **_counted(counts),
                    "outcome": outcome,
                    "finished_at": finished_at,
                    "duration_s": duration_s,
                    "exit_code": exit_code,
                    "reason": reason,
                }
            },
        )
        return bool(result.matched_count)


def is_dead(row: Document, ttl_s: float) -> bool:
    """Whether nobody works a run any more, by its row `WITH_LEASE`."""
    if row["outcome"] != "running":
        return True
    return bool(row["lapsed"] if row["has_lease"] else row["age_s"] > 2 * ttl_s)


def _record(row: Document) -> RunRecord:
    return msgspec.convert({**row, "id": row["_id"]}, RunRecord)


def _row(run: NewRun) -> Document:
    slot = run.slot
    return {
        "_id": run.id,
        "job": run.job,
        "schedule": slot.schedule if slot else None,
        "slot": slot.at if slot else None,
        "outcome": run.outcome,
        "attempt": 1,
        "source": run.source,
        "claim": run.claim,
        "owner": run.owner,
        "lease": run.lease,
        "started_at": run.started_at,
        "lateness_s": (run.started_at - slot.at).total_seconds() if slot else None,
        "claimed_at": Timestamp(0, 0),  # the server fills it in
    }


def _counted(counts: Counts) -> Document:
    fields: Document = msgspec.to_builtins(counts)
    return fields
