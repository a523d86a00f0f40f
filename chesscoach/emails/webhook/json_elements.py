"""Parses a JSON array so that a malformed element costs no other."""

import json
import re
from collections.abc import Iterator
from typing import Any

_MAX_DIGITS = 20
"""Longer whole numbers are None: Python refuses to parse thousands of digits."""

_TOKEN_PATTERN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},]', re.DOTALL)


def _parse_int(digits: str) -> int | None:
    return int(digits) if len(digits) <= _MAX_DIGITS else None


_DECODER = json.JSONDecoder(strict=False, parse_int=_parse_int)


def parse_elements(body: bytes) -> list[Any] | None:
    """The elements of an array, None for each malformed one; None if the body is not an array.

    A byte order mark, NaN and control characters are accepted. Bytes that are not UTF-8, and half
    of a surrogate pair, become lone surrogates in their text.
    """
    text = body.decode("utf-8-sig", "surrogateescape").strip()
    if not (text.startswith("[") and text.endswith("]")):
        return None
    elements = _parse(text)
    if isinstance(elements, list):
        return elements
    return [_parse(element) for element in _split(text[1:-1])]


def _split(text: str) -> Iterator[str]:
    """Split text at the commas that are in no string, array or object."""
    depth = start = 0
    for token in _TOKEN_PATTERN.finditer(text):
        mark = token.group()
        if mark in ("[", "{"):
            depth += 1
        elif mark in ("]", "}"):
            depth = max(depth - 1, 0)
        elif mark == "," and depth == 0:
            yield text[start : token.start()]
            start = token.end()
    yield text[start:]


def _parse(text: str) -> Any:
    try:
        return _DECODER.decode(text)
    except (ValueError, RecursionError):
        return None
