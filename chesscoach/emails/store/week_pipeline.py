"""The one command that reads the weeks of a batch of players."""

from collections.abc import Sequence
from datetime import datetime

from chesscoach.emails.store import week_analyses, week_games
from chesscoach.mongo.client import Document
from chesscoach.players.store import expressions


def pipeline(
    user_ids: Sequence[str], before: datetime, start: datetime, end: datetime
) -> list[Document]:
    """Build the pipeline for `games`; the week before begins at `before`.

    Each document has a `user_id` and a `kind`:

    - `game`: a game for `game_parser`
    - `analysed`: a player's `analyses` of both weeks, and the analysed `games` of this week
    - `reflection`, `profile`, `progress`: a document of the collection of that name
    """
    users = {"user_id": {"$in": list(user_ids)}}
    return [
        *week_games.stages(users, start, end),
        _union_with("game_analyses", week_analyses.stages(users, before, start, end)),
        _union_with("reflection_results", _reflections(users, start, end)),
        _union_with("player_profiles", _profiles(users)),
        _union_with("user_progress", _progress(users)),
    ]


def _union_with(collection: str, stages: list[Document]) -> Document:
    return {"$unionWith": {"coll": collection, "pipeline": stages}}


def _reflections(users: Document, start: datetime, end: datetime) -> list[Document]:
    return [
        {"$match": {"$or": expressions.between("created_at", users, start, end)}},
        {
            "$project": {
                "_id": 0,
                "user_id": 1,
                "at": "$created_at",
                "right": expressions.truthy("$move_correct"),
                "kind": "reflection",
            }
        },
    ]


def _profiles(users: Document) -> list[Document]:
    named = {name: _first_element(f"${name}") for name in ("top_weaknesses", "strengths")}
    return [{"$match": users}, {"$project": {"_id": 0, "user_id": 1, "kind": "profile"} | named}]


def _first_element(value: str) -> Document:
    return expressions.if_type(value, "array", {"$first": value}, None)


def _progress(users: Document) -> list[Document]:
    fields = (
        "current_streak",
        "longest_streak",
        "last_activity_date",
        "level",
        "weekly_key",
        "weekly_xp",
        "weekly_prev_key",
        "weekly_prev_xp",
    )
    return [
        {"$match": users},
        {"$project": {"_id": 0, "user_id": 1, "kind": "progress"} | dict.fromkeys(fields, 1)},
    ]
