"""Pieces of the pipelines that read the application's data: by time, and by sort of value.

The database pre-selects by time: dates exactly; texts by their first characters, a day wider on
either side for the offsets that they may have, and those beside that begin with white space. What
comes back is judged in Python, which alone knows what a text means.
"""

from datetime import datetime, timedelta
from typing import Any

from chesscoach.mongo.client import Document

DAY = timedelta(days=1)
_BEFORE_DIGITS, _AFTER_ASCII = "0", "\x7f"
_FALSE: list[Any] = [None, False, 0, "", [], {"$literal": {}}]


def between(field: str, users: Document, start: datetime, end: datetime | None) -> list[Document]:
    """Branches of an `$or`; each names the users, so that each has the index to itself."""
    text, date = {"$gte": day(start - DAY)}, {"$gte": start}
    if end is not None:
        text["$lt"], date["$lt"] = day(end + 2 * DAY), end
    branches: list[Document] = [date, text, {"$lt": _BEFORE_DIGITS}]
    if end is not None:
        branches.append({"$gte": _AFTER_ASCII})
    return [{**users, field: branch} for branch in branches]


def day(instant: datetime) -> str:
    """The first characters of all texts of an instant's day in UTC."""
    return instant.date().isoformat()


def if_type(value: Any, kind: str, then: Any, otherwise: Any) -> Document:
    """One of two values, by the BSON type of a third."""
    return {"$cond": [{"$eq": [{"$type": value}, kind]}, then, otherwise]}


def double(value: Any) -> Document:
    """A number of any type as a float; null if it is none."""
    return {"$convert": {"input": value, "to": "double", "onError": None, "onNull": None}}


def truthy(value: str) -> Document:
    """Whether a value is true as Python sees it, and so the application."""
    return {"$not": {"$in": [{"$ifNull": [value, None]}, _FALSE]}}
