"""The games of a week: the documents to read, and their fields."""

from datetime import datetime
from typing import Any

from chesscoach.emails.store import expressions, pgn_headers
from chesscoach.emails.store.expressions import DAY
from chesscoach.mongo.client import Document

_PROJECTION = {
    "_id": 0,
    "user_id": 1,
    "game_id": 1,
    "platform": 1,
    "username": 1,
    "url": 1,
    "user_color": 1,
    "result": 1,
    "time_control": 1,
    "variant": 1,
    "imported_at": 1,
    "ended_at": 1,
    "user_rating": 1,
    "opponent": 1,
}


def stages(users: Document, start: datetime, end: datetime) -> list[Document]:
    """Build the stages for `games`: those that ended in the week.

    A game of the application has its end only in the PGN. It is imported after it was played,
    perhaps long after. So the stages also select games that were imported since the week began,
    except those whose tags name only other days.
    """
    imported = expressions.between("imported_at", users, start - DAY, None)
    days = (start - DAY, end + DAY)
    return [
        {
            "$match": {
                "$or": [
                    *expressions.between("ended_at", users, start, end),
                    *({**branch, "ended_at": None} for branch in imported),
                ]
            }
        },
        {"$set": {"head": _pgn_head()}},
        {
            "$match": {
                "$or": [
                    {"ended_at": {"$ne": None}},
                    {"head": {"$regex": _date_pattern(*days)}},
                    {"head": {"$not": {"$regex": r'(?i)\[(?:End|UTC)?Date "[0-9]{4}\.'}}},
                ]
            }
        },
        {"$project": _PROJECTION | {"head": 1, "kind": "game"}},
    ]


def projection() -> Document:
    """The fields that `week_game_parser` needs of a document of `games`."""
    return _PROJECTION | {"head": _pgn_head()}


def _pgn_head() -> Document:
    """The tags of a PGN: all before its first blank line or first move, unless that is too long.

    The text is not cut, because `$substrCP` and `$substrBytes` fail on broken characters, and the
    whole batch with them.
    """
    head: Any = "$pgn"
    for end in ("\n\n", "\r\n\r\n", "\n1."):
        head = {"$first": {"$split": [head, end]}}
    short = {"$lte": [{"$strLenBytes": "$$head"}, pgn_headers.MAX_HEADER_BYTES]}
    cut = {"$let": {"vars": {"head": head}, "in": {"$cond": [short, "$$head", ""]}}}
    return expressions.if_type("$pgn", "string", cut, "")


def _date_pattern(first: datetime, last: datetime) -> str:
    """A pattern of the tags that name one of some days."""
    count = (last.date() - first.date()).days + 1
    days = "|".join(f"{first + place * DAY:%Y\\.%m\\.%d}" for place in range(count))
    return rf'(?i)\[(?:End|UTC)?Date "(?:{days})"'
