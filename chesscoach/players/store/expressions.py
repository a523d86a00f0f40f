"""Expressions of the pipelines that read the application's data: by time, and by type of value.

The database pre-selects by time. It compares dates exactly, and texts by their first characters, a
day wider on either side because of offsets. Texts that begin with white space are selected too.
Python then decides, because only Python can parse a text.
"""

from datetime import datetime, timedelta
from typing import Any

from chesscoach.mongo.client import Document

DAY = timedelta(days=1)
_BEFORE_DIGITS, _AFTER_ASCII = "0", "\x7f"
_FALSE: list[Any] = [None, False, 0, "", [], {"$literal": {}}]


def between(field: str, users: Document, start: datetime, end: datetime | None) -> list[Document]:
    """Build the branches of an `$or`; each one names the users, so that it can use the index."""
    text, date = {"$gte": day(start - DAY)}, {"$gte": start}
    if end is not None:
        text["$lt"], date["$lt"] = day(end + 2 * DAY), end
    branches: list[Document] = [date, text, {"$lt": _BEFORE_DIGITS}]
    if end is not None:
        branches.append({"$gte": _AFTER_ASCII})
    return [{**users, field: branch} for branch in branches]


def day(instant: datetime) -> str:
    """The first characters of every text of an instant's day in UTC."""
    return instant.date().isoformat()


def if_type(value: Any, kind: str, then: Any, otherwise: Any) -> Document:
    """Choose one of two values by the BSON type of a third."""
    return {"$cond": [{"$eq": [{"$type": value}, kind]}, then, otherwise]}


def double(value: Any) -> Document:
    """Convert a number of any type to a float; null if it is not a number."""
    return {"$convert": {"input": value, "to": "double", "onError": None, "onNull": None}}


def truthy(value: str) -> Document:
    """Whether a value is truthy in Python, as in the application."""
    return {"$not": {"$in": [{"$ifNull": [value, None]}, _FALSE]}}
