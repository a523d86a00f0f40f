"""Runs: who works which slot, and what became of it.

A scheduled run is the document `{schedule}:{slot}` in `job_runs`, inserted before any work: who
inserts it works the slot. A run by hand is `{job}:manual:{uuid}`. `claim` is the token of the
attempt that owns the document; only that attempt may write to it.
"""

from contextlib import suppress
from datetime import datetime
from typing import Any

import msgspec
from bson import Timestamp
from msgspec import Struct
from pymongo.errors import DuplicateKeyError

from chesscoach.models import Counts, Outcome, Slot
from chesscoach.store.client import Database, Document
from chesscoach.store.faults import spoken

_CLOSED = ("succeeded", "partial", "missed", "coalesced", "skipped_overlap")
_SPENT = ("failed", "timed_out")  # closed once the attempts are used up


class RunRecord(Struct, frozen=True, kw_only=True):
    """A run as it stands in the store; `id` names it in logs too.

    `age_s` is how long ago the attempt was claimed, in seconds on the server's clock.
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
    age_s: float = 0.0

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


class Runs:
    """The run records of a database."""

    def __init__(self, database: Database) -> None:
        self._rows = database["job_runs"]

    @spoken
    async def claim(self, run: NewRun) -> RunRecord:
        """Inserts the run, or returns the one that stands; ours is the one with our claim."""
        row: Document = {
            "_id": run.id,
            "job": run.job,
            "schedule": run.slot.schedule if run.slot else None,
            "slot": run.slot.at if run.slot else None,
            "outcome": run.outcome,
            "attempt": 1,
            "source": run.source,
            "claim": run.claim,
            "owner": run.owner,
            "lease": run.lease,
            "started_at": run.started_at,
            "claimed_at": Timestamp(0, 0),  # the server fills it in
        }
        with suppress(DuplicateKeyError):  # another's, or our own insert repeated by the driver
            await self._rows.insert_one(row)
        found = await self.find(run.id)
        if found is None:  # deleted in between: by retention, so it was old and closed
            return await self.claim(run)
        return found

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
        claimed = {"$toDate": "$claimed_at"}
        age = {"$set": {"age_s": {"$divide": [{"$subtract": ["$$NOW", claimed]}, 1000]}}}
        rows = await self._rows.aggregate([*pipeline, age]).to_list(1)
        if not rows:
            return None
        return msgspec.convert({**rows[0], "id": rows[0]["_id"]}, RunRecord)

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
                }
            },
        )
        return bool(result.matched_count)


def _counted(counts: Counts) -> Document:
    fields: Document = msgspec.to_builtins(counts)
    return fields
