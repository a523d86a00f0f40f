"""The games of a week: the documents to read, and their fields."""

from datetime import datetime

from chesscoach.mongo.client import Document
from chesscoach.players.store import expressions, game_parser
from chesscoach.players.store.expressions import DAY


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
        {"$set": {"head": game_parser.pgn_head()}},
        {
            "$match": {
                "$or": [
                    {"ended_at": {"$ne": None}},
                    {"head": {"$regex": _date_pattern(*days)}},
                    {"head": {"$not": {"$regex": r'(?i)\[(?:End|UTC)?Date "[0-9]{4}\.'}}},
                ]
            }
        },
        {"$project": game_parser.PROJECTION | {"head": 1, "kind": "game"}},
    ]


def _date_pattern(first: datetime, last: datetime) -> str:
    """A pattern of the tags that name one of some days."""
    count = (last.date() - first.date()).days + 1
    days = "|".join(f"{first + place * DAY:%Y\\.%m\\.%d}" for place in range(count))
    return rf'(?i)\[(?:End|UTC)?Date "(?:{days})"'
