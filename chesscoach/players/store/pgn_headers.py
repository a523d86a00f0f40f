"""The tags at the head of a stored PGN: a game's end and ratings.

A source or a person wrote them, and the application changes the capitals of imported ones
(`Utcdate`). So tags are in lower case here. A tag that is missing or invalid gives None.
"""

import re
from collections.abc import Mapping
from datetime import datetime

from chesscoach.mongo.values import is_text

MAX_HEADER_BYTES = 4000
"""Longer heads are ignored; a source's take about 800 bytes."""

_TAG = re.compile(r'^[ \t\ufeff]*\[(\w{1,40}) "([^"\n]*)"\]', re.MULTILINE | re.ASCII)
_DATE_PATTERN = re.compile(r"\d{4}\.\d\d\.\d\d", re.ASCII)
_TIME_PATTERN = re.compile(r"\d\d:\d\d:\d\d", re.ASCII)
_ELO = re.compile(r"\d{1,4}", re.ASCII)
_RATING_DIFF_PATTERN = re.compile(r"[+-]?\d{1,4}", re.ASCII)

# The end if the source writes it (Chess.com); otherwise the beginning (Lichess), minutes before.
_END_TAGS = (("enddate", "endtime"), ("utcdate", "utctime"), ("date", None))


def parse_tags(pgn: object) -> dict[str, str]:
    """Parse the tags before the first blank line, by name in lower case; the first one counts."""
    if not is_text(pgn):
        return {}
    head = pgn.replace("\r\n", "\n").partition("\n\n")[0]
    tags: dict[str, str] = {}
    for name, value in _TAG.findall(head):
        tags.setdefault(name.lower(), value)
    return tags


def end_time(tags: Mapping[str, str]) -> datetime | None:
    """The end of a game by its tags; noon if they have a day without a time."""
    for date, time in _END_TAGS:
        day = tags.get(date, "")
        if _DATE_PATTERN.fullmatch(day):
            clock = tags.get(time, "") if time else ""
            spelled = clock if _TIME_PATTERN.fullmatch(clock) else "12:00:00"
            try:
                return datetime.fromisoformat(f"{day.replace('.', '-')}T{spelled}+00:00")
            except ValueError:
                continue
    return None


def rating(tags: Mapping[str, str], side: str) -> int | None:
    """The rating of a side, `white` or `black`."""
    value = tags.get(f"{side}elo", "")
    return int(value) if _ELO.fullmatch(value) else None


def rating_change(tags: Mapping[str, str], side: str) -> int | None:
    """The change of a side's rating by the game."""
    value = tags.get(f"{side}ratingdiff", "")
    return int(value) if _RATING_DIFF_PATTERN.fullmatch(value) else None
