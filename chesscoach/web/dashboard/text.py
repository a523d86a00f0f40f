"""How values are shown on a page: instants, durations, and texts from outside."""

import unicodedata
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from urllib.parse import quote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from chesscoach.worker.scheduler.explanation import format_duration

_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_JOINERS = "\u200c\u200d"


def clean(value: object, limit: int = 0) -> str:
    """A text on one line without control, direction and other invisible characters.

    With a limit, a longer text ends in an ellipsis.
    """
    text = str(value)
    if not (text.isascii() and text.isprintable()):
        text = "".join(map(_visible, text))
    if limit and len(text) > limit:
        text = text[: limit - 1].rstrip() + "…"
    return text


def _visible(character: str) -> str:
    if character.isspace():
        return " "
    hidden = unicodedata.category(character) in _INVISIBLE and character not in _JOINERS
    return "" if hidden else character


def path_segment(value: object) -> str:
    """A text as one segment of a URL's path."""
    return quote(str(value).encode(errors="replace"), safe="")


def utc(instant: datetime) -> str:
    """An instant in UTC: `2026-11-27 15:04:05 UTC`."""
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def machine_time(instant: datetime) -> str:
    """An instant as `<time datetime>` has it."""
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def local(instant: datetime, zone: str) -> str:
    """An instant in a zone, with the zone; empty for UTC and for a zone that does not exist."""
    known = _zone(zone)
    if known is None or zone == "UTC":
        return ""
    return f"{instant.astimezone(known):%a %H:%M:%S} {zone}"


@lru_cache(maxsize=1000)
def _zone(name: str) -> ZoneInfo | None:
    """A zone, kept: the standard library reads the file of all but the last few again."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def span(seconds: float | timedelta) -> str:
    """A duration in its two largest units; below ten seconds with a decimal."""
    if isinstance(seconds, timedelta):
        seconds = seconds.total_seconds()
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    return format_duration(timedelta(seconds=seconds))


def words(name: str) -> str:
    """A name of the code, such as `skipped_overlap`, as words."""
    return name.replace("_", " ")


def number(value: float) -> str:
    """A number with groups of three digits."""
    return f"{value:,}"
