"""Keeps lines of the log below 8 kB: many log systems cut or drop longer ones."""

import json

from structlog.typing import EventDict, WrappedLogger

MAX_LINE_BYTES = 8000
"""The maximum of a line in bytes, with its line break."""

_LIMITS = ((1000, 40), (300, 20), (100, 10), (40, 4), (20, 2))
"""Characters of a text, and items of a list or an object, from mild to severe."""

_UNSHORTENED_FIELDS = ("event", "level", "timestamp", "service", "version", "job", "run_id")


def limit_line(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """The event, shortened until it fits into a line; `shortened` then says so.

    A text keeps its beginning, a list its beginning and its end; each says how much is left out.
    """
    if _size(event) <= MAX_LINE_BYTES:
        return event
    for text_limit, item_limit in _LIMITS:
        shorter = {
            _shorten_text(key, text_limit): _shorten(value, text_limit, item_limit)
            for key, value in event.items()
        }
        shorter["shortened"] = True
        if _size(shorter) <= MAX_LINE_BYTES:
            return shorter
    kept = {key: _shorten(event[key], *_LIMITS[-1]) for key in _UNSHORTENED_FIELDS if key in event}
    return {**kept, "shortened": True, "fields_left_out": len(event) - len(kept)}


def _size(event: EventDict) -> int:
    return len(json.dumps(event, default=str)) + 1


def _shorten(value: object, text_limit: int, item_limit: int) -> object:
    if isinstance(value, str):
        return _shorten_text(value, text_limit)
    if isinstance(value, list):
        return [_shorten(item, text_limit, item_limit) for item in _ends(value, item_limit)]
    if isinstance(value, dict):
        kept = {
            _shorten_text(str(key), text_limit): _shorten(inner, text_limit, item_limit)
            for key, inner in list(value.items())[:item_limit]
        }
        left_out = len(value) - item_limit
        return {**kept, "...": f"{left_out} left out"} if left_out > 0 else kept
    return value


def _ends(items: list[object], limit: int) -> list[object]:
    """The first and the last items, with the number of those between them."""
    if len(items) <= limit:
        return items
    half = limit // 2
    return [*items[:half], f"... {len(items) - 2 * half} left out ...", *items[-half:]]


def _shorten_text(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}... ({len(text)} characters)"
