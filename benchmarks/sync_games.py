"""The sync beside what it could be: `make bench`.

Three clients ask the same stand-ins about the same accounts, each in a process of its own:

- plain: one request for each account and site, and a find and an insert for each game;
- bare: the requests of the busier lane alone, one after another, and nothing else;
- ours: `python -m chesscoach.jobs.sync_games`.

Ours asks one site after the other's news side by side, so it cannot be faster than its busier lane.
"""

import asyncio
import json
import os
import resource
import sys
import tempfile
import time
from asyncio.subprocess import PIPE
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import click
from pymongo import AsyncMongoClient, MongoClient
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from chesscoach.demo.chesscom import ChesscomStandIn
from chesscoach.demo.lichess import LichessStandIn
from chesscoach.demo.world import Site, World
from chesscoach.store.embedded import Embedded

SITES: tuple[Site, Site] = ("lichess", "chess.com")


def build(accounts: int, active: int) -> World:
    """A world of so many accounts per site, of which `active` per cent have three new games."""
    world, now = World(), datetime.now(UTC)
    for number in range(accounts):
        for site in SITES:
            world.add_player(site, f"p{number}", now - timedelta(days=10))
            if number % 100 < active:
                for hours in (1, 2, 3):
                    world.play(site, f"p{number}", now - timedelta(hours=hours))
    return world


def fill(url: str, name: str, accounts: int) -> None:
    """The application's database: its users, last synced six hours ago, and its indexes."""
    synced = (datetime.now(UTC) - timedelta(hours=6)).isoformat()
    with MongoClient[dict[str, Any]](url) as client:
        db = client[name]
        db.users.create_index("user_id", unique=True)
        db.games.create_index("game_id", unique=True)
        db.games.create_index([("user_id", 1), ("platform", 1)])
        db.games.create_index([("user_id", 1), ("is_analyzed", 1)])
        db.analysis_queue.create_index("queue_id", unique=True)
        db.users.insert_many(
            {
                "user_id": f"p{number}",
                "lichess_username": f"p{number}",
                "chesscom_username": f"p{number}",
                "last_game_sync": synced,
            }
            for number in range(accounts)
        )


async def plain(lichess: str, chesscom: str, url: str, name: str, accounts: int) -> None:
    """What one writes first."""
    since = int((time.time() - 6 * 3600) * 1000)
    month = f"{datetime.now(UTC):%Y/%m}"
    client = AsyncMongoClient[dict[str, Any]](url)
    games = client[name].games
    headers = {"User-Agent": "plain (contact: bench@example.org)", "Accept": "application/x-ndjson"}
    async with client, aiohttp.ClientSession(headers=headers) as session:
        for number in range(accounts):
            user = f"p{number}"
            path = f"{lichess}/api/games/user/{user}?since={since}&pgnInJson=true"
            async with session.get(path) as reply:
                found = [json.loads(line) async for line in reply.content if line.strip()]
            async with session.get(f"{chesscom}/pub/player/{user}/games/{month}") as reply:
                found += json.loads(await reply.read())["games"]
            for game in found:
                key = {"user_id": user, "game_id": game.get("id") or game["uuid"]}
                if await games.find_one(key) is None:
                    await games.insert_one({**key, "pgn": game["pgn"]})


async def bare(chesscom: str, accounts: int) -> None:
    """The least that the busier lane can take."""
    month = f"{datetime.now(UTC):%Y/%m}"
    headers = {"User-Agent": "bare (contact: bench@example.org)"}
    connector = aiohttp.TCPConnector(limit=1)
    async with aiohttp.ClientSession(headers=headers, connector=connector) as session:
        for number in range(accounts):
            async with session.get(f"{chesscom}/pub/player/p{number}/games/{month}") as reply:
                await reply.read()


async def measure(environment: Mapping[str, str], *args: str) -> tuple[float, int, str]:
    """Runs a process of ours; its wall time in seconds, its peak memory in kB, its stdout."""
    env = {**os.environ, **environment}
    begun = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *args, env=env, stdout=PIPE, stderr=PIPE
    )
    out, err = await process.communicate()
    if process.returncode:
        raise SystemExit(f"{args} left with {process.returncode}: {err.decode()[-2000:]}")
    peak = next((w for w in err.decode().split() if w.startswith("peak_kb=")), "peak_kb=0")
    return time.monotonic() - begun, int(peak.partition("=")[2]), out.decode()


async def compare(accounts: int, active: int, delay_ms: int, folder: Path) -> Table:
    """Runs the three and returns their table."""
    world = await asyncio.to_thread(build, accounts, active)
    table = Table("client", "requests", "games stored", "seconds", "to bare", "peak memory")
    embedded = Embedded(folder / "mongo")
    url = await asyncio.to_thread(embedded.enter)
    try:
        async with AsyncExitStack() as stack:
            lichess = LichessStandIn(world, delay_s=delay_ms / 1000, users_per_10min=10**9)
            chesscom = ChesscomStandIn(world, delay_s=delay_ms / 1000)
            await stack.enter_async_context(lichess.serve())
            await stack.enter_async_context(chesscom.serve())
            least = 0.0
            with Progress(console=Console(stderr=True), transient=True) as progress:
                task = progress.add_task("clients", total=3)
                for client in ("bare", "plain", "ours"):
                    lichess.seen.clear()
                    chesscom.seen.clear()
                    await asyncio.to_thread(fill, url, client, accounts)
                    environment = {
                        "MONGO_URL": url,
                        "DB_NAME": client,
                        "CHESSCOACH_SOURCES__CONTACT": "bench@example.org",
                        "CHESSCOACH_SOURCES__LICHESS__BASE_URL": lichess.url,
                        "CHESSCOACH_SOURCES__LICHESS__USERS_PER_10MIN": "10000000",
                        "CHESSCOACH_SOURCES__CHESSCOM__BASE_URL": f"{chesscom.url}/pub",
                    }
                    if client == "ours":
                        await measure(environment, "chesscoach.cli", "db", "init")
                    args = (
                        "benchmarks.sync_games",
                        "--client",
                        client,
                        "--accounts",
                        f"{accounts}",
                    )
                    seconds, peak_kb, _ = await measure(
                        {**environment, "LICHESS": lichess.url, "CHESSCOM": chesscom.url}, *args
                    )
                    least = least or seconds
                    stored = await asyncio.to_thread(count, url, client)
                    requests = len(lichess.seen) + len(chesscom.seen)
                    table.add_row(
                        client,
                        f"{requests:,}",
                        f"{stored:,}",
                        f"{seconds:.1f}",
                        f"{seconds / least:.2f}",
                        f"{peak_kb / 1024:.0f} MB",
                    )
                    progress.advance(task)
    finally:
        await asyncio.to_thread(embedded.leave)
    return table


def count(url: str, name: str) -> int:
    """The games in a database."""
    with MongoClient[dict[str, Any]](url) as client:
        return client[name].games.count_documents({})


def work(client: str, accounts: int) -> None:
    """One client, in this process; says its peak memory at the end."""
    lichess, chesscom = os.environ["LICHESS"], os.environ["CHESSCOM"]
    if client == "bare":
        asyncio.run(bare(chesscom, accounts))
    elif client == "plain":
        url, name = os.environ["MONGO_URL"], os.environ["DB_NAME"]
        asyncio.run(plain(lichess, chesscom, url, name, accounts))
    else:
        from chesscoach.jobs.sync_games import JOB
        from chesscoach.runner.command import main

        sys.argv = ["sync_games", "--json"]
        try:
            main(JOB)
        except SystemExit as ended:
            if ended.code:
                raise
    print(f"peak_kb={resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}", file=sys.stderr)


@click.command()
@click.option("--accounts", default=2000, show_default=True, help="Accounts per site.")
@click.option("--active", default=15, show_default=True, help="Per cent with new games.")
@click.option("--delay-ms", default=10, show_default=True, help="What each reply takes.")
@click.option("--client", hidden=True, default=None)
def run(accounts: int, active: int, delay_ms: int, client: str | None) -> None:
    """Compare the sync with a plain loop and with the least that its requests can take."""
    if client is not None:
        work(client, accounts)
        return
    with tempfile.TemporaryDirectory() as folder:
        table = asyncio.run(compare(accounts, active, delay_ms, Path(folder)))
    Console().print(f"{accounts} accounts per site, {active} % active, {delay_ms} ms per reply")
    Console().print(table)


if __name__ == "__main__":
    run()
