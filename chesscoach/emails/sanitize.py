"""Text that others wrote, made fit to be shown: names, opponents, weaknesses, moves.

Markup is no concern here: templates escape it. This is about what survives escaping: characters
that cannot be seen or that turn a line around, line breaks that would end a header, text without
end, and words that mail programs would make a link of although we never linked them.
"""

import re
import unicodedata

_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
_MARK_CATEGORIES = frozenset({"Mn", "Me"})
_BLANK_CHARACTERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols by their category, but nothing is to be seen of them."""

_MAX_CONSECUTIVE_MARKS = 3
_LINK_PATTERNS = (
    (re.compile(r"(?<=\w)\.(?=\w\w)"), ". "),
    (re.compile(r"://"), ": //"),
    (re.compile(r"(?<=\S)@(?=\S)"), " @ "),
)


def sanitize(text: str, limit: int = 60) -> str:
    """One line of at most `limit` characters, without control, bidi and zero-width characters.

    White space is collapsed; what is too long ends in an ellipsis. What looks like an address gets
    a space put into it, so that no mail program links it. Nothing may be left: an empty text.
    """
    text = text[: limit * 8]
    if not (text.isascii() and text.isprintable()):
        text = _visible_characters(text)
    for pattern, apart in _LINK_PATTERNS:
        text = pattern.sub(apart, text)
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def to_single_line(address: str) -> str:
    """An address with a space for what cannot be printed: nobody's, rather than another's."""
    return "".join(each if each.isprintable() else " " for each in address)


def label_words(text: str | None, limit: int = 60) -> str:
    """A name out of the application's code, such as `missed_forks`, as words."""
    return sanitize((text or "").replace("_", " "), limit)


def _visible_characters(text: str) -> str:
    kept: list[str] = []
    marks = 0
    for each in unicodedata.normalize("NFC", text):
        category = unicodedata.category(each)
        if each.isspace() or each in _BLANK_CHARACTERS:
            kept.append(" ")
        elif category in _INVISIBLE_CATEGORIES:
            continue
        else:
            marks = marks + 1 if category in _MARK_CATEGORIES else 0
            if marks <= _MAX_CONSECUTIVE_MARKS:
                kept.append(each)
    return "".join(kept)
