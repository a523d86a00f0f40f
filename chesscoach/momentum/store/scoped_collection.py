"""The documents of one collection that an administrative command concerns, in order of their ids.

The scope is the whole collection or the documents of one user. The whole collection is read and
changed page by page, along the index on `_id`. The documents of one user are one page, along the
index on `user_id`. Documents are raw, so that none of their bytes changes.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import bson
from bson.max_key import MaxKey
from bson.min_key import MinKey
from bson.raw_bson import RawBSONDocument
from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo import ReplaceOne

from chesscoach.errors import DuplicateDocument
from chesscoach.momentum.store.extended_json import RAW
from chesscoach.mongo import conflicts
from chesscoach.mongo.client import Database
from chesscoach.mongo.collection import Update
from chesscoach.mongo.conflicts import repeats_conflicts
from chesscoach.mongo.errors import translates_errors

RawCollection: TypeAlias = "AsyncIOMotorCollection[RawBSONDocument]"

PAGE_SIZE = 1000
_ID_ONLY = {"_id": 1}
_LOWEST, _HIGHEST = MinKey(), MaxKey()


class ScopedCollection:
    """One collection; with a `query` only the documents of a user, which an index must serve."""

    def __init__(self, database: Database, name: str, query: Mapping[str, Any]) -> None:
        self.name = name
        self.query = query
        raw: Any = database.get_collection(name, codec_options=RAW)  # its type takes no other
        self._driver: RawCollection = raw

    async def pages(
        self,
        fields: Mapping[str, int] | None = None,
        after: Any = _LOWEST,
        until: Any = _HIGHEST,
    ) -> AsyncIterator[list[RawBSONDocument]]:
        """Pages of documents whose ids are higher than `after` and lower than `until`."""
        if self.query:
            yield await self._find_all(fields)
            return
        while page := await self._page(fields, after, until):
            yield page
            after = page[-1]["_id"]

    async def id_pages(self) -> AsyncIterator[list[Any]]:
        """Pages of ids."""
        async for page in self.pages(_ID_ONLY):
            yield [document["_id"] for document in page]

    @translates_errors
    @repeats_conflicts
    async def _find_all(self, fields: Mapping[str, int] | None) -> list[RawBSONDocument]:
        return await self._driver.find(self.query, fields, sort=[("_id", 1)]).to_list(None)

    @translates_errors
    @repeats_conflicts
    async def _page(
        self, fields: Mapping[str, int] | None, after: Any, until: Any
    ) -> list[RawBSONDocument]:
        """A page; unlike a filter, the bounds of an index compare ids of different types."""
        cursor = self._driver.find({}, fields, sort=[("_id", 1)], limit=PAGE_SIZE + 1)
        cursor = cursor.hint([("_id", 1)]).min([("_id", after)]).max([("_id", until)])
        page = await cursor.to_list(None)
        if page and id_bytes(page[0]["_id"]) == id_bytes(after):
            del page[0]
        return page[:PAGE_SIZE]

    @translates_errors
    @repeats_conflicts
    async def count(self) -> int:
        """The number of documents."""
        if self.query:
            return await self._driver.count_documents(self.query)
        return await self._driver.count_documents({}, hint=[("_id", 1)])

    async def update(self, update: Update) -> int:
        """Updates all documents; returns how many it changed."""
        changed = 0
        async for ids in self.id_pages():
            changed += await self._update_page(ids, update)
        return changed

    @translates_errors
    @repeats_conflicts
    async def _update_page(self, ids: Sequence[Any], update: Update) -> int:
        result = await self._driver.update_many({"_id": {"$in": ids}}, update)
        return result.modified_count

    async def delete_all(self) -> int:
        """Deletes all documents; returns how many there were."""
        deleted = 0
        async for ids in self.id_pages():
            deleted += await self.delete(ids)
        return deleted

    @translates_errors
    @repeats_conflicts
    async def delete(self, ids: Sequence[Any]) -> int:
        """Deletes the documents of some ids; returns how many there were."""
        return (await self._driver.delete_many({"_id": {"$in": list(ids)}})).deleted_count

    async def delete_between(
        self, after: RawBSONDocument | None, kept: Sequence[RawBSONDocument], *, last: bool
    ) -> int:
        """Deletes what is not in `kept`, from the document after `after` to the last of `kept`.

        The last page of a collection (`last`) has no upper bound. Documents are in order of their
        ids. The documents of one user have no bounds: `kept` has all that stay.
        """
        low = _LOWEST if after is None else after["_id"]
        high = _HIGHEST if last else kept[-1]["_id"]
        staying, deleted = {id_bytes(document["_id"]) for document in kept}, 0
        async for page in self.pages(_ID_ONLY, low, high):
            ids = [document["_id"] for document in page]
            if surplus := [each for each in ids if id_bytes(each) not in staying]:
                deleted += await self.delete(surplus)
        return deleted

    @translates_errors
    async def drop(self) -> None:
        """Drops the collection with its indexes."""
        await self._driver.drop()

    @translates_errors
    async def put(self, documents: Sequence[RawBSONDocument]) -> None:
        """Stores documents as they are, under their ids.

        Raises:
            DuplicateDocument: a unique index has the key of a document in another one.
        """
        query = {"_id": {"$in": [document["_id"] for document in documents]}}
        stored = await self._driver.find(query).to_list(None)
        present, equal = {id_bytes(each["_id"]) for each in stored}, {each.raw for each in stored}
        new, changed = list[RawBSONDocument](), list[ReplaceOne[RawBSONDocument]]()
        irreplaceable = list[Any]()
        for document in documents:
            if id_bytes(document["_id"]) not in present:
                new.append(document)
            elif document.raw in equal:
                continue
            elif any(field.startswith("$") for field in document):
                irreplaceable.append(document["_id"])
                new.append(document)
            else:
                changed.append(ReplaceOne({"_id": {"$eq": document["_id"]}}, document))
        if irreplaceable:  # MongoDB takes a replacement with such a field for an update
            await self.delete(irreplaceable)
        insert = partial(self._driver.insert_many, ordered=False)
        replace = partial(self._driver.bulk_write, ordered=False)
        refused = len(await conflicts.write_unordered(insert, new)) if new else 0
        refused += len(await conflicts.write_unordered(replace, changed)) if changed else 0
        if refused:
            msg = f"{self.name}: a unique index refuses {refused} documents of the backup"
            raise DuplicateDocument(msg)


def id_bytes(value: object) -> bytes:
    """The bytes of an id, by which ids of any type can be compared."""
    return bson.encode({"_id": value})
