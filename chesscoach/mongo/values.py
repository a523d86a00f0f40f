"""Values of the wrong type: which stored values are texts, and filters for exact types.

A comparison in a query also matches the elements of an array. The driver returns BSON code as a
subclass of `str` that cannot be hashed.
"""

from typing import TypeGuard

from chesscoach.mongo.client import Document


def is_text(value: object) -> TypeGuard[str]:
    """Whether a stored value is a text, and nothing that only looks like one."""
    return type(value) is str


def of_type(field: str, kind: str) -> Document:
    """The filter for documents whose field has exactly a BSON type, such as `string`."""
    return {"$expr": {"$eq": [{"$type": f"${field}"}, kind]}}


def not_of_type(field: str, kind: str) -> Document:
    """The filter for all other documents, also those without the field."""
    return {"$expr": {"$ne": [{"$type": f"${field}"}, kind]}}
