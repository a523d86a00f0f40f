"""First table: many accounts, few games. The sync beside what it could be.

Three clients ask the same fakes about the same accounts, each in a process of its own:

- bare: the requests of the busier lane alone, one after another, and nothing else;
- plain: one request for each account and source, and a find and an insert for each game;
- ours: `python -m chesscoach.jobs.sync_games --all`, some time after its first run. The first run
  fetches the last three months of every account and is not measured.

Ours asks both sites side by side, each by one request after another, so it cannot be faster than
its busier lane. Whole processes are timed: with few accounts their start is most of it.
"""

import asyncio
import time
from contextlib import AsyncExitStack
from datetime import timedelta

from msgspec import Struct
from rich.table import Table

from benchmarks import fixtures
from benchmarks.fixtures import BenchmarkTable, ReportProgress
from chesscoach.demo.fake_chesscom import FakeChesscom
from chesscoach.demo.fake_lichess import FakeLichess

MAX_TIME_RATIO = 1.15
"""Ours may take so many times as long as the requests of its busier lane."""


class SyncSize(Struct, frozen=True, kw_only=True):
    """Accounts per site, how many per cent have three new games, what each reply takes."""

    accounts: int
    active: int
    delay_ms: int


async def measure(url: str, size: SyncSize, report: ReportProgress) -> BenchmarkTable:
    """Runs the three, one after another."""
    world = await asyncio.to_thread(fixtures.make_world, size.accounts)
    table = Table("client", "requests", "games stored", "seconds", "to bare", "peak memory")
    seconds: dict[str, float] = {}
    async with AsyncExitStack() as stack:
        lichess, chesscom = FakeLichess(world, users_per_10min=10**9), FakeChesscom(world)
        await stack.enter_async_context(lichess.serve())
        await stack.enter_async_context(chesscom.serve())
        count = f"{size.accounts}"
        commands = {
            "bare": ("benchmarks.baselines", "bare", count),
            "plain": ("benchmarks.baselines", "plain", count),
            "ours": (*fixtures.SYNC_JOB, "--all"),
        }
        names = {client: f"loops_{client}" for client in commands}
        envs = {
            client: fixtures.environment(url, name, lichess.url, chesscom.url)
            for client, name in names.items()
        }
        for client, name in names.items():
            await fixtures.fill_database(
                url, name, size.accounts, timedelta(hours=6), env=envs[client]
            )
        await fixtures.run(*fixtures.SYNC_JOB, env=envs["ours"])
        lichess.delay_s = chesscom.delay_s = size.delay_ms / 1000
        await asyncio.to_thread(fixtures.add_new_games, world, size.accounts, size.active)
        for client, command in commands.items():
            name, env = names[client], envs[client]
            lichess.requests.clear()
            chesscom.requests.clear()
            begun = time.monotonic()
            ended = await fixtures.run(*command, env=env)
            seconds[client] = time.monotonic() - begun
            table.add_row(
                client,
                f"{len(lichess.requests) + len(chesscom.requests):,}",
                f"{await fixtures.count_games(url, name):,}",
                f"{seconds[client]:.1f}",
                f"{seconds[client] / seconds['bare']:.2f}",
                fixtures.megabytes(ended.peak_kb),
            )
            await fixtures.drop_database(url, name)
            report(len(seconds) / 3)
    ratio = seconds["ours"] / seconds["bare"]
    return BenchmarkTable(
        caption=f"Many accounts, few games: {size.accounts:,} accounts per site, "
        f"{size.active} % with new games, {size.delay_ms} ms per response. Whole processes.",
        table=table,
        requirement=f"ours takes at most {MAX_TIME_RATIO} times as long as bare",
        result=f"{ratio:.2f}",
        met=ratio <= MAX_TIME_RATIO,
    )
