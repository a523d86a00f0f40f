"""The analyses of a week and of the week before: which are valid, and their counts.

The database counts the moves. Numbers sort before texts and NaN before all other numbers, so that
`0 < x < Infinity` is true only of numbers.
"""

from datetime import datetime

from chesscoach.mongo.client import Document
from chesscoach.players.store import expressions, game_parser
from chesscoach.players.store.expressions import DAY

MIN_MOVES = 3
"""An analysis of fewer moves does not count."""

_GAMES, _MOVE_BYTES = 1000, 20  # a player's document must stay far below 16 MB


def stages(users: Document, before: datetime, start: datetime, end: datetime) -> list[Document]:
    """Build the stages for `game_analyses`: the valid ones of both weeks, by player."""
    proper = {
        "stockfish_failed": {"$ne": True},
        "stockfish_analysis.accuracy": {"$gt": 0, "$lte": 100},
    }
    moves = "$stockfish_analysis.move_evaluations"
    documents = {
        "$filter": {
            "input": expressions.if_type(moves, "array", moves, []),
            "cond": {"$eq": [{"$type": "$$this"}, "object"]},
        }
    }
    # Texts sort before dates.
    recent = {"$gte": ["$created_at", expressions.day(start - DAY)]}
    has_game = {"$eq": [{"$type": "$game_id"}, "string"]}
    return [
        {"$match": {"$or": expressions.between("created_at", users, before, end), **proper}},
        {
            "$project": {
                "user_id": 1,
                "game_id": 1,
                "created_at": 1,
                "accuracy": expressions.double("$stockfish_analysis.accuracy"),
                "moves": documents,
            }
        },
        {"$match": {"$expr": {"$gte": [{"$size": "$moves"}, MIN_MOVES]}}},
        {"$set": {"costs": {"$map": {"input": "$moves", "in": _cost("$$this.cp_loss")}}}},
        {
            "$group": {
                "_id": "$user_id",
                "ids": {
                    "$addToSet": {"$cond": [{"$and": [recent, has_game]}, "$game_id", "$$REMOVE"]}
                },
                "analyses": {"$push": _move_counts()},
            }
        },
        {
            "$lookup": {
                "from": "games",
                "localField": "ids",
                "foreignField": "game_id",
                "let": {"user": "$_id"},
                "pipeline": [
                    {"$match": {"$expr": {"$eq": ["$user_id", "$$user"]}}},
                    {"$limit": _GAMES},
                    {"$project": game_parser.PROJECTION | {"head": game_parser.pgn_head()}},
                ],
                "as": "games",
            }
        },
        {
            "$project": {
                "_id": 0, "user_id": "$_id", "analyses": 1, "games": 1, "kind": "analysed"
            }
        },
    ]  # fmt: skip


def _move_counts() -> Document:
    place = {"$indexOfArray": ["$costs", {"$max": "$costs"}]}
    worst = {"$arrayElemAt": ["$moves", place]}
    short = {"$lte": [{"$strLenBytes": "$$move.move"}, _MOVE_BYTES]}
    move = {"$cond": [short, "$$move.move", ""]}
    return {
        "game_id": "$game_id",
        "at": "$created_at",
        "accuracy": "$accuracy",
        "blunders": _size("$moves.evaluation", {"$eq": ["$$this", "blunder"]}),
        "mistakes": _size("$moves.evaluation", {"$eq": ["$$this", "mistake"]}),
        "best": _size(
            "$moves",
            {"$or": [{"$eq": ["$$this.evaluation", "best"]}, expressions.truthy("$$this.is_best")]},
        ),
        "cp_loss": expressions.double({"$max": "$costs"}),
        "worst": {
            "$let": {
                "vars": {"move": worst},
                "in": {
                    "number": "$$move.move_number",
                    "move": expressions.if_type("$$move.move", "string", move, ""),
                },
            }
        },
    }


def _size(values: str, condition: Document) -> Document:
    return {"$size": {"$filter": {"input": values, "cond": condition}}}


def _cost(value: str) -> Document:
    positive = {"$and": [{"$gt": [value, 0]}, {"$lt": [value, float("inf")]}]}
    return {"$cond": [positive, value, 0]}
