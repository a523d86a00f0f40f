"""The application's timestamps: ISO strings in several forms, and dates.

Only this module decides what such a value means. An invalid value is None, never a guess.
"""

import re
from datetime import UTC, datetime

from chesscoach.mongo.values import is_text

_TIMESTAMP_PATTERN = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d([.,]\d{1,9})?)?\s?(Z|z|[+-]\d\d(:?[0-5]\d)?)?", re.ASCII
)


def parse_instant(value: object) -> datetime | None:
    """The instant of a stored value, in UTC; a value without a zone is in UTC."""
    if is_text(value) and _TIMESTAMP_PATTERN.fullmatch(value.strip()):
        try:
            value = datetime.fromisoformat(value.strip().upper())
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    if value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    try:
        return value.astimezone(UTC)
    except OverflowError:
        return None


def format_instant(value: datetime) -> str:
    """An instant as the application writes it: ISO 8601, UTC, `+00:00`."""
    return (value if value.tzinfo is UTC else value.astimezone(UTC)).isoformat()
