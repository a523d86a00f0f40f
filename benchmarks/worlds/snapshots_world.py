"""The database of the snapshots' benchmark: players of many zones, and a month of theirs."""

import asyncio
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import available_timezones

from pymongo import MongoClient

from benchmarks import fixtures

ZONES = sorted(zone for zone in available_timezones() if zone.count("/") == 1)[::10][:40]
NOW = datetime(2026, 3, 31, 12, 5, tzinfo=UTC)
ANALYSES, ATTEMPTS, GAMES = 10, 5, 5
"""Documents of each player in the last 30 days."""

_PAGE = 5000
_MOVES = [
    {
        "move_number": place,
        "move": "Nf3",
        "evaluation": "blunder" if place % 15 == 0 else "good",
        "cp_loss": 9,
        "best_move": "Nc3",
    }
    for place in range(1, 31)
]


async def fill(url: str, name: str, players: int, env: Mapping[str, str]) -> None:
    """Makes the database with our indexes."""
    await fixtures.run("chesscoach.cli", "db", "init", env=env)
    await asyncio.to_thread(_add, url, name, players)


def _add(url: str, name: str, players: int) -> None:
    with MongoClient[dict[str, Any]](url) as client:
        db, everyone = client[name], range(players)
        _insert(
            db.users,
            (
                {"user_id": f"p{number:07}", "timezone": ZONES[number % len(ZONES)]}
                for number in everyone
            ),
        )
        _insert(
            db.user_progress,
            ({"user_id": f"p{number:07}", "xp": number % 5000, "level": 1} for number in everyone),
        )
        _insert(
            db.game_analyses,
            (
                {
                    "game_id": f"g{number}-{place}",
                    "user_id": f"p{number:07}",
                    "created_at": _at(number, 3 * place),
                    "stockfish_failed": False,
                    "stockfish_analysis": {
                        "accuracy": 60.0 + (number + place) % 39,
                        "move_evaluations": _MOVES,
                    },
                }
                for number in everyone
                for place in range(ANALYSES)
            ),
        )
        _insert(
            db.puzzle_attempts,
            (
                {
                    "user_id": f"p{number:07}",
                    "created_at": _at(number, 5 * place).isoformat(timespec="microseconds"),
                    "time_taken_ms": 1000 * (number % 90),
                    "success": (number + place) % 3 > 0,
                }
                for number in everyone
                for place in range(ATTEMPTS)
            ),
        )
        _insert(
            db.games,
            (
                {
                    "game_id": f"g{number}-{place}",
                    "user_id": f"p{number:07}",
                    "platform": "lichess",
                    "url": f"https://lichess.org/{number}-{place}",
                    "pgn": '[Event "rated blitz game"]\n[Result "1-0"]\n\n1. e4 e5 1-0',
                    "user_color": "white",
                    "result": "1-0",
                    "time_control": "blitz",
                    "user_rating": 1500 + number % 300,
                    "imported_at": _at(number, 5 * place).isoformat(timespec="microseconds"),
                    "ended_at": _at(number, 5 * place).isoformat(timespec="microseconds"),
                }
                for number in everyone
                for place in range(GAMES)
            ),
        )
        _insert(
            db.training_sessions,
            (
                {
                    "_id": f"r{number}|2026-03-{day}",
                    "user_id": f"p{number:07}",
                    "local_date": f"2026-03-{day}",
                    "status": "completed",
                    "actual_min": 30,
                }
                for number in range(0, players, 2)
                for day in (28, 30)
            ),
        )
        client.admin.command("fsync")


def _at(number: int, days_ago: int) -> datetime:
    return NOW - timedelta(days=days_ago, minutes=number % 1000)


def _insert(collection: Any, documents: Iterator[dict[str, Any]]) -> None:
    while page := list(islice(documents, _PAGE)):
        collection.insert_many(page, ordered=False)
