"""Where the zero-width joiner and non-joiner belong in a text, and where they only hide.

The places are those of Unicode: between letters of the Arabic script (Persian), beside the virama
of an Indic script (Sinhala, Bengali), and between the parts of an emoji. RFC 5892, appendix A, has
the rules for letters.
"""

import unicodedata

NON_JOINER, JOINER = "\u200c", "\u200d"
JOINERS = NON_JOINER + JOINER

_VIRAMA_CLASS = 9
"""The combining class of all viramas."""

_EMOJI_STYLE = "\ufe0f"
_SKIN_TONES = range(0x1F3FB, 0x1F400)
_FIRST_EMOJI = 0x1F000
_OTHER_EMOJI_PARTS = frozenset(
    "\u2194\u2195\u2640\u2642\u2695\u2696\u2620\u26a7\u26d3\u26f9\u2708\u2764\u27a1\u2b1b\u2b1c"
)
"""The symbols below U+1F000 that take part in joined emoji."""


def is_in_place(joiner: str, before: str, after: str) -> bool:
    """Whether a joiner belongs between two texts; only their nearest characters matter."""
    if not before:
        return False
    last, following = before[-1], after[:1]
    if unicodedata.combining(last) == _VIRAMA_CLASS:
        return True
    if following and unicodedata.combining(following) == _VIRAMA_CLASS:
        return _is_letter(last)
    if joiner == NON_JOINER:
        return _is_arabic(_base_of(before)) and _is_arabic(following)
    return _is_emoji_part(before.rstrip(_EMOJI_STYLE)[-1:]) and _is_emoji_part(following)


def _base_of(text: str) -> str:
    """The last character that is not a mark; empty without one."""
    return next((char for char in reversed(text) if not _is_mark(char)), "")


def _is_mark(character: str) -> bool:
    return unicodedata.category(character).startswith("M")


def _is_letter(character: str) -> bool:
    return unicodedata.category(character).startswith("L")


def _is_arabic(character: str) -> bool:
    """Whether a letter is of a right-to-left script whose letters join."""
    return (
        bool(character) and _is_letter(character) and unicodedata.bidirectional(character) == "AL"
    )


def _is_emoji_part(character: str) -> bool:
    if not character or character in _OTHER_EMOJI_PARTS:
        return bool(character)
    code = ord(character)
    return code in _SKIN_TONES or (code >= _FIRST_EMOJI and unicodedata.category(character) == "So")
