"""The run records as an overview shows them: many at a time, with a few fields each.

A record that cannot be read is counted, not logged: an overview reads the same ones each second.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import msgspec
from msgspec import Struct

from chesscoach.errors import StoreFailed
from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.collection import MongoCollection
from chesscoach.mongo.readable import refuse_code
from chesscoach.mongo.values import is_text
from chesscoach.schedules.outcome import RUN_OUTCOMES, SKIP_OUTCOMES, Outcome

_NAME = "job_runs"
_DATES = {"$gte": datetime(1970, 1, 1, tzinfo=UTC), "$lt": datetime(2200, 1, 1, tzinfo=UTC)}
"""Matches dates alone; no value of another type hides the newest ones."""

_SCHEDULES_PER_QUERY = 50
_RUNNING_LIMIT = 200


class RunSummary(Struct, frozen=True, kw_only=True):
    """A run, or the slots in one record that did not run; fields as in `RunRecord`."""

    id: str
    job: str
    outcome: Outcome
    started_at: datetime
    attempt: int = 1
    schedule: str | None = None
    slot: datetime | None = None
    finished_at: datetime | None = None
    duration_s: float | None = None
    lateness_s: float | None = None
    candidates: int = 0
    done: int = 0
    failed: int = 0
    skipped: int = 0
    reason: str | None = None
    first: datetime | None = None
    count: int = 1
    shard: str | None = None


class RunSummaries(Struct, frozen=True, kw_only=True):
    """Runs, the newest first, and the number of records among them that cannot be read."""

    runs: list[RunSummary]
    unreadable: int


_FIELDS = dict.fromkeys((name for name in RunSummary.__struct_fields__ if name != "id"), 1)


class RunHistory:
    """Reads run records for an overview."""

    def __init__(self, database: Database) -> None:
        self._collection = MongoCollection(database, _NAME)

    async def last_runs(self, schedules: Sequence[str], length: int) -> dict[str, RunSummaries]:
        """The runs of each schedule's newest slots, at most `length` each."""
        documents: list[Document] = []
        for start in range(0, len(schedules), _SCHEDULES_PER_QUERY):
            first, *rest = (
                _last_runs_of(schedule, length)
                for schedule in schedules[start : start + _SCHEDULES_PER_QUERY]
            )
            others = [{"$unionWith": {"coll": _NAME, "pipeline": stages}} for stages in rest]
            documents += await self._collection.aggregate([*first, *others])
        by_schedule: dict[str, list[Document]] = defaultdict(list)
        for document in documents:
            if isinstance(document.get("schedule"), str):
                by_schedule[document["schedule"]].append(document)
        return {schedule: _summaries(found) for schedule, found in by_schedule.items()}

    async def since(self, instant: datetime, limit: int) -> RunSummaries:
        """The newest `limit` records that started since an instant."""
        query = {"started_at": {**_DATES, "$gte": instant}}
        documents = await self._collection.find(
            query, _FIELDS, sort=[("started_at", -1)], limit=limit
        )
        return _summaries(documents)

    async def page(
        self,
        number: int,
        size: int,
        *,
        job: str | None = None,
        schedule: str | None = None,
        outcome: Outcome | None = None,
    ) -> RunSummaries:
        """A page of the runs with a job, a schedule and an outcome, the newest first.

        The order is that of an index, so that no page reads more runs than it passes. Runs of a
        schedule are in the order of their slots, runs of a job in that of their ends.
        """
        given = {"job": job, "schedule": schedule, "outcome": outcome}
        query: Document = {name: value for name, value in given.items() if value is not None}
        key = "started_at" if schedule is None else "slot"
        if job is not None and schedule is None and outcome is None:
            key, query["outcome"] = "finished_at", {"$in": [*RUN_OUTCOMES, *SKIP_OUTCOMES]}
        documents = await self._collection.aggregate(
            [
                {"$match": {**query, key: _DATES}},
                {"$sort": {key: -1}},
                {"$skip": number * size},
                {"$limit": size},
                {"$project": _FIELDS},
            ]
        )
        return _summaries(documents)

    async def first_errors(self, run_ids: Sequence[str]) -> dict[str, dict[str, str]]:
        """The first error sample of each run that has one, by the run's id."""
        found = await self._collection.find(
            {"_id": {"$in": list(run_ids)}, "errors": {"$type": "object"}},
            {"errors": {"$slice": 1}},
        )
        samples = ((run["_id"], run["errors"][0]) for run in found if type(run["errors"]) is list)
        return {
            run_id: {name: value for name, value in sample.items() if is_text(value)}
            for run_id, sample in samples
            if isinstance(sample, dict)
        }

    async def state(self) -> list[Document]:
        """A value that changes when a run begins, makes progress or ends."""
        progress = dict.fromkeys(("outcome", "attempt", "done", "failed", "skipped"), 1)
        newest = {"started_at": _DATES}
        return [
            *await self._collection.find(newest, progress, sort=[("started_at", -1)], limit=1),
            *await self._collection.find({"outcome": "running"}, progress, limit=_RUNNING_LIMIT),
        ]


def _last_runs_of(schedule: str, length: int) -> list[Document]:
    return [
        {"$match": {"schedule": schedule, "slot": _DATES}},
        {"$sort": {"slot": -1}},
        {"$limit": length},
        {"$project": _FIELDS},
    ]


def _summaries(documents: Iterable[Document]) -> RunSummaries:
    runs, unreadable = [], 0
    for document in documents:
        try:
            refuse_code(document)
            runs.append(msgspec.convert({**document, "id": document["_id"]}, RunSummary))
        except (msgspec.ValidationError, StoreFailed):
            unreadable += 1
    return RunSummaries(runs=runs, unreadable=unreadable)
