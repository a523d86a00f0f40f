"""Run records in pages, the newest first."""

from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct

from chesscoach.mongo.client import Document
from chesscoach.mongo.collection import MongoCollection
from chesscoach.mongo.readable import convert_readable
from chesscoach.worker.store import run_documents
from chesscoach.worker.store.run_documents import RunRecord


class RunRecords(Struct, frozen=True, kw_only=True):
    """The readable records of a page, and whether there are `more` after it."""

    records: list[RunRecord]
    more: bool


class RunList:
    """The records of `job_runs`, for people."""

    def __init__(self, runs: MongoCollection) -> None:
        self._runs = runs

    async def page(
        self,
        wanted: Mapping[str, str | None],
        limit: int,
        until: datetime | None = None,
        skip: int = 0,
    ) -> RunRecords:
        """The newest runs with the `wanted` values of fields, None being any.

        A later page begins at `until`, the start of the last run of the page before it. It skips
        the `skip` runs of that start that earlier pages have.
        """
        query: Document = {key: value for key, value in wanted.items() if value is not None}
        query |= {"started_at": {"$lte": until}} if until is not None else {}
        documents = await self._runs.aggregate(
            [
                {"$match": query},
                {"$sort": {"started_at": -1}},
                {"$skip": skip},
                {"$limit": limit + 1},
                run_documents.AGE_STAGE,
            ]
        )
        records = convert_readable(self._runs.name, documents[:limit], run_documents.to_record)
        return RunRecords(records=records, more=len(documents) > limit)
