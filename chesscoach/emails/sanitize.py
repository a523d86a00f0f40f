"""Sanitizes text that others wrote: names, opponents, weaknesses, moves.

Templates escape markup. This module removes what survives escaping: invisible characters,
characters that change the direction of a line, line breaks that would end a header, endless text,
and words that mail programs would turn into links.
"""

import re
import unicodedata

_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
_MARK_CATEGORIES = frozenset({"Mn", "Me"})
_BLANK_CHARACTERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols by their category, but invisible."""

_MAX_CONSECUTIVE_MARKS = 3
_LINK_PATTERNS = (
    (re.compile(r"(?<=\w)\.(?=\w\w)"), ". "),
    (re.compile(r"://"), ": //"),
    (re.compile(r"(?<=\S)@(?=\S)"), " @ "),
)


def sanitize(text: str, limit: int = 60) -> str:
    """One line of at most `limit` characters, without control, bidi and zero-width characters.

    White space is collapsed; text that is too long ends in an ellipsis. A space splits what looks
    like an address, so that no mail program links it. The result may be empty.
    """
    text = text[: limit * 8]
    if not (text.isascii() and text.isprintable()):
        text = _visible_characters(text)
    for pattern, apart in _LINK_PATTERNS:
        text = pattern.sub(apart, text)
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def to_single_line(address: str) -> str:
    """Replace unprintable characters of an address by spaces: it is invalid then, not another."""
    return "".join(character if character.isprintable() else " " for character in address)


def label_words(text: str | None, limit: int = 60) -> str:
    """Turn a name of the application's code, such as `missed_forks`, into words."""
    return sanitize((text or "").replace("_", " "), limit)


def _visible_characters(text: str) -> str:
    kept: list[str] = []
    marks = 0
    for character in unicodedata.normalize("NFC", text):
        category = unicodedata.category(character)
        if character.isspace() or character in _BLANK_CHARACTERS:
            kept.append(" ")
        elif category in _INVISIBLE_CATEGORIES:
            continue
        else:
            marks = marks + 1 if category in _MARK_CATEGORIES else 0
            if marks <= _MAX_CONSECUTIVE_MARKS:
                kept.append(character)
    return "".join(kept)
