"""First table: many accounts, few games. The sync beside what it could be.

Three clients ask the same stand-ins about the same accounts, each in a process of its own:

- bare: the requests of the busier lane alone, one after another, and nothing else;
- plain: one request for each account and site, and a find and an insert for each game;
- ours: `python -m chesscoach.jobs.sync_games`.

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
from benchmarks.fixtures import Measured, Report
from chesscoach.demo.fake_chesscom import ChesscomStandIn
from chesscoach.demo.fake_lichess import LichessStandIn

MOST = 1.15
"""Ours may take so many times as long as the requests of its busier lane."""


class Size(Struct, frozen=True, kw_only=True):
    """Accounts per site, how many per cent have three new games, what each reply takes."""

    accounts: int
    active: int
    delay_ms: int


async def measure(url: str, size: Size, report: Report) -> Measured:
    """Runs the three, one after another."""
    world = await asyncio.to_thread(fixtures.world_of, size.accounts, size.active)
    table = Table("client", "requests", "games stored", "seconds", "to bare", "peak memory")
    seconds: dict[str, float] = {}
    async with AsyncExitStack() as stack:
        delay_s = size.delay_ms / 1000
        lichess = LichessStandIn(world, delay_s=delay_s, users_per_10min=10**9)
        chesscom = ChesscomStandIn(world, delay_s=delay_s)
        await stack.enter_async_context(lichess.serve())
        await stack.enter_async_context(chesscom.serve())
        count = f"{size.accounts}"
        for client, command in (
            ("bare", ("benchmarks.baselines", "bare", count)),
            ("plain", ("benchmarks.baselines", "plain", count)),
            ("ours", fixtures.SYNC),
        ):
            name = f"loops_{client}"
            env = fixtures.environment(url, name, lichess.url, chesscom.url)
            await fixtures.fill(url, name, size.accounts, timedelta(hours=6), env=env)
            lichess.seen.clear()
            chesscom.seen.clear()
            begun = time.monotonic()
            ended = await fixtures.run(*command, env=env)
            seconds[client] = time.monotonic() - begun
            table.add_row(
                client,
                f"{len(lichess.seen) + len(chesscom.seen):,}",
                f"{await fixtures.stored(url, name):,}",
                f"{seconds[client]:.1f}",
                f"{seconds[client] / seconds['bare']:.2f}",
                fixtures.megabytes(ended.peak_kb),
            )
            await fixtures.drop(url, name)
            report(len(seconds) / 3)
    ratio = seconds["ours"] / seconds["bare"]
    return Measured(
        caption=f"Many accounts, few games: {size.accounts:,} accounts per site, "
        f"{size.active} % with new games, {size.delay_ms} ms per reply. Whole processes.",
        table=table,
        demanded=f"ours takes at most {MOST} times as long as bare",
        found=f"{ratio:.2f}",
        met=ratio <= MOST,
    )
