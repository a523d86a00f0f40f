"""Databases that a test has prepared and the next may use: making one costs a third of a second."""

from collections import deque
from typing import Any

from pymongo import MongoClient

from chesscoach.context import COLLECTIONS, INDEXES
from chesscoach.mongo.client import Document

_MAX_IDLE = 4
"""So many rest before one is used again: what a test has broken off may still write a moment."""

_EXPECTED_INDEXES = {
    **{name: {} for name in COLLECTIONS},
    **{
        collection: {
            each.name: (each.unique, each.expire_after_s, each.partial)
            for each in INDEXES
            if each.collection == collection
        }
        for collection in {each.collection for each in INDEXES}
    },
}


class DatabasePool:
    """The databases of one test process that are prepared and empty."""

    def __init__(self) -> None:
        self._idle: deque[str] = deque()

    def acquire(self) -> str | None:
        """One that has rested, if there is one."""
        return self._idle.popleft() if len(self._idle) > _MAX_IDLE else None

    def release(self, mongo: MongoClient[Document], name: str) -> None:
        """Empties one; one that is not as it was prepared is dropped."""
        if _empty(mongo[name]):
            self._idle.append(name)
        else:
            mongo.drop_database(name)


def _empty(database: Any) -> bool:
    there = set(database.list_collection_names())
    if not there >= _EXPECTED_INDEXES.keys() or any(name.startswith("system.") for name in there):
        return False
    for name in there - _EXPECTED_INDEXES.keys():
        database.drop_collection(name)
    for name, wanted in _EXPECTED_INDEXES.items():
        found = dict(database[name].index_information())
        found.pop("_id_", None)
        standing = {
            key: (
                bool(index.get("unique")),
                index.get("expireAfterSeconds"),
                index.get("partialFilterExpression"),
            )
            for key, index in found.items()
        }
        if standing != wanted:
            return False
        if database[name].find_one({}, {"_id": 1}) is not None:
            database[name].delete_many({})
    return True
