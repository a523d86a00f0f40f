"""How long a source asks us to wait: the header `Retry-After`."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MAX_RETRY_AFTER_S = 3600.0
"""No source can put us off for longer with one response."""

_SECONDS_PATTERN = re.compile(r"\d{1,15}", re.ASCII)


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float:
    """The seconds that a response asks for, at most `MAX_RETRY_AFTER_S`; 0 if it asks for none.

    The header has seconds or an HTTP date (RFC 9110, 10.2.3). A date is counted from the response's
    own `Date`, because the source's clock may differ from ours; `now` is used if there is none.
    Anything else is ignored.
    """
    value = headers.get("Retry-After", "").strip()
    if _SECONDS_PATTERN.fullmatch(value):
        return min(float(value), MAX_RETRY_AFTER_S)
    until = _http_date(value)
    if until is None:
        return 0.0
    seconds = (until - (_http_date(headers.get("Date", "")) or now)).total_seconds()
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S)


def _http_date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError, IndexError, TypeError):  # by what the text lacks
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)  # "-0000" is UTC without a zone
