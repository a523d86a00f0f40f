"""Stages that select what recommendations follow from, besides the activity of the last days.

Each document has a `kind` and the `user_id`.
"""

from datetime import datetime
from typing import Any

from chesscoach.mongo.client import Document
from chesscoach.players.store import expressions, game_parser
from chesscoach.players.store.expressions import DAY
from chesscoach.training.store import stages

_UNANALYSED_GAMES = 20
"""The oldest games that are not marked as analysed: some have an analysis all the same."""

_WEAKNESSES = 50
_FLAGS = ("weaknesses", "identified_weaknesses")


def pipeline(users: Document, games_since: datetime, now: datetime) -> list[Document]:
    """For `game_analyses`: one command for a batch of players."""
    return [
        *_last(users, "created_at"),
        stages.union_with("puzzle_attempts", _last(users, "created_at", "attempted_at")),
        stages.union_with("games", _last(users, "imported_at")),
        stages.union_with("games", _recent_games(users, games_since)),
        stages.union_with("games", _unanalysed(users)),
        stages.union_with("puzzle_attempts", _unsolved(users)),
        stages.union_with("game_analyses", _weakness_games(users, now)),
        stages.union_with("player_profiles", _profiles(users)),
        stages.union_with("mistake_cards", _cards(users, now)),
    ]


def low_accuracy(since: datetime) -> list[Document]:
    """For `game_analyses`: the newest analysis with a low accuracy of each user."""
    recent = [*expressions.between("created_at", {}, since, None)[:2]]
    return [
        {
            "$match": {
                "$or": recent,
                "stockfish_failed": {"$ne": True},
                "stockfish_analysis.accuracy": {"$gt": 0, "$lt": 70},
            }
        },
        {
            "$group": {
                "_id": {"user_id": "$user_id", "type": {"$type": "$created_at"}},
                "at": {"$max": "$created_at"},
            }
        },
    ]


def _last(users: Document, field: str, fallback: str | None = None) -> list[Document]:
    """The greatest text and the greatest date, since the server compares either."""
    at: Any = f"${field}" if fallback is None else {"$ifNull": [f"${field}", f"${fallback}"]}
    return [
        {"$match": users},
        {"$project": {"_id": 0, "user_id": 1, "at": at}},
        {
            "$group": {
                "_id": {"user_id": "$user_id", "type": {"$type": "$at"}},
                "at": {"$max": "$at"},
            }
        },
        {"$project": {"_id": 0, "kind": "last", "user_id": "$_id.user_id", "at": 1}},
    ]


def _recent_games(users: Document, start: datetime) -> list[Document]:
    """Games with their openings and endings; a PGN is read only where the fields are not there."""
    stored = {"$gt": ["$ended_at", None]}
    fields: Document = {
        **dict.fromkeys(("opening", "termination", "ending"), 1),
        "head": {"$cond": [stored, "", game_parser.pgn_head()]},
        "kind": "recent_game",
    }
    return stages.games(users, start, fields)


def _unanalysed(users: Document) -> list[Document]:
    hidden = {"is_active": {"$ne": False}, "platform": {"$ne": "coach"}}
    return [
        {"$match": {**users, "is_analyzed": {"$in": [False, None]}, **hidden}},
        {
            "$group": {
                "_id": "$user_id",
                "games": {
                    "$topN": {
                        "n": _UNANALYSED_GAMES,
                        "sortBy": {"imported_at": 1, "game_id": 1},
                        "output": "$game_id",
                    }
                },
            }
        },
        {"$project": {"_id": 0, "kind": "unanalysed", "user_id": "$_id", "games": 1}},
    ]


def _unsolved(users: Document) -> list[Document]:
    """The puzzle that each user tried first among those with a wrong and no right solution."""
    solved = stages.first_of_type("bool", "$success", "$correct")
    puzzle = {"$ifNull": ["$puzzle_id", "$puzzle_index"]}
    at = {"$ifNull": ["$created_at", "$attempted_at"]}
    return [
        {"$match": users},
        {"$project": {"user_id": 1, "puzzle": puzzle, "solved": solved, "at": at}},
        {"$match": {"solved": {"$ne": None}, "puzzle": {"$type": ["string", "int", "long"]}}},
        {
            "$group": {
                "_id": {"user_id": "$user_id", "puzzle": "$puzzle"},
                "solved": {"$max": "$solved"},
                "at": {"$min": "$at"},
            }
        },
        {"$match": {"solved": False}},
        {
            "$group": {
                "_id": "$_id.user_id",
                "puzzle": {"$top": {"sortBy": {"at": 1, "_id": 1}, "output": "$_id.puzzle"}},
            }
        },
        {"$project": {"_id": 0, "kind": "unsolved", "user_id": "$_id", "puzzle": 1}},
    ]


def _weakness_games(users: Document, now: datetime) -> list[Document]:
    """The weaknesses that the analyses of three months name, the newest analyses first."""
    recent = expressions.between("created_at", users, now - 90 * DAY, None)[:2]
    named: list[Any] = [
        {"$slice": [expressions.if_type(f"${name}", "array", f"${name}", []), _WEAKNESSES]}
        for name in _FLAGS
    ]
    return [
        {
            "$match": {
                "$or": recent,
                "$and": [{"$or": [{f"{name}.0": {"$exists": True}} for name in _FLAGS]}],
            }
        },
        {"$sort": {"created_at": -1}},
        {
            "$project": {
                "_id": 0,
                "kind": "weakness_games",
                "user_id": 1,
                "game_id": 1,
                "names": {"$concatArrays": named},
            }
        },
    ]


def _profiles(users: Document) -> list[Document]:
    weaknesses = expressions.if_type("$top_weaknesses", "array", "$top_weaknesses", [])
    return [
        {"$match": users},
        {
            "$project": {
                "_id": 0,
                "kind": "profile",
                "user_id": 1,
                "weaknesses": {"$slice": [weaknesses, _WEAKNESSES]},
            }
        },
    ]


def _cards(users: Document, now: datetime) -> list[Document]:
    due = [
        {"next_review": {"$lte": now}},
        {"next_review": {"$gt": "0", "$lt": expressions.day(now + 2 * DAY)}},
    ]
    return [
        {"$match": {**users, "is_mastered": {"$ne": True}, "$or": due}},
        {"$project": {"kind": "card", "user_id": 1, "card_id": 1, "next_review": 1}},
    ]
