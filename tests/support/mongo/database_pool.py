"""Initialised, empty databases that tests take over from one another: creating one is slow."""

import asyncio
import uuid
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

from pymongo import MongoClient

from chesscoach import config
from chesscoach.config import Settings
from chesscoach.context import open_context
from chesscoach.declared_indexes import COLLECTIONS, INDEXES
from chesscoach.mongo.client import Document

_COLLECTIONS = {*COLLECTIONS, *(index.collection for index in INDEXES)}

_MAX_IDLE = 2
"""Databases that rest before one is used again: an interrupted test may still be writing."""

_Structure: TypeAlias = "dict[str, list[Document]]"
"""By collection or view, what the catalog has of each index: its `spec`, and whether `multikey`."""


class DatabasePool:
    """The initialised databases of one test process."""

    def __init__(self, url: str, mongo: MongoClient[Document]) -> None:
        self._url = url
        self._mongo = mongo
        self._idle: deque[str] = deque()
        self._wanted: _Structure = {}

    def acquire(self) -> str:
        """The name of a database with our collections and indexes, and no documents."""
        if len(self._idle) > _MAX_IDLE:
            return self._idle.popleft()
        name = f"test_{uuid.uuid4().hex[:12]}"
        if self._wanted:  # as the first one is, in a third of the time
            for collection, indexes in self._wanted.items():
                _create_collection(self._mongo[name], collection, indexes)
            return name
        settings = config.load(None, {"MONGO_URL": self._url, "DB_NAME": name})
        # A loop of its own, in a thread of its own: the test's loop is not disturbed.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, _create_indexes(settings)).result()
        self._wanted = _structure(self._mongo[name])
        return name

    def release(self, name: str) -> None:
        """Deletes a database's documents; makes each collection new that a test has changed."""
        database, structure = self._mongo[name], _structure(self._mongo[name])
        for collection in structure:
            if structure[collection] != self._wanted.get(collection):
                database.drop_collection(collection)
        for collection, indexes in self._wanted.items():
            if structure.get(collection) != indexes:
                _create_collection(database, collection, indexes)
        for collection in _filled_collections(database):
            database[collection].delete_many({})
        self._idle.append(name)


async def _create_indexes(settings: Settings) -> None:
    async with open_context(settings) as context:
        await context.indexes.create()


def _create_collection(database: Any, name: str, indexes: list[Document]) -> None:
    specs = [index["spec"] for index in indexes if index["spec"]["name"] != "_id_"]
    if specs:
        database.command("createIndexes", name, indexes=specs)
    else:
        database.create_collection(name)


def _structure(database: Any) -> _Structure:
    """The collections and views with the definition and kind of each index.

    An index that has met an array is multikey for ever, and serves some queries no more. That of
    the users who link an account is so by design.
    """
    # One look at the whole catalog: that of a collection would look at the whole as well.
    catalog = database.client.admin.aggregate(
        [
            {"$listCatalog": {}},
            {"$match": {"db": database.name}},
            {"$project": {"name": 1, "md.indexes.spec": 1, "md.indexes.multikey": 1}},
        ]
    )
    return {
        entry["name"]: [
            {**index, "multikey": index["multikey"] and index["spec"]["name"] != "links.user_id_1"}
            for index in entry.get("md", {}).get("indexes", [])
        ]
        for entry in catalog
    }


def _filled_collections(database: Any) -> list[str]:
    """Our collections that have a document, by one command."""
    first, *others = sorted(_COLLECTIONS)
    unions = [{"$unionWith": {"coll": name, "pipeline": _name_if_filled(name)}} for name in others]
    found = database[first].aggregate([*_name_if_filled(first), *unions])
    return [document["collection"] for document in found]


def _name_if_filled(name: str) -> list[Document]:
    return [{"$limit": 1}, {"$project": {"_id": 0, "collection": {"$literal": name}}}]
