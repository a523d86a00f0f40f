"""Statistics of run records and schedules, for metrics and doctor."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime

from msgspec import Struct
from pymongo.asynchronous.database import AsyncDatabase

from chesscoach.mongo.client import Document
from chesscoach.mongo.errors import translates_errors
from chesscoach.schedules.outcome import RUN_OUTCOMES, SKIP_OUTCOMES, SUCCEEDED_OUTCOMES
from chesscoach.worker.shard import record_shard
from chesscoach.worker.store import run_documents, schedules
from chesscoach.worker.store.schedules import StoredSchedule

_EPOCH = datetime.fromtimestamp(0, UTC)
_LATEST_END = datetime(2200, 1, 1, tzinfo=UTC)
"""A date after it was written by mistake; Python cannot read all of them."""

_MAX_SUCCESSES_READ = 2000
"""Documents that are read for the last success of a job in shards; 1 is enough for other jobs."""


class RunStatistics(Struct, frozen=True, kw_only=True):
    """Facts of the run records by job, and all schedules.

    `running_since` is when the oldest living run began. `recent` counts the runs that ended since
    an instant, by job and outcome (0 too); a record of several slots counts as their number.
    """

    last_success: dict[str, datetime]
    running_since: dict[str, datetime]
    recent: dict[tuple[str, str], int]
    schedules: tuple[StoredSchedule, ...]


class StatisticsReader:
    """Reads them from a probe's database; `lease_s` is how long a lease lives."""

    def __init__(self, database: "AsyncDatabase[Document]", lease_s: float) -> None:
        self._database = database
        self._runs = database["job_runs"]
        self._lease_s = lease_s

    @translates_errors
    async def read(self, jobs: Sequence[str], since: datetime) -> RunStatistics:
        """The statistics of these jobs; `since` is where `recent` begins."""
        return RunStatistics(
            last_success=await self._last_success(jobs),
            running_since=await self._running_since(jobs),
            recent=await self._recent(jobs, since),
            schedules=await self._schedules(),
        )

    async def _last_success(self, jobs: Sequence[str]) -> dict[str, datetime]:
        """When each job last succeeded for all users; a job that never did is missing."""
        instants = {job: await self._last_success_of(job) for job in jobs}
        return {job: at for job, at in instants.items() if at is not None}

    async def _last_success_of(self, job: str) -> datetime | None:
        """When a job's newest run of all users ended with exit code 0.

        N shards count as one run, which ended when the first of their newest successes did. Of more
        successes than are read, none newer than the oldest one read is complete.
        """
        successes = self._runs.find(
            {
                "job": job,
                "outcome": {"$in": list(SUCCEEDED_OUTCOMES)},
                "finished_at": {"$gt": _EPOCH, "$lt": _LATEST_END},  # the index has nothing else
                "exit_code": 0,
            },
            {"finished_at": 1, "shard": 1},
            sort=[("finished_at", -1)],
            limit=_MAX_SUCCESSES_READ,
        )
        seen: dict[int, set[int]] = defaultdict(set)
        number = 0
        ended_at: datetime | None = None
        async for document in successes:
            number += 1
            ended_at = document["finished_at"]
            try:
                shard = record_shard(document.get("shard"))
            except (TypeError, ValueError):  # a value of a wrong type
                continue
            seen[shard.of].add(shard.index)
            if len(seen[shard.of]) == shard.of:
                return ended_at
        return ended_at if number == _MAX_SUCCESSES_READ else None

    async def _running_since(self, jobs: Sequence[str]) -> dict[str, datetime]:
        documents = await self._runs.aggregate(
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
        # The newest first, so that the oldest of a job is kept.
        return {
            document["job"]: document["started_at"]
            async for document in documents
            if type(document["job"]) is str  # an array of names counts as a name in a query
            and isinstance(document.get("started_at"), datetime)
            and not run_documents.is_orphaned(document, self._lease_s)
        }

    async def _recent(self, jobs: Sequence[str], since: datetime) -> dict[tuple[str, str], int]:
        outcomes: Sequence[str] = (*RUN_OUTCOMES, *SKIP_OUTCOMES)
        counts = {(job, outcome): 0 for job in jobs for outcome in outcomes}
        slots = {"$convert": {"input": "$count", "to": "int", "onError": 1, "onNull": 1}}
        for ended, count in ((RUN_OUTCOMES, 1), (SKIP_OUTCOMES, slots)):
            # For outcomes of runs, the index has all fields: no document is read.
            documents = await self._runs.aggregate(
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
            async for document in documents:
                group = document["_id"]
                if all(type(value) is str for value in group.values()):
                    counts[group["job"], group["outcome"]] = int(document["count"])
        return counts

    async def _schedules(self) -> tuple[StoredSchedule, ...]:
        documents = self._database["schedules"].find(schedules.SCHEDULES_ONLY)
        return tuple([schedules.from_document(document) async for document in documents])
