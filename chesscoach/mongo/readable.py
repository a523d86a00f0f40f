"""Documents that may have a value of a wrong type in any field."""

from collections.abc import Callable, Iterable
from typing import TypeVar

import msgspec
from bson import Code

from chesscoach import log
from chesscoach.errors import StoreFailed
from chesscoach.mongo.client import Document

T = TypeVar("T")
_ID_LENGTH = 80
_IDS_LOGGED = 3


def convert_readable(
    collection: str, documents: Iterable[Document], convert: Callable[[Document], T]
) -> list[T]:
    """Converts the documents that can be read; logs the number and a few ids of the others."""
    values: list[T] = []
    unreadable: list[object] = []
    for document in documents:
        try:
            refuse_code(document)
            values.append(convert(document))
        except (msgspec.ValidationError, StoreFailed):
            unreadable.append(document.get("_id"))
    if unreadable:
        log.get_logger().warning(
            "documents_unreadable",
            collection=collection,
            count=len(unreadable),
            ids=[str(key)[:_ID_LENGTH] for key in unreadable[:_IDS_LOGGED]],
        )
    return values


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
