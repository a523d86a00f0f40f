"""Filters by which the database selects candidates: every document that may have expired.

`timestamps.parse_instant` decides in Python, since only it knows every form of a timestamp. A
filter may therefore select too much, but never too little. A text with an offset can be a day ahead
of the instant that it names, hence the margin. Each branch can use an index on the field.
"""

from datetime import datetime, timedelta
from typing import Any

from chesscoach.mongo import values
from chesscoach.mongo.client import Document

_OFFSET_MARGIN = timedelta(days=2)
"""More than any offset, in texts that are compared by their date alone."""

# February 29 and distant years are left out on purpose: Python decides about them.
_DAY_PATTERN = (
    r"[12]\d{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])"
    r"|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)"
    r"|02-(?:0[1-9]|1\d|2[0-8]))"
)
_TIME_PATTERN = r"(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?"
_OFFSET_PATTERN = r"(?:Z|[+-](?:[01]\d|2[0-3]):?[0-5]\d)?"
INSTANT_PATTERN = rf"{_DAY_PATTERN}[T ]{_TIME_PATTERN}{_OFFSET_PATTERN}\z"
"""Texts that are certainly instants, for PCRE; fewer than `parse_instant` accepts."""


def instants(field: str, cutoff: datetime, **where: Any) -> Document:
    """Documents whose field is a date or text that may be before a cutoff, or is not an instant.

    The other conditions go into every branch, so that each can use an index on all fields.
    """
    below = (cutoff + _OFFSET_MARGIN).isoformat()[:10]
    return _any_match(field, {"$lte": cutoff}, *_texts(below), **where)


def days(field: str, cutoff: datetime) -> Document:
    """Documents whose field is a day that may be before a cutoff's, or is not a text.

    Texts that sort after it are left alone: looking at each takes too long.
    """
    return _any_match(field, {"$type": "date"}, {"$lt": cutoff.isoformat()[:10]})


def texts(field: str) -> Document:
    """Documents whose field is a text."""
    return {field: {"$type": "string"}}


def _texts(below: str) -> list[Document]:
    # A negated regex would fetch every document; for this form the index is enough.
    return [{"$lt": below}, {"$gte": below, "$regex": f"^(?!{INSTANT_PATTERN})"}]


def _any_match(field: str, *tests: Document, **where: Any) -> Document:
    """Documents that pass a test, have a value of another type, or have no value."""
    conditions = (*tests, *values.NEITHER_TEXT_NOR_DATE, None)
    return {"$or": [{**where, field: condition} for condition in conditions]}
