"""The run records that alerts follow from: the newest ends of a job, and its missed slots."""

from collections.abc import Sequence

from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.collection import MongoCollection
from chesscoach.mongo.readable import convert_readable
from chesscoach.schedules.outcome import FAILED_OUTCOMES, SUCCEEDED_OUTCOMES, Outcome
from chesscoach.worker.store import run_documents
from chesscoach.worker.store.run_documents import RunRecord

_NAME = "job_runs"
_MAX_RECORDS = 50
"""Records read of a job: several runs of each of its schedules, of shards the newest slots."""


class RunHistory:
    """Reads `job_runs`, along the index on job, outcome and end."""

    def __init__(self, database: Database) -> None:
        self._collection = MongoCollection(database, _NAME)

    async def ended(self, job: str) -> list[RunRecord]:
        """The runs of a job that ended by themselves or at their time limit, newest end first.

        Cancelled and abandoned runs are left out: their slots run again.
        """
        return await self._newest(job, (*SUCCEEDED_OUTCOMES, *FAILED_OUTCOMES))

    async def missed(self, job: str) -> list[RunRecord]:
        """The missed slots of a job, the one that was recorded last first."""
        return await self._newest(job, ("missed",))

    async def _newest(self, job: str, outcomes: Sequence[Outcome]) -> list[RunRecord]:
        pipeline: list[Document] = [
            {
                "$match": {
                    "job": job,
                    "outcome": {"$in": list(outcomes)},
                    "finished_at": {"$type": "date"},
                }
            },
            {"$sort": {"finished_at": -1}},
            {"$limit": _MAX_RECORDS},
            run_documents.AGE_STAGE,
        ]
        documents = await self._collection.aggregate(pipeline)
        return convert_readable(_NAME, documents, run_documents.to_record)
