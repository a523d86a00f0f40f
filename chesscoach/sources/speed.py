"""The speed of a game, from what the application stores as its time control.

For games that it fetched, the application stores the source's class. For games that a user imported
it stores the PGN's tag ("600", "180+2", "1/86400") or the event ("Rated Blitz game", "Live Chess").
"""

import re
from collections.abc import Iterable

SPEEDS = ("ultrabullet", "bullet", "blitz", "rapid", "classical", "correspondence", "daily")
"""The classes of Lichess and Chess.com."""

OTHER_SPEED = "other"
"""The name of a speed that is not known. Emails leave it out."""

_EXPECTED_MOVES = 40
_LICHESS_LIMITS_S = ((30, "ultrabullet"), (180, "bullet"), (480, "blitz"), (1500, "rapid"))
_CHESSCOM_LIMITS_S = ((180, "bullet"), (600, "blitz"))
"""A class lasts less than this, by the base time and the increments of 40 moves."""

_MIN_BASE_S = 15
"""A smaller base time is in minutes: no source has such a short game."""

_WORD_PATTERN = re.compile(rf"\b(?:{'|'.join(SPEEDS)})\b", re.ASCII | re.IGNORECASE)
_DAYS_PATTERN = re.compile(r"1/\d{1,9}", re.ASCII)
_CLOCK_PATTERN = re.compile(r"(?:\d{1,3}/|\*)?(\d{1,6})(?:\s*[+|]\s*(\d{1,4}))?(?::.*)?", re.ASCII)


def speed_class(platform: str, descriptions: Iterable[str]) -> str | None:
    """The class of the first description that has one; None if there is none."""
    for text in descriptions:
        words: set[str] = {word.lower() for word in _WORD_PATTERN.findall(text)}
        if len(words) == 1:
            return words.pop()
        if _DAYS_PATTERN.fullmatch(text):
            return "daily" if platform == "chess.com" else "correspondence"
        if clock := _CLOCK_PATTERN.fullmatch(text):
            return _class_of(platform, int(clock[1]), int(clock[2] or 0))
    return None


def _class_of(platform: str, base: int, increment_s: int) -> str | None:
    base_s = base if base == 0 or base >= _MIN_BASE_S else base * 60
    expected_s = base_s + _EXPECTED_MOVES * increment_s
    if not expected_s:
        return None
    limits, slowest = (
        (_CHESSCOM_LIMITS_S, "rapid")
        if platform == "chess.com"
        else (_LICHESS_LIMITS_S, "classical")
    )
    return next((speed for limit_s, speed in limits if expected_s < limit_s), slowest)
