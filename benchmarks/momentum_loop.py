"""The loop over players that the momentum checks are held against: one command after another."""

import os
import time
from bisect import bisect_right
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from pymongo import AsyncMongoClient
from pymongo.errors import DuplicateKeyError

_EVIDENCE = (
    ("games", "imported_at", 5),
    ("game_analyses", "created_at", 25),
    ("puzzle_attempts", "attempted_at", 15),
    ("reflection_results", "created_at", 10),
)
_LEVELS = (0, 100, 250, 500, 800, 1200, 1700, 2300, 3000, 4000, 5200, 6500, 8000)
_BONUS = 30
_HIGH_ACCURACY = 90
_RANK_HOUR = 18
_GRACE = timedelta(hours=4)


async def run(players: int, now: datetime) -> float:
    """Checks a number of players; returns the seconds that it took."""
    client = AsyncMongoClient[dict[str, Any]](os.environ["MONGO_URL"], w="majority")
    async with client:
        db = client[os.environ["DB_NAME"]]
        users = await db.users.find({}).sort("user_id", 1).limit(players).to_list()
        begun = time.monotonic()
        for user in users:
            await _check_player(db, user, now)
        if now.hour == _RANK_HOUR:
            await _rank(db, _week_key(now.date() - timedelta(days=7)))
        return time.monotonic() - begun


async def _check_player(db: Any, user: dict[str, Any], now: datetime) -> None:
    """Books new evidence, resets the counter, closes the last week, and ends a streak."""
    user_id, zone = user["user_id"], ZoneInfo(user["timezone"])
    today, day_of_close = (at.astimezone(zone).date() for at in (now, now - _GRACE))
    points = await _book(db, user_id, now, today)
    progress = await db.user_progress.find_one({"user_id": user_id}) or {}
    if points:
        points += await _keep_streak(db, user_id, today)
    if progress.get("weekly_key") != _week_key(today):
        reset = {"weekly_xp": 0, "weekly_key": _week_key(today)}
        await db.user_progress.update_one({"user_id": user_id}, {"$set": reset})
    last_week = day_of_close - timedelta(days=7)
    if progress.get("week_closed", "") < _week_key(last_week):
        points += await _close_week(db, user_id, last_week, now)
        closed = {"week_closed": _week_key(last_week)}
        await db.user_progress.update_one({"user_id": user_id}, {"$set": closed})
    if points:
        await _add_points(db, user_id, progress, points)
    last = progress.get("last_activity_local") or ""
    if progress.get("current_streak") and last < f"{today - timedelta(days=1)}":
        await db.user_progress.update_one({"user_id": user_id}, {"$set": {"current_streak": 0}})


async def _keep_streak(db: Any, user_id: str, today: date) -> int:
    """Adds a day to the streak; the points of the day."""
    key = {"_id": f"{user_id}|days"}
    streak = await db.momentum_streaks.find_one(key) or {}
    grows = streak.get("last_period") == f"{today - timedelta(days=1)}"
    current = streak.get("current", 0) + 1 if grows else 1
    changed = {"current": current, "last_period": f"{today}"}
    await db.momentum_streaks.update_one(key, {"$set": changed}, upsert=True)
    shown = {"current_streak": current, "last_activity_local": f"{today}"}
    await db.user_progress.update_one({"user_id": user_id}, {"$set": shown})
    if current == 1:
        return 0
    return await _award(db, "streak_day", user_id, f"{today}", 20 * min(current, 7), today)


async def _add_points(db: Any, user_id: str, progress: dict[str, Any], points: int) -> None:
    """Adds points, with the level and an achievement for each level that they reach."""
    before = progress.get("xp", 0)
    level = bisect_right(_LEVELS, before + points)
    reached = {"$inc": {"xp": points}, "$set": {"level": level}}
    await db.user_progress.update_one({"user_id": user_id}, reached)
    owned = await db.user_achievements.find({"user_id": user_id}).to_list()
    for number in range(bisect_right(_LEVELS, before) + 1, level + 1):
        if not any(achievement["achievement_id"] == f"level_{number}" for achievement in owned):
            await db.user_achievements.insert_one(
                {"user_id": user_id, "achievement_id": f"level_{number}"}
            )
            await _notify(db, user_id, f"level_up|{user_id}|{number}")


async def _notify(db: Any, user_id: str, key: str) -> None:
    notification = {"notification_id": key, "user_id": user_id, "dismissed": False}
    await db.notifications.insert_one(notification)


async def _book(db: Any, user_id: str, now: datetime, today: date) -> int:
    points, since = 0, now - timedelta(hours=1)
    for name, field, value in _EVIDENCE:
        newer = {"$or": [{field: {"$gte": since}}, {field: {"$gte": since.isoformat()}}]}
        for document in await db[name].find({"user_id": user_id, **newer}).to_list():
            points += await _award(db, name, user_id, document["_id"], value, today)
            analysis = document.get("stockfish_analysis")
            if analysis and analysis["accuracy"] >= _HIGH_ACCURACY:
                points += await _award(db, "accuracy", user_id, document["_id"], 15, today)
            if analysis and all(m["evaluation"] != "blunder" for m in analysis["move_evaluations"]):
                points += await _award(db, "no_blunders", user_id, document["_id"], 20, today)
    monday = today - timedelta(days=today.weekday())
    done = {"local_date": {"$gte": f"{monday}", "$lte": f"{today}"}, "status": "completed"}
    for session in await db.training_sessions.find({"user_id": user_id, **done}).to_list():
        day = date.fromisoformat(session["local_date"])
        points += await _award(db, "session", user_id, session["_id"], 7, day)
    return points


async def _close_week(db: Any, user_id: str, day: date, now: datetime) -> int:
    monday = day - timedelta(days=day.weekday())
    days = {"$gte": f"{monday}", "$lte": f"{monday + timedelta(days=6)}"}
    sessions = await db.training_sessions.find({"user_id": user_id, "local_date": days}).to_list()
    done = sum(session["status"] == "completed" for session in sessions)
    perfect = done == len(sessions) > 0
    key = _week_key(day)
    points = await _award(db, "perfect_week", user_id, key, _BONUS, day) if perfect else 0
    if points:
        await _notify(db, user_id, f"perfect_week|{user_id}|{key}")
    events = await db.momentum_events.find({"user_id": user_id, "week_key": key}).to_list()
    total = sum(event["points"] for event in events)
    await db.momentum_periods.update_one(
        {"_id": f"{user_id}|week|{key}"},
        {
            "$set": {
                "user_id": user_id,
                "kind": "week",
                "key": key,
                "points": total,
                "planned": len(sessions),
                "done": done,
                "perfect": perfect,
                "closed_at": now,
            }
        },
        upsert=True,
    )
    return points


async def _award(db: Any, action: str, user_id: str, ref: object, points: int, day: date) -> int:
    """The points, or none if the cause has been paid."""
    event = {
        "_id": f"{action}|{user_id}|{ref}",
        "user_id": user_id,
        "action": action,
        "points": points,
        "ts": datetime.now(UTC),
        "local_date": f"{day}",
        "week_key": _week_key(day),
        "month_key": f"{day:%Y-%m}",
    }
    try:
        await db.momentum_events.insert_one(event)
    except DuplicateKeyError:
        return 0
    return points


async def _rank(db: Any, key: str) -> None:
    periods = await db.momentum_periods.find({"kind": "week", "key": key}).to_list()
    periods.sort(key=lambda period: -period["points"])
    rank = 0
    for place, period in enumerate(periods, 1):
        if place == 1 or period["points"] < periods[place - 2]["points"]:
            rank = place
        await db.momentum_periods.update_one({"_id": period["_id"]}, {"$set": {"rank": rank}})


def _week_key(day: date) -> str:
    year, week, _ = day.isocalendar()
    return f"{year}-W{week:02}"
