"""Values of the wrong type: which stored values are texts or dates, and filters for exact types.

A comparison in a query also matches the elements of an array. The driver returns BSON code as a
subclass of `str` that cannot be hashed.
"""

from datetime import date
from typing import Any, TypeGuard

from chesscoach.mongo.client import Document

# An array matches by its elements: as a type, arrays would need the whole index.
_OTHER_TYPES = [
    "double", "object", "binData", "undefined", "objectId", "bool", "regex", "dbPointer",
    "javascript", "javascriptWithScope", "int", "timestamp", "long", "decimal", "minKey", "maxKey",
]  # fmt: skip

NEITHER_TEXT_NOR_DATE: tuple[Any, ...] = ({"$type": _OTHER_TYPES}, [])
"""Conditions on a field that has a value of another type; an index on the field serves each."""

NO_TEXT: tuple[Any, ...] = (*NEITHER_TEXT_NOR_DATE, {"$type": "date"}, None)
"""Such conditions on a field that has no text, or no value."""


def is_text(value: object) -> TypeGuard[str]:
    """Whether a stored value is a text, and nothing that only looks like one."""
    return type(value) is str


def to_text(value: object) -> str | None:
    """A text; None for any other value."""
    return value if is_text(value) else None


def to_date(value: object) -> date | None:
    """The date of a text such as `2026-03-09`; None for any other value."""
    if not is_text(value):
        return None
    try:
        return date.fromisoformat(value)
    except ValueError:
        return None


def of_type(field: str, kind: str) -> Document:
    """The filter for documents whose field has exactly a BSON type, such as `string`."""
    return {"$expr": {"$eq": [{"$type": f"${field}"}, kind]}}


def not_of_type(field: str, kind: str) -> Document:
    """The filter for all other documents, also those without the field."""
    return {"$expr": {"$ne": [{"$type": f"${field}"}, kind]}}
