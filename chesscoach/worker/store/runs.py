"""Runs: which process runs which slot, and how that ended.

A scheduled run is the document `{schedule}:{slot}` in `job_runs`. The process that inserts it runs
the slot, and only after that. A shard of a slot is a run of its own, `{schedule}:{slot}#{I}/{N}`. A
manual run is `{job}:manual:{uuid}`. `claim` is the token of the attempt that owns the document;
only that attempt may write to it.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from chesscoach.errors import StoreFailed
from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.collection import MongoCollection
from chesscoach.mongo.readable import convert_readable
from chesscoach.schedules.outcome import (
    CLOSED_OUTCOMES,
    FAILED_OUTCOMES,
    RETRY_OUTCOMES,
    SKIP_OUTCOMES,
    Counts,
    Outcome,
)
from chesscoach.schedules.schedule import Slot
from chesscoach.worker.shard import ALL_USERS, Shard
from chesscoach.worker.store import run_documents
from chesscoach.worker.store.cancellations import Cancellations
from chesscoach.worker.store.run_documents import NewRun, OpenRun, RunRecord, SkippedRange
from chesscoach.worker.store.run_list import RunList

_NAME = "job_runs"
_NOW = {"$currentDate": {"claimed_at": {"$type": "timestamp"}}}


class Runs:
    """The run records of a database."""

    def __init__(self, database: Database, ttl_s: float) -> None:
        self._collection = MongoCollection(database, _NAME)
        self._ttl_s = ttl_s
        self.cancellations = Cancellations(self._collection)
        self.list = RunList(self._collection)

    # Claims

    async def claim_many(self, runs: Sequence[NewRun]) -> set[str]:
        """Inserts runs; the ids of those that are ours.

        Raises:
            DuplicateDocument: a unique index that is not ours refuses every one of them.
        """
        insertions = await self._collection.insert_each(
            [run_documents.new_document(run) for run in runs]
        )
        if runs and insertions.count("refused") == len(runs):
            raise self._collection.refusal(len(runs))
        ours = {run.id for run, what in zip(runs, insertions, strict=True) if what == "new"}
        claims = {run.id: run.claim for run in runs if run.id not in ours}
        if claims:  # after a repeated write an existing document may be our own
            existing = await self._collection.find({"_id": {"$in": list(claims)}}, {"claim": 1})
            ours |= {run["_id"] for run in existing if run["claim"] == claims[run["_id"]]}
        return ours

    async def claim(self, run: NewRun) -> RunRecord:
        """Inserts a run unless its id exists; returns the record, which is ours by its claim.

        Raises:
            StoreFailed: the record cannot be read, or was not found after two inserts.
        """
        for _ in range(2):  # a record that is deleted in between was old and closed
            await self.claim_many([run])
            if (record := await self.find(run.id)) is not None:
                return record
        msg = f"job_runs: the record of {run.id} was inserted twice and not found"
        raise StoreFailed(msg)

    async def confirm_claim(self, run: NewRun) -> bool:
        """Says that an attempt lives, and which lease it has or waits for.

        False if another process has taken the run over. A process that holds the lease when it
        confirms is safe: from then on others judge it by the lease.
        """
        query = {"_id": run.id, "claim": run.claim, "outcome": "running"}
        return await self._update(query, {"$set": {"lease": run.lease}, **_NOW})

    async def reclaim(self, old: RunRecord, run: NewRun) -> bool:
        """Takes an open or orphaned slot over as its next attempt; False if another was faster."""
        fields = {
            "outcome": "running",
            "claim": run.claim,
            "owner": run.owner,
            "source": run.source,
            "started_at": run.started_at,
            "finished_at": None,
            "duration_s": None,
            "exit_code": None,
            **run_documents.count_fields(Counts()),
        }
        earlier = {
            "attempt": old.attempt,
            "outcome": "abandoned" if old.outcome == "running" else old.outcome,
            "owner": old.owner,
            "started_at": old.started_at,
            "finished_at": old.finished_at,
        }
        update = {"$set": fields, "$inc": {"attempt": 1}, "$push": {"earlier": earlier}, **_NOW}
        if await self._update(run_documents.unchanged_filter(old), update):
            return True
        now = await self.find(old.id)  # a repeated update finds its own
        return now is not None and now.claim == run.claim

    # The end of runs

    async def report(self, run_id: str, claim: str, counts: Counts, fence: int) -> bool:
        """Writes the progress of an attempt; False if the run is no longer its own."""
        return await self._update(
            {"_id": run_id, "claim": claim, "outcome": "running"},
            {"$set": {**run_documents.count_fields(counts), "fence": fence}},
        )

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
        fields = {
            **run_documents.count_fields(counts),
            "outcome": outcome,
            "finished_at": finished_at,
            "duration_s": duration_s,
            "exit_code": exit_code,
            "reason": reason,
        }
        return await self._update({"_id": run_id, "claim": claim}, {"$set": fields})

    async def close_orphaned(
        self, old: RunRecord, outcome: Outcome, reason: str, at: datetime
    ) -> bool:
        """Ends a run that no process holds; False if one has taken it over."""
        fields = {"outcome": outcome, "reason": reason, "finished_at": at}
        return await self._update(run_documents.unchanged_filter(old), {"$set": fields})

    async def record_skipped(self, spans: Sequence[SkippedRange]) -> list[SkippedRange]:
        """Records slots that do not run; returns those that no other process had recorded."""
        inserted = await self._collection.insert_new(
            [run_documents.skipped_document(span) for span in spans]
        )
        return [span for span, is_new in zip(spans, inserted, strict=True) if is_new]

    async def delete_older_than(self, before: datetime) -> int:
        """Deletes the records of runs that ended before an instant, but each schedule's newest."""
        return await self._collection.delete_many(
            {
                "started_at": {"$lt": before},
                "finished_at": {"$lt": before},
                "_id": {"$nin": await self.newest_ids()},
            }
        )

    # Reading

    async def find(self, run_id: str) -> RunRecord | None:
        """A run by its id.

        Raises:
            StoreFailed: its record cannot be read.
        """
        pipeline: list[Document] = [{"$match": {"_id": run_id}}, run_documents.AGE_STAGE]
        documents = await self._collection.aggregate(pipeline)
        return run_documents.to_record(documents[0]) if documents else None

    async def find_many(self, run_ids: Collection[str]) -> dict[str, RunRecord]:
        """Runs by their ids; those that do not exist are left out."""
        records = await self._find_all([{"$match": {"_id": {"$in": list(run_ids)}}}])
        return {record.id: record for record in records}

    async def recent(
        self, *, job: str | None, schedule: str | None, outcome: str | None, limit: int
    ) -> list[RunRecord]:
        """The newest runs, newest first, of a job, a schedule, an outcome."""
        given = {"job": job, "schedule": schedule, "outcome": outcome}
        return (await self.list.page(given, limit)).records

    async def find_covering(self, schedule: str, at: datetime) -> RunRecord | None:
        """The record that accounts for a slot: its own, or that of a range in which it lies.

        For a slot that ran in shards alone it is that of an unfinished shard, if there is one.
        """
        closed = {"$in": ["$outcome", list(CLOSED_OUTCOMES)]}
        own = await self._find_first(
            [
                {"$match": {"schedule": schedule, "slot": at}},
                {"$set": {"closed": closed}},
                {"$sort": {"closed": 1}},
            ]
        )
        covering = {"schedule": schedule, "slot": {"$gt": at}, "first": {"$lte": at}}
        return own or await self._find_first([{"$match": covering}, {"$sort": {"slot": 1}}])

    async def find_open(
        self, schedules: Sequence[str], max_attempts: int, limit: int = 500
    ) -> list[OpenRun]:
        """Runs that are recorded as running, and those of some schedules that may run again."""
        retried = {
            "outcome": {"$in": list(RETRY_OUTCOMES)},
            "schedule": {"$in": list(schedules)},
            "cancel_requested": None,
        }
        failed = {
            "outcome": {"$in": list(FAILED_OUTCOMES)},
            "attempt": {"$lt": max_attempts},
            "schedule": {"$in": list(schedules)},
        }
        documents = await self._collection.aggregate(
            [
                {"$match": {"$or": [{"outcome": "running"}, retried, failed]}},
                {"$sort": {"started_at": 1}},
                {"$limit": limit},
                *run_documents.LEASE_STAGES,
            ]
        )
        return convert_readable(
            _NAME, documents, lambda document: run_documents.to_open_run(document, self._ttl_s)
        )

    async def newest(self, schedule: str) -> RunRecord | None:
        """The record of the newest slot of a schedule; of shards, that of any."""
        return await self._find_first(
            [
                {"$match": {"schedule": schedule, "slot": run_documents.SLOTS}},
                {"$sort": {"slot": -1}},
            ]
        )

    async def newest_slots(self) -> dict[str, datetime]:
        """The newest recorded slot of each schedule."""
        return {
            document["_id"]: document["newest"]
            for document in await self._newest("slot")
            if type(document["_id"]) is str  # an array of texts counts as a text in a query
        }

    async def newest_ids(self) -> list[str]:
        """The id of a record of each schedule's newest slot: what is due follows from it."""
        return [document["newest"] for document in await self._newest("_id")]

    async def is_superseded(self, slot: Slot, shard: Shard = ALL_USERS) -> bool:
        """Whether a newer slot of the schedule has run, or will run, for the users of a shard.

        A newer slot that was itself skipped (perhaps because of this slot's run) does not count.
        Nor does another of the same N shards: it has other users.
        """
        query: Document = {
            "schedule": slot.schedule,
            "slot": {"$gt": slot.at},
            "outcome": {"$nin": list(SKIP_OUTCOMES)},
        }
        if shard.of > 1:
            of_other_division = {"$not": {"$regex": f"/{shard.of}$"}}
            query["$or"] = [{"shard": str(shard)}, {"shard": of_other_division}]
        return await self._collection.find_one(query, {"_id": 1}) is not None

    async def _newest(self, field: str) -> list[Document]:
        # With `$type` in place of `$gt`, the server would read the index of all runs.
        return await self._collection.aggregate(
            [
                {"$match": {"schedule": {"$gt": ""}, "slot": run_documents.SLOTS}},
                {"$sort": {"schedule": 1, "slot": -1}},
                {"$group": {"_id": "$schedule", "newest": {"$first": f"${field}"}}},
            ]
        )

    async def _find_first(self, pipeline: list[Document]) -> RunRecord | None:
        records = await self._find_all([*pipeline, {"$limit": 1}])
        return records[0] if records else None

    async def _find_all(self, pipeline: list[Document]) -> list[RunRecord]:
        documents = await self._collection.aggregate([*pipeline, run_documents.AGE_STAGE])
        return convert_readable(_NAME, documents, run_documents.to_record)

    async def _update(self, query: Document, update: Mapping[str, Any]) -> bool:
        """Updates a run; whether it still was as the query says."""
        return (await self._collection.update_one(query, update)).matched_count == 1
