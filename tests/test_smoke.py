from tests.conftest import Sites
from chesscoach.context import Context
from chesscoach.runner import work
from chesscoach.runner.job import Stop
from chesscoach.jobs import sync_games
from datetime import datetime, UTC

async def test_smoke(ctx: Context, sites: Sites, stop: Stop) -> None:
    sites.world.add_player("lichess","Ann", datetime.now(UTC))
    await ctx.store.users.link("ann", {"lichess":"Ann"})
    e = await work.by_hand(ctx, sync_games.JOB, sync_games.Args(), stop)
    assert e.exit_code==0, e
