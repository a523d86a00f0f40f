"""What operators ask of running runs: their end, for good."""

from datetime import datetime

from chesscoach.mongo.collection import MongoCollection


class Cancellations:
    """The field `cancel_requested` of run records.

    The process that has a run looks at it when it reports progress: each third of the life of a
    lease.
    """

    def __init__(self, runs: MongoCollection) -> None:
        self._runs = runs

    async def request(self, run_id: str, by: str, at: datetime) -> bool:
        """Asks for the end of a run; False if it is not running."""
        update = {"$set": {"cancel_requested": {"by": by, "at": at}}}
        result = await self._runs.update_one({"_id": run_id, "outcome": "running"}, update)
        return result.matched_count == 1

    async def requested_by(self, run_id: str) -> str | None:
        """The operator who has asked for the end of a run; None if there is none."""
        document = await self._runs.find_one({"_id": run_id}, {"cancel_requested": 1})
        request = (document or {}).get("cancel_requested") or {}
        return str(request.get("by", "")) or None
