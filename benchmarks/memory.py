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
from benchmarks.fixtures import BenchmarkTable, ReportProgress
from chesscoach.demo.fake_chesscom import FakeChesscom
from chesscoach.demo.fake_lichess import FakeLichess

BASELINE_USERS = 1000
MAX_GROWTH_MB = 60
"""How much more memory a sync of very many users may take than one of a thousand."""

_ACTIVE_PERCENT = 1


async def measure(url: str, users: int, report: ReportProgress) -> BenchmarkTable:
    """Syncs a thousand users, then so many."""
    table = Table("users", "accounts", "requests", "games stored", "seconds", "peak memory")
    few = await _sync(
        url,
        BASELINE_USERS,
        table,
        lambda part: report(part * BASELINE_USERS / (BASELINE_USERS + users)),
    )
    many = await _sync(
        url,
        users,
        table,
        lambda part: report((BASELINE_USERS + part * users) / (BASELINE_USERS + users)),
    )
    more_mb = (many - few) * 1024 / 1e6
    return BenchmarkTable(
        caption=f"Memory: everybody taken over at once, both sites, "
        f"{_ACTIVE_PERCENT} % with new games. "
        "The most that the process itself had resident.",
        table=table,
        requirement=f"less than {MAX_GROWTH_MB} MB more than at {BASELINE_USERS:,} users",
        result=f"{more_mb:.1f} MB more",
        met=more_mb < MAX_GROWTH_MB,
    )


async def _sync(url: str, users: int, table: Table, report: ReportProgress) -> int:
    """One sync of so many users, told in a row; its peak in kB."""
    name = f"memory_{users}"
    world = await asyncio.to_thread(fixtures.make_world, users)
    await asyncio.to_thread(fixtures.add_new_games, world, users, _ACTIVE_PERCENT)
    async with AsyncExitStack() as stack:
        lichess = FakeLichess(world, users_per_10min=10**9)
        chesscom = FakeChesscom(world)
        await stack.enter_async_context(lichess.serve())
        await stack.enter_async_context(chesscom.serve())
        env = fixtures.environment(url, name, lichess.url, chesscom.url)
        await fixtures.fill_database(url, name, users, timedelta(hours=6), env=env)
        ended = await fixtures.run(
            *fixtures.SYNC_JOB, env=env, look=lambda: report(min(len(chesscom.requests) / users, 1))
        )
    record = json.loads(ended.out)
    table.add_row(
        f"{users:,}",
        f"{record['done']:,}",
        f"{len(lichess.requests) + len(chesscom.requests):,}",
        f"{await fixtures.count_games(url, name):,}",
        f"{record['duration_s']:.1f}",
        fixtures.megabytes(ended.peak_kb),
    )
    await fixtures.drop_database(url, name)
    return ended.peak_kb
