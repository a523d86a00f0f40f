"""The sample players' data that the application writes: users, analyses, profiles, progress."""

import random
from datetime import datetime, timedelta
from typing import Any

from chesscoach.mongo import timestamps
from chesscoach.mongo.client import Database

_ANALYSED_PERIOD = timedelta(days=21)
_WEAKNESSES = (
    "One-move blunders",
    "Pieces left hanging",
    "Rook endgames",
    "Moving too fast in won positions",
)
_STRENGTHS = ("Opening preparation", "Tactics in the middlegame", "Endgame technique")
_EVALUATIONS = ("blunder", "mistake", "inaccuracy", "good", "best")
_CENTIPAWN_LOSSES = {"blunder": 310, "mistake": 150, "inaccuracy": 70, "good": 15, "best": 0}


async def insert_sample_data(
    database: Database, user_ids: list[str], now: datetime, seed: int = 7
) -> None:
    """Insert the data that is missing."""
    for place, user_id in enumerate(user_ids):
        chance = random.Random(seed + place)  # noqa: S311  # a sample world, no secrets
        subscriptions = {"weekly_summary": True, "game_analyzed": False, "weakness_alert": False}
        user = {
            "email": f"{user_id}@example.org",
            "name": user_id.title(),
            "email_notifications": subscriptions,
        }
        await database.users.update_one({"user_id": user_id}, {"$set": user})
        await _insert_missing(database.player_profiles, {"user_id": user_id}, _profile(chance))
        await _insert_missing(database.user_progress, {"user_id": user_id}, _progress(chance))
        since = timestamps.format_instant(now - _ANALYSED_PERIOD)
        played = {"user_id": user_id, "ended_at": {"$gte": since}, "ending": {"$ne": "aborted"}}
        async for game in database.games.find(played).sort("ended_at", 1):
            key = {"game_id": game["game_id"], "user_id": user_id}
            await _insert_missing(database.game_analyses, key, _analysis(game, chance))


async def _insert_missing(collection: Any, key: dict[str, Any], document: dict[str, Any]) -> None:
    await collection.update_one(key, {"$setOnInsert": document}, upsert=True)


def _profile(chance: random.Random) -> dict[str, Any]:
    return {
        "top_weaknesses": [
            {
                "category": "tactics",
                "subcategory": chance.choice(_WEAKNESSES),
                "occurrence_count": chance.randrange(3, 20),
            }
        ],
        "strengths": [{"category": "play", "subcategory": chance.choice(_STRENGTHS)}],
    }


def _progress(chance: random.Random) -> dict[str, Any]:
    streak = chance.randrange(0, 9)
    return {
        "xp": chance.randrange(200, 4000),
        "level": chance.randrange(2, 9),
        "current_streak": streak,
        "longest_streak": streak + chance.randrange(0, 12),
    }


def _analysis(game: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """An analysis by the application's worker, made an hour after the game's end.

    It has no `analysis_id`: the application pays no points for it.
    """
    ended = timestamps.parse_instant(game["ended_at"])
    assert ended is not None  # noqa: S101  # our own sync has written it
    sharpness = chance.uniform(0.5, 1.5)
    weights = (1.0 * sharpness, 2.0 * sharpness, 3.0, 12.0, 10.0)
    moves = [
        _move(number, chance.choices(_EVALUATIONS, weights)[0], chance)
        for number in range(1, chance.randrange(18, 42))
    ]
    lost = sum(move["cp_loss"] for move in moves) / len(moves)
    return {
        "stockfish_failed": False,
        "stockfish_analysis": {
            "accuracy": round(max(100 - lost * 0.6, 35), 1),
            "move_evaluations": moves,
        },
        "created_at": ended + timedelta(hours=1),
    }


def _move(number: int, kind: str, chance: random.Random) -> dict[str, Any]:
    return {
        "move_number": number,
        "evaluation": kind,
        "cp_loss": round(_CENTIPAWN_LOSSES[kind] * chance.uniform(0.7, 1.6)),
        "is_best": kind == "best",
    }
