"""The tags at the head of a stored PGN, and what they say of a game's end and ratings.

A site or a person wrote them: each may be missing or nonsense, and is None then.
"""

import re
from collections.abc import Mapping
from datetime import datetime

MAX_HEADER_BYTES = 4000
"""Tags that take more are not looked at; a site's take about 800."""

_TAG = re.compile(r'^\[(\w{1,40}) "([^"\n]*)"\]', re.MULTILINE | re.ASCII)
_DATE = re.compile(r"\d{4}\.\d\d\.\d\d", re.ASCII)
_TIME = re.compile(r"\d\d:\d\d:\d\d", re.ASCII)
_ELO = re.compile(r"\d{1,4}", re.ASCII)
_DIFF = re.compile(r"[+-]?\d{1,4}", re.ASCII)

# The end, where a site tells it (Chess.com); else the beginning (Lichess): minutes before it.
_END_TAGS = (("EndDate", "EndTime"), ("UTCDate", "UTCTime"), ("Date", None))


def parse_tags(pgn: object) -> dict[str, str]:
    """The tags before the first blank line; of equals the first."""
    if not isinstance(pgn, str):
        return {}
    head = pgn.replace("\r\n", "\n").partition("\n\n")[0]
    found: dict[str, str] = {}
    for name, value in _TAG.findall(head):
        found.setdefault(name, value)
    return found


def end_time(found: Mapping[str, str]) -> datetime | None:
    """When a game ended, as well as its tags know it; a day without a time stands for its noon."""
    for date, time in _END_TAGS:
        day = found.get(date, "")
        if _DATE.fullmatch(day):
            clock = found.get(time, "") if time else ""
            spelled = clock if _TIME.fullmatch(clock) else "12:00:00"
            try:
                return datetime.fromisoformat(f"{day.replace('.', '-')}T{spelled}+00:00")
            except ValueError:
                continue
    return None


def rating(found: Mapping[str, str], side: str) -> int | None:
    """The rating of a side, `White` or `Black`."""
    value = found.get(f"{side}Elo", "")
    return int(value) if _ELO.fullmatch(value) else None


def rating_change(found: Mapping[str, str], side: str) -> int | None:
    """What the game has changed of it."""
    value = found.get(f"{side}RatingDiff", "")
    return int(value) if _DIFF.fullmatch(value) else None
