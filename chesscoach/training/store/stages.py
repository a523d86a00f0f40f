"""Stages that select what players did, with only the fields that are needed.

Each document has a `kind` and the `user_id`. The database only pre-selects, and Python decides: the
values may have any type, and only Python can parse a text as an instant.
"""

from datetime import datetime
from typing import Any

from chesscoach.mongo.client import Document
from chesscoach.players.store import expressions, game_parser
from chesscoach.players.store.expressions import DAY

MIN_MOVES = 3
"""An analysis of fewer moves does not count."""
MAX_ACCURACY = 100

_MOVES = "$stockfish_analysis.move_evaluations"
_HAS_MOVES = {
    "stockfish_analysis.accuracy": {"$nin": [0, None]},
    "stockfish_analysis.move_evaluations.2": {"$exists": True},
}
_HAS_ODD_MOVES = [
    {name: {"$exists": True, "$not": {"$type": [kind, "null"]}}}
    for name, kind in (
        ("stockfish_analysis", "object"),
        ("stockfish_analysis.move_evaluations", "array"),
    )
]
_MOVE_LIST = expressions.if_type(_MOVES, "array", _MOVES, [])
_OWN_MOVE = {
    "$and": [
        {"$eq": [{"$type": "$$this"}, "object"]},
        {"$ne": ["$$this.is_opponent_move", True]},
    ]
}


def union_with(collection: str, stages: list[Document]) -> Document:
    """Adds the documents of another collection."""
    return {"$unionWith": {"coll": collection, "pipeline": stages}}


def own_moves() -> Document:
    """How many moves of the player an analysis has; not counted beyond MIN_MOVES."""
    return {"$size": {"$filter": {"input": _MOVE_LIST, "cond": _OWN_MOVE, "limit": MIN_MOVES}}}


def analyses(users: Document, start: datetime, detailed_from: datetime) -> list[Document]:
    """For `game_analyses`: those of a window; blunders are counted from an instant on.

    With those whose moves are of a wrong type: they are to be named.
    """
    # In one stage: another would copy all moves.
    at: Document = {"$ifNull": ["$created_at", "$analyzed_at"]}
    recent = expressions.if_type(
        at, "date", {"$gte": [at, detailed_from]}, {"$gte": [at, _day(detailed_from)]}
    )
    blunder = {"$and": [{"$eq": ["$$this.evaluation", "blunder"]}, *_OWN_MOVE["$and"]]}
    blunders = {"$filter": {"input": _MOVE_LIST, "cond": blunder}}
    return [
        {
            "$match": {
                "$and": [
                    {"$or": since(users, start, "created_at", "analyzed_at")},
                    {"$or": [_HAS_MOVES, *_HAS_ODD_MOVES]},
                ],
                "stockfish_failed": {"$ne": True},
            }
        },
        {
            "$project": {
                "_id": 0,
                "kind": "analysis",
                "user_id": 1,
                "game_id": {"$ifNull": ["$game_id", "$_id"]},
                "at": at,
                "accuracy": "$stockfish_analysis.accuracy",
                "moves": own_moves(),
                "is_odd": {"$not": [{"$isArray": _MOVES}]},
                "blunders": {"$cond": [recent, {"$size": blunders}, 0]},
            }
        },
        {"$match": {"$or": [{"moves": MIN_MOVES}, {"is_odd": True}]}},
    ]


def attempts(users: Document, start: datetime, older: int) -> list[Document]:
    """For `puzzle_attempts`: those of a window, and the last `older` ones before it with a result.

    One document for each player has them. Attempts whose instant the server cannot read are among
    the recent ones.
    """
    solved = first_of_type("bool", "$success", "$correct")
    fields = {
        "_id": "$_id",
        "at": "$at",
        "solved": "$solved",
        "ms": "$time_taken_ms",
        "seconds": "$time_taken_seconds",
    }
    old = {"$and": [{"$ne": ["$key", None]}, {"$lt": ["$key", start]}]}
    counted = {"$and": [old, {"$ne": ["$solved", None]}]}
    rank = {"$cond": [counted, "$key", None]}
    return [
        {"$match": users},
        {
            "$project": {
                "user_id": 1,
                "at": {"$ifNull": ["$created_at", "$attempted_at"]},
                "solved": solved,
                "time_taken_ms": 1,
                "time_taken_seconds": 1,
            }
        },
        {"$set": {"key": _instant("$at")}},
        {"$set": {"rank": rank}},
        {
            "$group": {
                "_id": "$user_id",
                "recent": {"$push": {"$cond": [old, "$$REMOVE", fields]}},
                "older": {
                    "$topN": {
                        "n": older,
                        "sortBy": {"rank": -1, "_id": -1},
                        "output": {"$cond": [counted, fields, None]},
                    }
                },
            }
        },
        {"$project": {"_id": 0, "kind": "attempts", "user_id": "$_id", "recent": 1, "older": 1}},
    ]


def sessions(users: Document, first: str, last: str) -> list[Document]:
    """For `training_sessions`: the completed ones of some local dates."""
    query = {**users, "local_date": {"$gte": first, "$lte": last}, "status": "completed"}
    fields = dict.fromkeys(("user_id", "local_date", "actual_min"), 1)
    return [{"$match": query}, {"$project": {"kind": "session", **fields}}]


def games(users: Document, start: datetime, extra: Document | None = None) -> list[Document]:
    """For `games`: those that ended in a window, or were imported in it and have no stored end."""
    return [
        {"$match": {"$or": since(users, start, "ended_at", "imported_at")}},
        {"$match": {"platform": {"$ne": "coach"}}},
        {
            "$project": game_parser.PROJECTION
            | {"_id": 1, "head": game_parser.pgn_head(), "kind": "game", **(extra or {})}
        },
    ]


def last_games(users: Document) -> list[Document]:
    """For `games`: the last one of each player, platform, time control and variant."""
    return [
        {"$match": {**users, "platform": {"$ne": "coach"}}},
        {
            "$group": {
                "_id": {
                    name: f"${name}" for name in ("user_id", "platform", "time_control", "variant")
                },
                "game": {
                    "$top": {"sortBy": {"ended_at": -1, "imported_at": -1}, "output": "$$ROOT"}
                },
            }
        },
        {"$replaceRoot": {"newRoot": "$game"}},
        {
            "$project": game_parser.PROJECTION
            | {"_id": 1, "head": game_parser.pgn_head(), "kind": "game"}
        },
    ]


def since(users: Document, start: datetime, field: str, fallback: str) -> list[Document]:
    """Branches of an `$or`: an instant in a window, in the second field where there is no first."""
    return [
        *expressions.between(field, users, start, None),
        *({**branch, field: None} for branch in expressions.between(fallback, users, start, None)),
    ]


def _instant(value: str) -> Document:
    """A text or a date as a date; null where the server cannot read it."""
    readable = {"$in": [{"$type": value}, ["string", "date"]]}
    converted = {"$convert": {"input": value, "to": "date", "onError": None, "onNull": None}}
    return {"$cond": [readable, converted, None]}


def first_of_type(kind: str, *fields: str) -> Any:
    """The first of some fields that has a BSON type; null if none has."""
    value: Any = None
    for field in reversed(fields):
        value = expressions.if_type(field, kind, field, value)
    return value


def _day(instant: datetime) -> str:
    return expressions.day(instant - DAY)
