"""Players with two weeks behind them, as the application and the sync have written them down."""

import asyncio
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from random import Random
from typing import Any

from bson import encode
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient

from benchmarks import fixtures
from chesscoach.schedules.iso_week import Week

GAMES_PER_PLAYER, ANALYSES_PER_PLAYER = 5, 4
"""Of each player who has played, in the two weeks together; the last week has the more."""

_PAGE = 2000
_EVALUATIONS = ("best", "best", "good", "good", "good", "inaccuracy", "mistake", "blunder")
_ANALYSIS_KINDS = 200
_MOVES = " ".join(
    f"{n}. Nf3 {{ [%clk 0:04:{n:02}] }} {n}... Nc6 {{ [%clk 0:03:{n:02}] }}" for n in range(1, 36)
)


async def fill_database(
    url: str, name: str, players: int, active: int, *, env: Mapping[str, str]
) -> None:
    """A database with so many players who want the mail; `active` per cent of them have played."""
    await asyncio.to_thread(_fill, url, name, players, active)
    await fixtures.run("chesscoach.cli", "db", "init", env=env)


def _fill(url: str, name: str, players: int, active: int) -> None:
    chance = Random(5)
    played = [f"p{number}" for number in range(players) if number % 100 < active]
    monday = datetime.combine(
        Week.containing(datetime.now(UTC).date()).monday, datetime.min.time(), UTC
    )
    engine = [_make_analysis(chance) for _ in range(_ANALYSIS_KINDS)]
    with MongoClient[dict[str, Any]](url) as client:
        db = client[name]
        rows = {
            "users": (_user(f"p{number}") for number in range(players)),
            "player_profiles": map(_profile, played),
            "user_progress": map(_progress, played),
            "games": (game for user_id in played for game in _games(user_id, monday)),
            "game_analyses": (
                analysis
                for user_id in played
                for analysis in _analyses(user_id, monday, engine, chance)
            ),
        }
        for collection, documents in rows.items():
            while page := list(islice(documents, _PAGE)):
                db[collection].insert_many(page, ordered=False)
        client.admin.command("fsync")  # what was before is written down: every client starts even


def _user(user_id: str) -> dict[str, Any]:
    return {
        "user_id": user_id,
        "email": f"{user_id}@example.org",
        "name": f"Player {user_id}",
        "email_notifications": {"weekly_summary": True, "game_analyzed": True},
    }


def _profile(user_id: str) -> dict[str, Any]:
    return {
        "user_id": user_id,
        "top_weaknesses": [{"category": "tactics", "subcategory": "missed_forks"}],
        "strengths": [{"category": "endgame", "subcategory": "rook_endings"}],
    }


def _progress(user_id: str) -> dict[str, Any]:
    return {"user_id": user_id, "current_streak": 4, "longest_streak": 11, "level": 7}


def _spread_instant(monday: datetime, number: int, of: int) -> datetime:
    """When the number-th of so many was: from the newest, a day or so before this Monday, back."""
    return monday - timedelta(days=14 * (number + 0.5) / of)


def _games(user_id: str, monday: datetime) -> Iterator[dict[str, Any]]:
    for number in range(GAMES_PER_PLAYER):
        ended = _spread_instant(monday, number, GAMES_PER_PLAYER)
        yield {
            "game_id": f"{user_id}-{number}",
            "user_id": user_id,
            "platform": fixtures.PLATFORMS[number % 2],
            "username": user_id,
            "url": f"https://lichess.org/{number}{user_id:0>7}",
            "user_color": ("white", "black")[number % 2],
            "opponent": "somebody",
            "user_rating": 1500 + number,
            "result": ("1-0", "0-1", "1/2-1/2")[number % 3],
            "time_control": ("blitz", "rapid")[number % 2],
            "pgn": _pgn(user_id, ended),
            "imported_at": ended.isoformat(),
            "ended_at": ended.isoformat(),
            "is_analyzed": number < ANALYSES_PER_PLAYER,
        }


def _pgn(user_id: str, ended: datetime) -> str:
    tags = {
        "Event": "Rated game",
        "White": user_id,
        "Black": "somebody",
        "UTCDate": f"{ended:%Y.%m.%d}",
        "UTCTime": f"{ended:%H:%M:%S}",
        "WhiteElo": "1500",
        "BlackElo": "1510",
        "WhiteRatingDiff": "+6",
        "BlackRatingDiff": "-6",
    }
    return "\n".join(f'[{name} "{value}"]' for name, value in tags.items()) + f"\n\n{_MOVES}\n"


def _make_analysis(chance: Random) -> RawBSONDocument:
    """An engine's word on a game of 30 to 40 moves; encoded once, for many analyses have it."""
    moves = [
        {
            "move_number": number,
            "move": "Nf3",
            "evaluation": chance.choice(_EVALUATIONS),
            "cp_loss": chance.randint(0, 300),
            "eval_before": chance.uniform(-3, 3),
            "eval_after": chance.uniform(-3, 3),
            "best_move": "Bb5",
            "is_best": chance.random() < 0.3,
        }
        for number in range(1, chance.randint(31, 41))
    ]
    accuracy = chance.uniform(55, 95)
    return RawBSONDocument(encode({"accuracy": accuracy, "move_evaluations": moves}))


def _analyses(
    user_id: str, monday: datetime, engine: list[RawBSONDocument], chance: Random
) -> Iterator[dict[str, Any]]:
    for number in range(ANALYSES_PER_PLAYER):
        yield {
            "analysis_id": f"a-{user_id}-{number}",
            "game_id": f"{user_id}-{number}",
            "user_id": user_id,
            "created_at": (
                _spread_instant(monday, number, GAMES_PER_PLAYER) + timedelta(hours=1)
            ).isoformat(),
            "stockfish_analysis": chance.choice(engine),
            "stockfish_failed": False,
        }
