"""The parts of slots that several processes work side by side."""

from datetime import datetime

from chesscoach.mongo.client import Database
from chesscoach.mongo.errors import translates_errors
from chesscoach.schedules.outcome import Counts, Outcome
from chesscoach.schedules.schedule import Slot
from chesscoach.worker.store import run_documents
from chesscoach.worker.store.run_documents import RunRecord


class Shards:
    """Their records in a database; see `runs`."""

    def __init__(self, database: Database) -> None:
        self._collection = database["job_runs"]

    @translates_errors
    async def find_by_slot(self, slot: Slot) -> list[RunRecord]:
        """Those of a slot that have been begun, in their order."""
        query = {"schedule": slot.schedule, "slot": slot.at, "part": {"$ne": None}}
        rows = await self._collection.aggregate(
            [{"$match": query}, {"$sort": {"part": 1}}, run_documents.AGE_STAGE]
        ).to_list(None)
        return [run_documents.to_record(row) for row in rows]

    @translates_errors
    async def close_slot(
        self,
        slot: Slot,
        *,
        outcome: Outcome,
        counts: Counts,
        finished_at: datetime,
        duration_s: float,
        exit_code: int,
    ) -> bool:
        """Closes a slot whose parts have all ended; False if somebody else has."""
        result = await self._collection.update_one(
            {"_id": slot.key, "outcome": {"$in": ["running", "abandoned"]}},
            {
                "$set": {
                    **run_documents.count_fields(counts),
                    "outcome": outcome,
                    "finished_at": finished_at,
                    "duration_s": duration_s,
                    "exit_code": exit_code,
                    "reason": None,
                }
            },
        )
        return bool(result.matched_count)
