"""Users with accounts on the fake sources, and a manual run of the sync."""

from datetime import UTC, datetime, timedelta
from typing import Any

from chesscoach.context import Context
from chesscoach.demo.world import SimulatedPlayer, SourceName, historical_games
from chesscoach.jobs import sync_games
from chesscoach.sources.game import Platform
from chesscoach.worker.runner import runner
from chesscoach.worker.runner.result import RunResult
from chesscoach.worker.shutdown import ShutdownRequest
from tests.conftest import FakeSites

ANALYSABLE_GAME = next(game for game in historical_games() if len(game.moves.split()) >= 40)
PLATFORMS: tuple[SourceName, SourceName] = ("lichess", "chess.com")
SHORT_GAME = min(historical_games(), key=lambda game: len(game.moves.split()))


def before_now(**delta: float) -> datetime:
    return datetime.now(UTC) - timedelta(**delta)


async def run_once(
    ctx: Context, stop: ShutdownRequest | None = None, observe: Any = None, **args: Any
) -> RunResult:
    """A manual run, however it ends."""
    return await runner.run_manually(
        ctx.worker, sync_games.JOB, sync_games.Args(**args), stop or ShutdownRequest(), observe
    )


async def run_sync(ctx: Context, **args: Any) -> dict[str, Any]:
    """A manual run, which must succeed; its record."""
    ending = await run_once(ctx, **args)
    assert ending.record["outcome"] == "succeeded", ending.record
    return ending.record


async def add_member(
    ctx: Context,
    db: Any,
    sites: FakeSites,
    name: str,
    *platforms: SourceName,
    synced: datetime | None = None,
) -> list[SimulatedPlayer]:
    """A user with accounts on the sources; `synced` is when the application last synced them."""
    names: dict[Platform, str | None] = dict.fromkeys(platforms, name)
    await ctx.users.link(name.lower(), names)
    if synced is not None:
        db.users.update_one(
            {"user_id": name.lower()}, {"$set": {"last_game_sync": synced.isoformat()}}
        )
    return [sites.world.add_player(site, name, before_now(days=3)) for site in platforms]


def stored_urls(db: Any, user_id: str) -> list[str]:
    return sorted(game["url"] for game in db.games.find({"user_id": user_id}))


def expected_urls(sites: FakeSites, name: str, *platforms: SourceName) -> list[str]:
    games = [game for site in platforms for game in sites.world.finished_games(site, name)]
    return sorted(game.url for game in games)
