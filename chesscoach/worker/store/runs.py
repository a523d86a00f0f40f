"""Runs: who works which slot, and what became of it.

A scheduled run is the document `{schedule}:{slot}` in `job_runs`, inserted before any work: who
inserts it works the slot. A run by hand is `{job}:manual:{uuid}`. `claim` is the token of the
attempt that owns the document; only that attempt may write to it. A shard of a slot is a run of its
own, `{schedule}:{slot}#{I}/{N}`.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from itertools import compress

from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.collection import MongoCollection
from chesscoach.schedules.outcome import Counts, Outcome
from chesscoach.schedules.schedule import Slot
from chesscoach.worker.shard import ALL_USERS, Shard
from chesscoach.worker.store import run_documents
from chesscoach.worker.store.run_documents import NewRun, OpenRun, RunRecord, SkippedRange

_RETRY_OUTCOMES = ("abandoned", "cancelled")
_SKIP_OUTCOMES = ("missed", "coalesced", "skipped_overlap")


class Runs:
    """The run records of a database."""

    def __init__(self, database: Database, ttl_s: float) -> None:
        self._collection = MongoCollection(database, "job_runs")
        self._ttl_s = ttl_s

    async def claim(self, run: NewRun) -> RunRecord:
        """Inserts the run, or returns the one that stands; ours is the one with our claim."""
        await self._collection.insert_if_new(run_documents.new_document(run))
        found = await self.find(run.id)
        if found is None:  # deleted in between: by retention, so it was old and closed
            return await self.claim(run)
        return found

    async def claim_many(self, runs: Sequence[NewRun]) -> set[str]:
        """Inserts runs; the ids of those that are ours."""
        inserted = await self._collection.insert_new(
            [run_documents.new_document(run) for run in runs]
        )
        ours = {run.id for run in compress(runs, inserted)}
        claims = {run.id: run.claim for run in runs if run.id not in ours}
        if claims:  # after a repeated write, a duplicate may be our own
            taken = await self._collection.find({"_id": {"$in": list(claims)}}, {"claim": 1})
            ours |= {run["_id"] for run in taken if run["claim"] == claims[run["_id"]]}
        return ours

    async def record_skipped(self, spans: Sequence[SkippedRange]) -> list[SkippedRange]:
        """Records slots that are not worked; returns those that nobody else had recorded."""
        inserted = await self._collection.insert_new(
            [run_documents.skipped_document(span) for span in spans]
        )
        return list(compress(spans, inserted))

    async def newest_slots(self) -> dict[str, datetime]:
        """The newest recorded slot of each schedule."""
        return {row["_id"]: row["newest"] for row in await self._newest_documents("slot")}

    async def _newest_documents(self, field: str) -> list[Document]:
        """A field of the newest record of each schedule, as `newest`."""
        pipeline: list[Document] = [
            {"$match": {"schedule": {"$type": "string"}}},
            {"$sort": {"schedule": 1, "slot": -1}},
            {"$group": {"_id": "$schedule", "newest": {"$first": f"${field}"}}},
        ]
        documents: list[Document] = await self._collection.aggregate(pipeline)
        return documents

    async def find_open(
        self, schedules: Sequence[str], max_attempts: int, limit: int = 500
    ) -> list[OpenRun]:
        """Runs that are at work, and those of some schedules that may be worked again."""
        again = {"outcome": {"$in": list(_RETRY_OUTCOMES)}, "schedule": {"$in": list(schedules)}}
        left = {
            "outcome": {"$in": list(run_documents.FAILED_OUTCOMES)},
            "attempt": {"$lt": max_attempts},
            "schedule": {"$in": list(schedules)},
        }
        rows = await self._collection.aggregate(
            [
                {"$match": {"$or": [{"outcome": "running"}, again, left]}},
                {"$sort": {"started_at": 1}},
                {"$limit": limit},
                *run_documents.LEASE_STAGES,
            ]
        )
        return [
            OpenRun(
                record=run_documents.to_record(row),
                orphaned=run_documents.is_orphaned(row, self._ttl_s),
            )
            for row in rows
        ]

    async def close_orphaned(
        self, old: RunRecord, outcome: Outcome, reason: str, at: datetime
    ) -> bool:
        """Ends a run that nobody works any more; False if somebody does after all."""
        result = await self._collection.update_one(
            {"_id": old.id, "claim": old.claim, "outcome": old.outcome},
            {"$set": {"outcome": outcome, "reason": reason, "finished_at": at}},
        )
        return bool(result.matched_count)

    async def newest_ids(self) -> list[str]:
        """The id of a record of each schedule's newest slot: what is due follows from it."""
        return [row["newest"] for row in await self._newest_documents("_id")]

    async def delete_older_than(self, before: datetime) -> int:
        """Deletes the records of runs that ended before an instant, but each schedule's newest."""
        keep = await self.newest_ids()
        return await self._collection.delete_many(
            {
                "started_at": {"$lt": before},
                "finished_at": {"$lt": before},
                "_id": {"$nin": keep},
            }
        )

    async def recent(
        self, *, job: str | None, schedule: str | None, outcome: str | None, limit: int
    ) -> list[RunRecord]:
        """The newest runs, newest first, of a job, a schedule, an outcome."""
        given = {"job": job, "schedule": schedule, "outcome": outcome}
        query = {key: value for key, value in given.items() if value is not None}
        return await self._find_all(
            [{"$match": query}, {"$sort": {"started_at": -1}}, {"$limit": limit}]
        )

    async def find_covering(self, schedule: str, at: datetime) -> RunRecord | None:
        """The record that accounts for a slot: its own, or that of a range in which it lies.

        A slot that ran in shards alone is as far as the shard that is least far.
        """
        return await self._find_first(
            [
                {
                    "$match": {
                        "schedule": schedule,
                        "slot": {"$gte": at},
                        "$or": [{"slot": at}, {"first": {"$lte": at}}],
                    }
                },
                {"$set": {"done_with": {"$in": ["$outcome", run_documents.CLOSED_OUTCOMES]}}},
                {"$sort": {"slot": 1, "done_with": 1}},
            ]
        )

    async def find_many(self, run_ids: Collection[str]) -> dict[str, RunRecord]:
        """Runs by their ids; those that there are not are left out."""
        found = await self._find_all([{"$match": {"_id": {"$in": list(run_ids)}}}])
        return {record.id: record for record in found}

    async def is_superseded(self, slot: Slot, shard: Shard = ALL_USERS) -> bool:
        """Whether a newer slot of the schedule has run, or will run, for the users of a shard.

        A newer slot that was itself skipped (perhaps because of this slot's run) does not count.
        Nor does another shard of as many: it has other users.
        """
        query: Document = {
            "schedule": slot.schedule,
            "slot": {"$gt": slot.at},
            "outcome": {"$nin": list(_SKIP_OUTCOMES)},
        }
        if shard.of > 1:
            siblings = {"$not": {"$regex": f"/{shard.of}$"}}
            query["$or"] = [{"shard": str(shard)}, {"shard": siblings}]
        return await self._collection.find_one(query, {"_id": 1}) is not None

    async def confirm_claim(self, run: NewRun) -> bool:
        """Says that an attempt lives, and which lease it has or waits for.

        False if the run is another's by now. Who holds the lease when he says so is safe: from then
        on others go by the lease.
        """
        result = await self._collection.update_one(
            {"_id": run.id, "claim": run.claim, "outcome": "running"},
            {
                "$set": {"lease": run.lease},
                "$currentDate": {"claimed_at": {"$type": "timestamp"}},
            },
        )
        return bool(result.matched_count)

    async def reclaim(self, old: RunRecord, run: NewRun) -> bool:
        """Takes an open or orphaned slot over as its next attempt; False if another was faster."""
        result = await self._collection.update_one(
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
                    **run_documents.count_fields(Counts()),
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

    async def find(self, run_id: str) -> RunRecord | None:
        """A run by its id."""
        return await self._find_first([{"$match": {"_id": run_id}}])

    async def newest(self, schedule: str) -> RunRecord | None:
        """The newest recorded slot of a schedule."""
        return await self._find_first(
            [
                {"$match": {"schedule": schedule}},
                {"$sort": {"slot": -1}},
                {"$limit": 1},
            ]
        )

    async def _find_first(self, pipeline: list[Document]) -> RunRecord | None:
        found = await self._find_all([*pipeline, {"$limit": 1}])
        return found[0] if found else None

    async def _find_all(self, pipeline: list[Document]) -> list[RunRecord]:
        rows = await self._collection.aggregate([*pipeline, run_documents.AGE_STAGE])
        return [run_documents.to_record(row) for row in rows]

    async def report(self, run_id: str, claim: str, counts: Counts, fence: int) -> bool:
        """Writes how far an attempt has come; False if the run is no longer its own."""
        result = await self._collection.update_one(
            {"_id": run_id, "claim": claim, "outcome": "running"},
            {
                "$set": {
                    **run_documents.count_fields(counts),
                    "fence": fence,
                }
            },
        )
        return bool(result.matched_count)

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
        result = await self._collection.update_one(
            {"_id": run_id, "claim": claim},
            {
                "$set": {
                    **run_documents.count_fields(counts),
                    "outcome": outcome,
                    "finished_at": finished_at,
                    "duration_s": duration_s,
                    "exit_code": exit_code,
                    "reason": reason,
                }
            },
        )
        return bool(result.matched_count)
