"""What the database selects beforehand: every row that is not provably within its time.

The judge is `timestamps.instant`, in Python, for it alone knows every form; so the filter may be
too wide, but never too narrow. A text with an offset can be a day ahead of the instant that it
names, hence the margin. Each branch can go by an index on the field.
"""

from datetime import datetime, timedelta
from typing import Any

from chesscoach.mongo.client import Document

_MARGIN = timedelta(days=2)
"""More than any offset, in texts that are compared by their date alone."""

# February 29 and years far off are left out on purpose: they go to the judge.
_DAY_PATTERN = (
    r"[12]\d{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])"
    r"|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)"
    r"|02-(?:0[1-9]|1\d|2[0-8]))"
)
_TIME_PATTERN = r"(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?"
_OFFSET_PATTERN = r"(?:Z|[+-](?:[01]\d|2[0-3]):?[0-5]\d)?"
INSTANT_PATTERN = rf"{_DAY_PATTERN}[T ]{_TIME_PATTERN}{_OFFSET_PATTERN}\z"
"""Texts that are instants beyond doubt, for PCRE; fewer than the judge accepts."""

# Arrays are told by what is in them: as a type they would take the whole index.
_UNEXPECTED_TYPES = [
    "double", "object", "binData", "undefined", "objectId", "bool", "regex", "dbPointer",
    "javascript", "javascriptWithScope", "int", "timestamp", "long", "decimal", "minKey", "maxKey",
]  # fmt: skip


def instants(field: str, cutoff: datetime, **where: Any) -> Document:
    """Rows whose field is a date or a text that may lie before a cutoff, or is no instant.

    What else they must be goes into every branch, so that each can use an index on all of it.
    """
    below = (cutoff + _MARGIN).isoformat()[:10]
    return _any_match(field, {"$lte": cutoff}, *_texts(below), **where)


def days(field: str, cutoff: datetime) -> Document:
    """Rows whose field is a day, `YYYY-MM-DD`, that may be before a cutoff's, or is no text at all.

    Texts that sort after it are let be whatever they are: to look at each takes too long.
    """
    return _any_match(field, {"$type": "date"}, {"$lt": cutoff.isoformat()[:10]})


def texts(field: str) -> Document:
    """Rows whose field is a text."""
    return {field: {"$type": "string"}}


def _texts(below: str) -> list[Document]:
    # As a negation of a regex every row would be fetched; so the index alone tells.
    return [{"$lt": below}, {"$gte": below, "$regex": f"^(?!{INSTANT_PATTERN})"}]


def _any_match(field: str, *tests: Document, **where: Any) -> Document:
    """Rows that pass a test, or have a value of another type, or none."""
    odd: list[Any] = [{"$type": _UNEXPECTED_TYPES}, None, []]
    return {"$or": [{**where, field: test} for test in (*tests, *odd)]}
