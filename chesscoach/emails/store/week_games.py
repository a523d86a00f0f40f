"""The games of a week: which documents are looked at, and what of them."""

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
    """For `games`: those that ended in the week, and the application's own whose PGN may say so.

    No game is imported before it is played, but it may be long after; so of what was imported
    since, those are left out whose tags name other days only.
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
                    {"head": {"$not": {"$regex": r'\[(?:End|UTC)?Date "[0-9]{4}\.'}}},
                ]
            }
        },
        {"$project": _PROJECTION | {"head": 1, "kind": "game"}},
    ]


def projection() -> Document:
    """What `played.played` needs of a document of `games`."""
    return _PROJECTION | {"head": _pgn_head()}


def _pgn_head() -> Document:
    """The tags of a PGN: all before its first blank line, unless that is more than tags can be.

    Not cut to a length: `$substrCP` and `$substrBytes` fail on broken characters, and the batch
    with them.
    """
    head: Any = "$pgn"
    for blank in ("\n\n", "\r\n\r\n"):
        head = {"$first": {"$split": [head, blank]}}
    short = {"$lte": [{"$strLenBytes": "$$head"}, pgn_headers.MAX_HEADER_BYTES]}
    cut = {"$let": {"vars": {"head": head}, "in": {"$cond": [short, "$$head", ""]}}}
    return expressions.if_type("$pgn", "string", cut, "")


def _date_pattern(first: datetime, last: datetime) -> str:
    """What finds a tag that names one of some days."""
    count = (last.date() - first.date()).days + 1
    days = "|".join(f"{first + place * DAY:%Y\\.%m\\.%d}" for place in range(count))
    return rf'\[(?:End|UTC)?Date "(?:{days})"'
