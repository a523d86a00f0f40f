"""Third table: the peak memory of a sync at a thousand and at very many linked users.

Each user has both sites, one per cent have new games, and all are taken over at once: every
account is made, asked about and saved. The figure is the process's own.
"""

import asyncio
import json
from contextlib import AsyncExitStack
from datetime import timedelta

from rich.table import Table

from benchmarks import fixtures
from benchmarks.fixtures import Measured, Report
from chesscoach.demo.fake_chesscom import ChesscomStandIn
from chesscoach.demo.fake_lichess import LichessStandIn

FEW = 1000
MOST_MB = 60
"""So much more may a sync of very many users take than one of a thousand."""

_ACTIVE = 1


async def measure(url: str, users: int, report: Report) -> Measured:
    """Syncs a thousand users, then so many."""
    table = Table("users", "accounts", "requests", "games stored", "seconds", "peak memory")
    few = await _sync(url, FEW, table, lambda part: report(part * FEW / (FEW + users)))
    many = await _sync(url, users, table, lambda part: report((FEW + part * users) / (FEW + users)))
    more_mb = (many - few) * 1024 / 1e6
    return Measured(
        caption=f"Memory: everybody taken over at once, both sites, {_ACTIVE} % with new games. "
        "The most that the process itself had resident.",
        table=table,
        demanded=f"less than {MOST_MB} MB more than at {FEW:,} users",
        found=f"{more_mb:.1f} MB more",
        met=more_mb < MOST_MB,
    )


async def _sync(url: str, users: int, table: Table, report: Report) -> int:
    """One sync of so many users, told in a row; its peak in kB."""
    name = f"memory_{users}"
    world = await asyncio.to_thread(fixtures.world_of, users, _ACTIVE)
    async with AsyncExitStack() as stack:
        lichess = LichessStandIn(world, users_per_10min=10**9)
        chesscom = ChesscomStandIn(world)
        await stack.enter_async_context(lichess.serve())
        await stack.enter_async_context(chesscom.serve())
        env = fixtures.environment(url, name, lichess.url, chesscom.url)
        await fixtures.fill(url, name, users, timedelta(hours=6), env=env)
        ended = await fixtures.run(
            *fixtures.SYNC, env=env, look=lambda: report(min(len(chesscom.seen) / users, 1))
        )
    record = json.loads(ended.out)
    table.add_row(
        f"{users:,}",
        f"{record['done']:,}",
        f"{len(lichess.seen) + len(chesscom.seen):,}",
        f"{await fixtures.stored(url, name):,}",
        f"{record['duration_s']:.1f}",
        fixtures.megabytes(ended.peak_kb),
    )
    await fixtures.drop(url, name)
    return ended.peak_kb
