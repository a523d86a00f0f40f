"""A collection as the stores use it: it takes and returns documents and raises our errors.

Each method raises StoreUnavailable or StoreFailed, as `mongo.errors.translate` maps the driver's
errors. A read returns a whole list, so that no server cursor stays open. A store therefore reads
many documents in pages.
"""

from collections.abc import AsyncIterator, Callable, Hashable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

from pymongo import ReturnDocument, UpdateMany, UpdateOne
from pymongo.errors import BulkWriteError
from pymongo.results import UpdateResult

from chesscoach.errors import DuplicateDocument
from chesscoach.mongo import conflicts
from chesscoach.mongo.client import Database, Document
from chesscoach.mongo.conflicts import repeats_conflicts
from chesscoach.mongo.errors import translates_errors

Pipeline = Sequence[Mapping[str, Any]]
Update = Mapping[str, Any] | Pipeline
Sort = Sequence[tuple[str, int]]
Insertion = Literal["new", "existing", "refused"]

_VALUES_PER_UPDATE = 500


class MongoCollection:
    """A collection of a database, by its name."""

    def __init__(self, database: Database, name: str) -> None:
        self._driver = database[name]
        self.name = name

    @translates_errors
    @repeats_conflicts
    async def find(
        self,
        query: Mapping[str, Any],
        projection: Mapping[str, Any] | None = None,
        *,
        sort: Sort | None = None,
        limit: int = 0,
        hint: str | None = None,
    ) -> list[Document]:
        """All documents that match, or the first `limit`; `hint` names the index that serves."""
        cursor = self._driver.find(query, projection, sort=sort, limit=limit, hint=hint)
        return await cursor.to_list(None)

    async def user_pages(
        self, query: Mapping[str, Any], size: int, projection: Mapping[str, Any] | None = None
    ) -> AsyncIterator[list[Document]]:
        """Pages of the documents that match by `user_id`, a text; a user's are all on one page."""
        after, is_last = "", False
        while not is_last:
            match = {"$and": [query, {"user_id": {"$gt": after}}]}
            page = await self.find(match, projection, sort=[("user_id", 1)], limit=size)
            is_last = len(page) < size
            if not is_last:  # the page ends within the documents of a user
                after = page[-1]["user_id"]
                page = [document for document in page if document["user_id"] != after]
                page += await self.find({"$and": [query, {"user_id": after}]}, projection)
            if page:
                yield page

    @translates_errors
    @repeats_conflicts
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
    @repeats_conflicts
    async def aggregate(self, pipeline: Pipeline, **options: Any) -> list[Document]:
        """All documents that a pipeline yields."""
        documents: list[Document] = await self._driver.aggregate(pipeline, **options).to_list(None)
        return documents

    @translates_errors
    @repeats_conflicts
    async def count(self, query: Mapping[str, Any], *, limit: int | None = None) -> int:
        """The number of documents that match, counted up to `limit`."""
        options: dict[str, Any] = {} if limit is None else {"limit": limit}
        return await self._driver.count_documents(query, **options)

    @translates_errors
    @repeats_conflicts
    async def estimate_count(self) -> int:
        """The number of documents in the collection's metadata, which may be out of date."""
        return await self._driver.estimated_document_count()

    async def insert_if_new(self, document: Document) -> bool:
        """Inserts a document; False if its `_id` exists, perhaps by our own repeated write.

        Raises:
            DuplicateDocument: another unique index refuses it.
        """
        (insertion,) = await self.insert_each([document])
        if insertion == "refused":
            raise self.refusal(1)
        return insertion == "new"

    async def insert_new(self, documents: Sequence[Document]) -> list[bool]:
        """Inserts those documents whose `_id` does not exist; returns which of them were new.

        After a write that the driver repeated, a document of ours may count as existing.

        Raises:
            DuplicateDocument: another unique index refuses some; all others are inserted.
        """
        insertions = await self.insert_each(documents)
        if refused := insertions.count("refused"):
            raise self.refusal(refused)
        return [insertion == "new" for insertion in insertions]

    @translates_errors
    async def insert_each(
        self, documents: Sequence[Document], *, key: str = "_id"
    ) -> list[Insertion]:
        """Inserts those documents whose `key` does not exist; returns what became of each.

        A unique index on anything else may refuse a document. So one with a duplicate key exists
        only if it is found under its own key.
        """
        insertions: list[Insertion] = ["new"] * len(documents)
        if not documents:
            return insertions
        insert = partial(self._driver.insert_many, ordered=False)
        duplicates = await conflicts.write_unordered(insert, documents)
        if duplicates:
            query = {key: {"$in": [documents[place][key] for place in duplicates]}}
            stored = await self._driver.find(query, {"_id": 0, key: 1}).to_list(None)
            # The query also matches inside arrays, which are no keys.
            existing = {document[key] for document in stored if isinstance(document[key], Hashable)}
            for place in duplicates:
                exists = documents[place][key] in existing
                insertions[place] = "existing" if exists else "refused"
        return insertions

    def refusal(self, count: int) -> DuplicateDocument:
        """The error that names how many documents a unique index has refused."""
        return DuplicateDocument(
            f"{self.name}: a unique index that is not ours refuses {count} of our "
            "documents: see `chesscoach db check`"
        )

    @translates_errors
    @repeats_conflicts
    async def update_one(
        self, query: Mapping[str, Any], update: Update, *, upsert: bool = False
    ) -> UpdateResult:
        """Updates the first document that matches.

        Raises:
            DuplicateDocument: the update would break a unique index.
        """
        return await self._driver.update_one(query, update, upsert=upsert)

    @translates_errors
    @repeats_conflicts
    async def update_many(self, query: Mapping[str, Any], update: Update) -> UpdateResult:
        """Updates all documents that match; the driver does not repeat it after a failover."""
        return await self._driver.update_many(query, update)

    @translates_errors
    async def bulk_update(self, updates: Sequence[UpdateOne | UpdateMany]) -> int:
        """Applies updates in any order; returns how many of them matched a document."""
        if not updates:
            return 0
        matched = 0

        async def write(batch: Sequence[UpdateOne | UpdateMany]) -> None:
            nonlocal matched
            try:
                matched += (await self._driver.bulk_write(batch, ordered=False)).matched_count
            except BulkWriteError as error:
                matched += error.details["nMatched"]
                raise

        if duplicates := await conflicts.write_unordered(write, updates):
            raise self.refusal(len(duplicates))
        return matched

    async def update_each(
        self,
        values: Sequence[tuple[Any, Any]],
        stages: Callable[[Document], Pipeline],
        query: Mapping[str, Any] | None = None,
    ) -> None:
        """Updates the documents of some `_id`s, each with a value of its own.

        `stages` makes the update of the expression for that value. A document finds it by its place
        in a list of constants: that takes a third of the time of an update for each document.
        """
        for start in range(0, len(values), _VALUES_PER_UPDATE):
            ids, own = zip(*values[start : start + _VALUES_PER_UPDATE], strict=True)
            place = {"$indexOfArray": [{"$literal": ids}, "$_id"]}
            update = stages({"$arrayElemAt": [{"$literal": own}, place]})
            await self.update_many({**(query or {}), "_id": {"$in": ids}}, update)

    @translates_errors
    @repeats_conflicts
    async def find_one_and_update(
        self, query: Mapping[str, Any], update: Update
    ) -> Document | None:
        """Updates the first document that matches; returns it as it is after that."""
        return await self._driver.find_one_and_update(
            query, update, return_document=ReturnDocument.AFTER
        )

    @translates_errors
    @repeats_conflicts
    async def delete_one(self, query: Mapping[str, Any]) -> bool:
        """Deletes the first document that matches; whether there was one."""
        return (await self._driver.delete_one(query)).deleted_count == 1

    @translates_errors
    @repeats_conflicts
    async def delete_many(
        self, query: Mapping[str, Any], *, hint: Mapping[str, int] | None = None
    ) -> int:
        """Deletes all documents that match; the driver does not repeat it after a failover."""
        return (await self._driver.delete_many(query, hint=hint)).deleted_count
