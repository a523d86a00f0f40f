"""Initialised, empty databases that tests take over from one another: creating one is slow."""

import asyncio
import uuid
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pymongo import MongoClient

from chesscoach import config
from chesscoach.config import Settings
from chesscoach.context import open_context
from chesscoach.declared_indexes import COLLECTIONS, INDEXES
from chesscoach.mongo.client import Document

_COLLECTIONS = {*COLLECTIONS, *(index.collection for index in INDEXES)}

_MAX_IDLE = 4
"""Databases that rest before one is used again: an interrupted test may still be writing."""


class DatabasePool:
    """The initialised databases of one test process."""

    def __init__(self, url: str, mongo: MongoClient[Document]) -> None:
        self._url = url
        self._mongo = mongo
        self._idle: deque[str] = deque()
        self._structure: Any = None

    def acquire(self) -> str:
        """The name of a database with our collections and indexes, and no documents."""
        if len(self._idle) > _MAX_IDLE:
            return self._idle.popleft()
        name = f"test_{uuid.uuid4().hex[:12]}"
        settings = config.load(None, {"MONGO_URL": self._url, "DB_NAME": name})
        # A loop of its own, in a thread of its own: the test's loop is not disturbed.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, _create_indexes(settings)).result()
        self._structure = _structure(self._mongo[name])
        return name

    def release(self, name: str) -> None:
        """Deletes a database's documents; drops a database whose indexes a test has changed."""
        database = self._mongo[name]
        if _structure(database) != self._structure:
            for extra in set(database.list_collection_names()) - _COLLECTIONS:
                database.drop_collection(extra)
            if _structure(database) != self._structure:
                self._mongo.drop_database(name)
                return
        for collection in _filled_collections(database):
            database[collection].delete_many({})
        self._idle.append(name)


async def _create_indexes(settings: Settings) -> None:
    async with open_context(settings) as context:
        await context.indexes.create()


def _structure(database: Any) -> Any:
    """How many collections and views there are, and the definition and kind of each index.

    An index that has met an array is multikey for ever, and serves some queries no more. That of
    the users who link an account is so by design.
    """
    statistics = database.command("dbStats")
    counts = {key: statistics[key] for key in ("collections", "views", "indexes")}
    if counts["views"]:
        return counts
    # One look at the whole catalog: that of a collection would look at the whole as well.
    catalog = database.client.admin.aggregate(
        [
            {"$listCatalog": {}},
            {"$match": {"db": database.name}},
            {"$project": {"name": 1, "md.indexes.spec": 1, "md.indexes.multikey": 1}},
        ]
    )
    return counts, sorted(
        f"{entry['name']}: {index['spec']}, {index['multikey'] and name != 'links.user_id_1'}"
        for entry in catalog
        for index in entry["md"]["indexes"]
        for name in [index["spec"]["name"]]
    )


def _filled_collections(database: Any) -> list[str]:
    """Our collections that have a document, by one command."""
    first, *others = sorted(_COLLECTIONS)
    unions = [{"$unionWith": {"coll": name, "pipeline": _name_if_filled(name)}} for name in others]
    found = database[first].aggregate([*_name_if_filled(first), *unions])
    return [document["collection"] for document in found]


def _name_if_filled(name: str) -> list[Document]:
    return [{"$limit": 1}, {"$project": {"_id": 0, "collection": {"$literal": name}}}]
