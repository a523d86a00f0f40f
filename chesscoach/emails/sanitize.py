"""Sanitizes text that others wrote: names, opponents, weaknesses, moves.

Templates escape markup. This module removes what survives escaping. That is invisible characters
(except joiners in their places), characters that change the direction of a line, and line breaks
that would end a header. It also shortens long texts, and breaks words that mail programs would turn
into links.
"""

import re
import unicodedata

from chesscoach.emails.joiners import JOINERS, is_in_place

_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
_MARK_CATEGORIES = frozenset({"Mn", "Me"})
_BLANK_CHARACTERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols by their category, but invisible."""

_MAX_CONSECUTIVE_MARKS = 3
_LINK_PATTERNS = (
    (re.compile(rf"(?<=[\w{JOINERS}])\.(?=\w[\w{JOINERS}])"), ". "),
    (re.compile(r"://"), ": //"),
    (re.compile(r"(?<=\S)@(?=\S)"), " @ "),
)


def sanitize(text: str, limit: int = 60) -> str:
    """One line of at most `limit` characters, without control, bidi and zero-width characters.

    Joiners stay in their places. White space is collapsed; text that is too long ends in an
    ellipsis. A space splits what looks like an address, so that no mail program links it. The
    result may be empty.
    """
    text = text[: limit * 8]
    if not (text.isascii() and text.isprintable()):
        text = _visible_characters(text)
    for pattern, apart in _LINK_PATTERNS:
        text = pattern.sub(apart, text)
    text = " ".join(text.split())
    if len(text) <= limit:
        return text
    return text[: limit - 1].rstrip(f" {JOINERS}") + "…"


def to_single_line(address: str) -> str:
    """Replace unprintable characters of an address by spaces: it is invalid then, not another."""
    return "".join(character if character.isprintable() else " " for character in address)


def label_words(text: str | None, limit: int = 60) -> str:
    """Turn a name of the application's code, such as `missed_forks`, into words."""
    return sanitize((text or "").replace("_", " "), limit)


def _visible_characters(text: str) -> str:
    kept: list[str] = []
    marks = 0
    characters = unicodedata.normalize("NFC", text)
    for place, character in enumerate(characters):
        if character in JOINERS:
            if is_in_place(character, "".join(kept), characters[place + 1 :]):
                kept.append(character)
            continue
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
