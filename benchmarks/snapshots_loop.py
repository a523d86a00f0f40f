"""The loop over players that the snapshots are held against: one command after another."""

import os
import time
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from pymongo import AsyncMongoClient

_DAY = timedelta(days=1)
_WEIGHTS = (0.4, 0.25, 0.2, 0.1, 0.05, 0.04, 0.03, 0.02, 0.01, 0.01)


async def run(players: int, now: datetime) -> float:
    """Takes the snapshots of a number of players; returns the seconds that it took."""
    client = AsyncMongoClient[dict[str, Any]](os.environ["MONGO_URL"], w="majority")
    async with client:
        db = client[os.environ["DB_NAME"]]
        users = await db.users.find({}).sort("user_id", 1).limit(players).to_list()
        begun = time.monotonic()
        for user in users:
            zone = ZoneInfo(user["timezone"])
            today = now.astimezone(zone).date()
            for number in (3, 2, 1):
                await _take(db, user["user_id"], today - number * _DAY, zone)
            await _review(db, user["user_id"], today, zone)
        return time.monotonic() - begun


async def _take(db: Any, user_id: str, day: date, zone: ZoneInfo) -> None:
    """Takes the snapshot of one day: eight commands."""
    begins, ends = _start(day, zone), _start(day + _DAY, zone)
    month = {"user_id": user_id, "created_at": {"$gte": _start(day - 29 * _DAY, zone), "$lt": ends}}
    fields = {"game_id": 1, "created_at": 1, "stockfish_failed": 1, "stockfish_analysis": 1}
    analyses = [
        item
        for item in await db.game_analyses.find(month, fields).to_list()
        if item.get("stockfish_failed") is not True
        and item["stockfish_analysis"]["accuracy"] > 0
        and len(item["stockfish_analysis"]["move_evaluations"]) >= 3
    ]
    until = {"user_id": user_id, "created_at": {"$lt": ends.isoformat()}}
    last = await db.puzzle_attempts.find(until).sort("created_at", -1).limit(10).to_list()
    recent = {
        "user_id": user_id,
        "created_at": {"$gte": begins.isoformat(), "$lt": ends.isoformat()},
    }
    minutes = sum(item["time_taken_ms"] for item in await db.puzzle_attempts.find(recent).to_list())
    sessions = {"user_id": user_id, "local_date": day.isoformat(), "status": "completed"}
    minutes += sum(
        item["actual_min"] * 60_000 for item in await db.training_sessions.find(sessions).to_list()
    )
    played = {"user_id": user_id, "ended_at": {"$gte": begins.isoformat(), "$lt": ends.isoformat()}}
    games = await db.games.find(played).sort("ended_at", 1).to_list()
    earlier = {"user_id": user_id, "local_date": {"$lt": day.isoformat()}}
    previous = await db.performance_snapshots.find_one(earlier, sort=[("local_date", -1)]) or {}
    ratings = {**previous.get("rating", {}), **{game["time_control"]: 1500 for game in games}}
    progress = await db.user_progress.find_one({"user_id": user_id}) or {}
    days = {item["created_at"].replace(tzinfo=UTC).astimezone(zone).date() for item in analyses}
    lessons = [item for item in analyses if item["created_at"].replace(tzinfo=UTC) >= begins]
    pairs = list(zip([item["success"] for item in last], _WEIGHTS, strict=False))
    quiz = sum(weight for solved, weight in pairs if solved) / (sum(w for _, w in pairs) or 1)
    pace = 40 * min(len(analyses) / 30, 1) + 30 * min(len(days) / 20, 1) + 30 * quiz
    await db.performance_snapshots.update_one(
        {"user_id": user_id, "local_date": day.isoformat()},
        {
            "$set": {
                "pace_score": round(pace, 2),
                "quiz_average": round(100 * quiz, 2),
                "lessons_completed_count": len(lessons),
                "time_spent_minutes_today": minutes / 60_000,
                "accuracy_avg": _mean([item["stockfish_analysis"]["accuracy"] for item in lessons]),
                "blunders_per_game": _mean([_blunders(item) for item in lessons]),
                "rating": ratings,
                "xp": progress.get("xp"),
                "final": True,
            }
        },
        upsert=True,
    )


async def _review(db: Any, user_id: str, today: date, zone: ZoneInfo) -> None:
    """Renews the review of games with a low accuracy: two commands."""
    low = {
        "user_id": user_id,
        "created_at": {"$gte": _start(today - 29 * _DAY, zone)},
        "stockfish_analysis.accuracy": {"$gt": 0, "$lt": 70},
    }
    games = await db.game_analyses.find(low, {"game_id": 1}).limit(3).to_list()
    if games:
        await db.adaptive_recommendations.update_one(
            {"_id": f"{user_id}|REVIEW_GAME|{today:%G-W%V}"},
            {"$set": {"game_ids": [game["game_id"] for game in games], "is_active": True}},
            upsert=True,
        )


def _start(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def _blunders(analysis: dict[str, Any]) -> int:
    moves = analysis["stockfish_analysis"]["move_evaluations"]
    return sum(move["evaluation"] == "blunder" for move in moves)


def _mean(numbers: list[float]) -> float | None:
    return sum(numbers) / len(numbers) if numbers else None
