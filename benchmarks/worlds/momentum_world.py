"""The database of the momentum benchmark: players of many zones, and what they have done."""

import asyncio
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import available_timezones

from msgspec.structs import asdict
from pymongo import MongoClient

from benchmarks import fixtures
from chesscoach.momentum.achievements import PlayerStats, unlock
from chesscoach.momentum.levels import level_for

ZONES = sorted(zone for zone in available_timezones() if zone.count("/") == 1)[::10][:40]
BEGUN = datetime(2026, 3, 1, tzinfo=UTC)
BACKLOG = datetime(2026, 3, 8, 21, 5, tzinfo=UTC)
"""The check that books a reflection of everyone on the last day of a week; it is not measured."""
BEFORE_CLOSING = datetime(2026, 3, 9, 9, 5, tzinfo=UTC)
"""A check that comes twelve hours late: in half of the zones the week closes and is reset."""
CLOSING = datetime(2026, 3, 9, 10, 5, tzinfo=UTC)
"""The hourly check in which the week closes in the most zones."""
BEFORE_RANKING = datetime(2026, 3, 9, 17, 5, tzinfo=UTC)
RANKING = datetime(2026, 3, 9, 18, 5, tzinfo=UTC)
"""The hourly check in which all players are ranked."""
HOUR = datetime(2026, 3, 9, 19, 5, tzinfo=UTC)
"""A check like most: new evidence of the players of an hour."""
ACTIVE = 2
"""Per cent of the players who did something in an hour."""

_PAGE = 5000


async def fill(url: str, name: str, players: int, env: Mapping[str, str]) -> None:
    """Makes the database, and lets momentum begin and book the backlog."""
    await fixtures.run("chesscoach.cli", "db", "init", env=env)
    await asyncio.to_thread(_add_players, url, name, players)
    await check(env, BEGUN)
    await asyncio.to_thread(_add_reflections, url, name, range(players), BACKLOG)
    await check(env, BACKLOG)


async def add_evidence_of_hour(url: str, name: str, players: int, now: datetime) -> None:
    """Adds what the players of an hour have done."""
    active = range(now.hour, players, 100 // ACTIVE)
    await asyncio.to_thread(_add_evidence, url, name, active, now)


async def check(env: Mapping[str, str], now: datetime) -> fixtures.FinishedProcess:
    """Runs all checks at an instant, in a process of its own."""
    args = ("--now", now.isoformat(), "--json")
    return await fixtures.run("chesscoach.jobs.momentum", *args, env=env)


def _add_players(url: str, name: str, players: int) -> None:
    made = datetime(2026, 1, 5, tzinfo=UTC)
    with MongoClient[dict[str, Any]](url) as client:
        db = client[name]
        _insert(
            db.users,
            (
                {"user_id": f"p{number}", "timezone": ZONES[number % len(ZONES)]}
                for number in range(players)
            ),
        )
        _insert(
            db.user_progress,
            (
                {
                    "user_id": f"p{number}",
                    **_progress(number),
                    "created_at": made,
                    "updated_at": made,
                }
                for number in range(players)
            ),
        )
        _insert(
            db.user_achievements,
            (
                {"user_id": f"p{number}", "achievement_id": achievement.id, "unlocked_at": made}
                for number in range(players)
                for achievement in unlock(_stats(number), ())
            ),
        )
        _insert(
            db.training_sessions,
            (
                {
                    "_id": f"r{number}|2026-03-0{day}",
                    "user_id": f"p{number}",
                    "local_date": f"2026-03-0{day}",
                    "status": "completed" if (number + day) % 5 else "missed",
                }
                for number in range(0, players, 2)
                for day in (3, 5)
            ),
        )


def _stats(number: int) -> PlayerStats:
    """What a player has reached before momentum begins, so that little unlocks in an hour."""
    return PlayerStats(
        xp=number % 5000,
        games_imported=1 + number % 90,
        games_analyzed=1 + number % 20,
        puzzles_solved=1 + number % 9,
        no_blunders_games=1 + number % 4,
        best_accuracy=91,
    )


def _progress(number: int) -> dict[str, Any]:
    stats = _stats(number)
    values = {name: value for name, value in asdict(stats).items() if name != "streak"}
    return {
        **values,
        "level": level_for(stats.xp),
        "current_streak": 0,
        "longest_streak": number % 12,
    }


def _add_reflections(url: str, name: str, players: range, now: datetime) -> None:
    """A reflection for each, spread over the fifteen hours before; the first ten lead with more."""
    with MongoClient[dict[str, Any]](url) as client:
        db = client[name]
        _insert(
            db.reflection_results,
            (
                {
                    "user_id": f"p{number}",
                    "move_number": 12,
                    "created_at": (now - timedelta(minutes=20 + number % 880)).isoformat(),
                }
                for number in players
                for _ in range(max(12 - number, 1))
            ),
        )


def _add_evidence(url: str, name: str, players: range, now: datetime) -> None:
    """A game, its analysis and a puzzle for each, a few minutes before."""
    at = now - timedelta(minutes=20)
    with MongoClient[dict[str, Any]](url) as client:
        db = client[name]
        _insert(
            db.games,
            (
                {
                    "game_id": f"g{number}-{now:%d%H}",
                    "user_id": f"p{number}",
                    "platform": "lichess",
                    "url": f"https://lichess.org/{number}-{now:%d%H}",
                    "imported_at": at.isoformat(timespec="microseconds"),
                    "auto_synced": True,
                }
                for number in players
            ),
        )
        moves = [{"move_number": place, "evaluation": "good", "cp_loss": 9} for place in range(30)]
        _insert(
            db.game_analyses,
            (
                {
                    "game_id": f"g{number}-{now:%d%H}",
                    "user_id": f"p{number}",
                    "created_at": at,
                    "stockfish_analysis": {
                        "accuracy": 60.0 + number % 39,
                        "move_evaluations": moves,
                    },
                }
                for number in players
            ),
        )
        _insert(
            db.puzzle_attempts,
            (
                {
                    "user_id": f"p{number}",
                    "attempted_at": at.isoformat(timespec="microseconds"),
                    "time_taken_seconds": number % 60,
                    "correct": number % 3 > 0,
                }
                for number in players
            ),
        )
        client.admin.command("fsync")


def _insert(collection: Any, documents: Iterator[dict[str, Any]]) -> None:
    while page := list(islice(documents, _PAGE)):
        collection.insert_many(page, ordered=False)
