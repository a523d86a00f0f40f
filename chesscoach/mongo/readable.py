"""Documents that may have a value of a wrong type in any field."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import msgspec
from bson import Code

from chesscoach import log
from chesscoach.errors import StoreFailed
from chesscoach.mongo.client import Document
from chesscoach.mongo.collection import MongoCollection

T = TypeVar("T")
_ID_LENGTH = 80
_IDS_LOGGED = 3


def convert_readable(
    collection: str, documents: Iterable[Document], convert: Callable[[Document], T]
) -> list[T]:
    """Converts the documents that can be read; logs the number and a few ids of the others."""
    return split_readable(collection, documents, convert)[0]


def split_readable(
    collection: str, documents: Iterable[Document], convert: Callable[[Document], T]
) -> tuple[list[T], list[object]]:
    """The same; also returns the ids of the documents that cannot be read."""
    values: list[T] = []
    unreadable: list[object] = []
    for document in documents:
        try:
            refuse_code(document)
            values.append(convert(document))
        except (msgspec.ValidationError, StoreFailed):
            unreadable.append(document.get("_id"))
    if unreadable:
        _log(collection, len(unreadable), unreadable)
    return values, unreadable


async def count_unreadable(collection: MongoCollection, query: Document) -> int:
    """The number of documents that a query finds to be unreadable; logs it and a few ids."""
    if count := await collection.count(query):
        some = await collection.find(query, {"_id": 1}, limit=_IDS_LOGGED)
        _log(collection.name, count, [document["_id"] for document in some])
    return count


def _log(collection: str, count: int, ids: Sequence[object]) -> None:
    log.get_logger().warning(
        "documents_unreadable",
        collection=collection,
        count=count,
        ids=[str(key)[:_ID_LENGTH] for key in ids[:_IDS_LOGGED]],
    )


def refuse_code(value: object) -> None:
    """Refuses a document with JavaScript code: the driver's type passes for a text.

    Raises:
        StoreFailed: a value at any depth is code.
    """
    if isinstance(value, Code):
        msg = "a value is JavaScript code"
        raise StoreFailed(msg)
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            refuse_code(inner)
