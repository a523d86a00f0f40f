"""A collection as the stores use it: it takes and returns documents and raises our errors.

Each method raises StoreUnavailable or StoreFailed, as `mongo.errors.translate` maps the driver's
errors. A read returns a whole list, so that no server cursor stays open. A store therefore reads
many documents in pages.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pymongo import ReturnDocument, UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError
from pymongo.results import UpdateResult

from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.errors import is_duplicates_only, translates_errors

Pipeline = Sequence[Mapping[str, Any]]
Update = Mapping[str, Any] | Pipeline
Sort = Sequence[tuple[str, int]]


class MongoCollection:
    """A collection of a database, by its name."""

    def __init__(self, database: Database, name: str) -> None:
        self._driver = database[name]

    @translates_errors
    async def find(
        self,
        query: Mapping[str, Any],
        projection: Mapping[str, Any] | None = None,
        *,
        sort: Sort | None = None,
        limit: int = 0,
    ) -> list[Document]:
        """All documents that match, or the first `limit` of them."""
        cursor = self._driver.find(query, projection, sort=sort, limit=limit)
        return await cursor.to_list(None)

    @translates_errors
    async def find_one(
        self,
        query: Mapping[str, Any],
        projection: Mapping[str, Any] | None = None,
        *,
        sort: Sort | None = None,
    ) -> Document | None:
        """The first document that matches."""
        return await self._driver.find_one(query, projection, sort=sort)

    @translates_errors
    async def aggregate(self, pipeline: Pipeline, **options: Any) -> list[Document]:
        """All documents that a pipeline yields."""
        documents: list[Document] = await self._driver.aggregate(pipeline, **options).to_list(None)
        return documents

    @translates_errors
    async def count(self, query: Mapping[str, Any], *, limit: int | None = None) -> int:
        """The number of documents that match, counted up to `limit`."""
        options: dict[str, Any] = {} if limit is None else {"limit": limit}
        return await self._driver.count_documents(query, **options)

    @translates_errors
    async def estimate_count(self) -> int:
        """The number of documents in the collection's metadata, which may be out of date."""
        return await self._driver.estimated_document_count()

    @translates_errors
    async def insert_if_new(self, document: Document) -> bool:
        """Inserts a document; False if its key exists, perhaps by our own repeated write."""
        try:
            await self._driver.insert_one(document)
        except DuplicateKeyError:
            return False
        return True

    @translates_errors
    async def insert_new(self, documents: Sequence[Document]) -> list[bool]:
        """Inserts those documents whose keys do not exist; returns which of them were new.

        After a write that the driver repeated, a document of ours may count as existing.
        """
        new = [True] * len(documents)
        if not documents:
            return new
        try:
            await self._driver.insert_many(documents, ordered=False)
        except BulkWriteError as error:
            if not is_duplicates_only(error):
                raise
            for failure in error.details["writeErrors"]:
                new[failure["index"]] = False
        return new

    @translates_errors
    async def update_one(
        self, query: Mapping[str, Any], update: Update, *, upsert: bool = False
    ) -> UpdateResult:
        """Updates the first document that matches.

        Raises:
            DuplicateDocument: the update would break a unique index.
        """
        return await self._driver.update_one(query, update, upsert=upsert)

    @translates_errors
    async def update_many(self, query: Mapping[str, Any], update: Update) -> UpdateResult:
        """Updates all documents that match; the driver does not repeat it after a failover."""
        return await self._driver.update_many(query, update)

    @translates_errors
    async def bulk_update(self, updates: Sequence[UpdateOne]) -> int:
        """Applies updates in any order; returns how many of them matched a document."""
        if not updates:
            return 0
        return (await self._driver.bulk_write(updates, ordered=False)).matched_count

    @translates_errors
    async def find_one_and_update(
        self, query: Mapping[str, Any], update: Update
    ) -> Document | None:
        """Updates the first document that matches; returns it as it is after that."""
        return await self._driver.find_one_and_update(
            query, update, return_document=ReturnDocument.AFTER
        )

    @translates_errors
    async def delete_one(self, query: Mapping[str, Any]) -> bool:
        """Deletes the first document that matches; whether there was one."""
        return (await self._driver.delete_one(query)).deleted_count == 1

    @translates_errors
    async def delete_many(
        self, query: Mapping[str, Any], *, hint: Mapping[str, int] | None = None
    ) -> int:
        """Deletes all documents that match; the driver does not repeat it after a failover."""
        return (await self._driver.delete_many(query, hint=hint)).deleted_count
