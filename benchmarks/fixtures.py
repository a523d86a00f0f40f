"""What every table stands on: the application's database, the sites' players, processes."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from msgspec import Struct
from pymongo import MongoClient
from rich.table import Table

from chesscoach.demo.world import SourceName, World
from chesscoach.mongo.embedded import EmbeddedServer

PLATFORMS: tuple[SourceName, SourceName] = ("lichess", "chess.com")
SYNC_JOB = ("chesscoach.jobs.sync_games", "--json")

_POLL_INTERVAL_S = 0.2
_TIMEOUT_S = 3600.0
_CACHE_GB = 2

ReportProgress = Callable[[float], None]
"""Told how far a table is, from 0 to 1."""


class BenchmarkTable(Struct, frozen=True, kw_only=True):
    """A table, what it is of, what is demanded, what was found, and whether that will do."""

    caption: str
    table: Table
    requirement: str
    result: str
    met: bool


class FinishedProcess(Struct, frozen=True, kw_only=True):
    """What a process left: its stdout, and the most memory that it had resident, in kB."""

    out: str
    peak_kb: int


@contextmanager
def open_mongo(folder: Path) -> Iterator[str]:
    """A MongoDB for the time of the benchmark; its URL.

    The embedded server has the smallest cache that there is. An installation of a benchmark's size
    has a server whose cache holds what is in use.
    """
    embedded = EmbeddedServer(folder)
    url = embedded.start_or_join()
    with MongoClient[dict[str, Any]](url) as client:
        cache = {"wiredTigerEngineRuntimeConfig": f"cache_size={_CACHE_GB}GB"}
        client.admin.command({"setParameter": 1, **cache})
    try:
        yield url
    finally:
        embedded.leave()


def make_world(accounts: int) -> World:
    """A number of accounts on each source, p0 and on, without games."""
    world, now = World(), datetime.now(UTC)
    for number in range(accounts):
        for site in PLATFORMS:
            world.add_player(site, f"p{number}", now - timedelta(days=10))
    return world


def add_new_games(world: World, accounts: int, active: int) -> None:
    """Adds three games that end now to `active` per cent of the accounts on each source."""
    now = datetime.now(UTC)
    for number in range(accounts):
        if number % 100 < active:
            for site in PLATFORMS:
                for seconds in (1, 2, 3):
                    world.add_game(site, f"p{number}", now - timedelta(seconds=seconds))


async def fill_database(
    url: str,
    name: str,
    users: int,
    synced: timedelta,
    *,
    env: Mapping[str, str],
    sites: tuple[SourceName, ...] = PLATFORMS,
) -> None:
    """The application's database, with our indexes: its users, last synced so long ago."""
    await asyncio.to_thread(_fill, url, name, users, synced, sites)
    await run("chesscoach.cli", "db", "init", env=env)


def _fill(
    url: str, name: str, users: int, synced: timedelta, sites: tuple[SourceName, ...]
) -> None:
    fields = {"lichess": "lichess_username", "chess.com": "chesscom_username"}
    since = (datetime.now(UTC) - synced).isoformat()
    with MongoClient[dict[str, Any]](url) as client:
        db = client[name]
        db.users.create_index("user_id", unique=True)
        db.games.create_index("game_id", unique=True)
        db.games.create_index([("user_id", 1), ("platform", 1)])
        db.games.create_index([("user_id", 1), ("is_analyzed", 1)])
        db.analysis_queue.create_index("queue_id", unique=True)
        rows = (
            {"user_id": f"p{number}", "last_game_sync": since}
            | {fields[site]: f"p{number}" for site in sites}
            for number in range(users)
        )
        while page := list(islice(rows, 1000)):
            db.users.insert_many(page)
        client.admin.command("fsync")  # what was before is written down: every client starts even


async def count_games(url: str, name: str) -> int:
    """The games in a database."""

    def count() -> int:
        with MongoClient[dict[str, Any]](url) as client:
            return client[name].games.count_documents({})

    return await asyncio.to_thread(count)


async def drop_database(url: str, name: str) -> None:
    """Away with a database."""

    def away() -> None:
        with MongoClient[dict[str, Any]](url) as client:
            client.drop_database(name)

    await asyncio.to_thread(away)


def megabytes(kb: int) -> str:
    """The kernel's kB, which have 1024 bytes, as MB of a million."""
    return f"{kb * 1024 / 1e6:.1f} MB"


def environment(url: str, name: str, lichess: str, chesscom: str) -> dict[str, str]:
    """What tells a client where everything is; the site's allowance for bulk requests is lifted."""
    return {
        "MONGO_URL": url,
        "DB_NAME": name,
        "CHESSCOACH_SOURCES__CONTACT": "bench@example.org",
        "CHESSCOACH_SOURCES__LICHESS__BASE_URL": lichess,
        "CHESSCOACH_SOURCES__LICHESS__USERS_PER_10MIN": "10000000",
        "CHESSCOACH_SOURCES__CHESSCOM__BASE_URL": f"{chesscom}/pub",
    }


async def run(
    module: str, *args: str, env: Mapping[str, str], look: Callable[[], object] = lambda: None
) -> FinishedProcess:
    """Runs a module in a process of its own; calls `look` a few times a second meanwhile.

    Raises:
        SystemExit: it failed; the message holds the end of its stderr.
    """
    command = (sys.executable, "-m", "benchmarks.peak_memory", module, *args)
    process = await asyncio.create_subprocess_exec(
        *command, env={**os.environ, **env}, stdout=PIPE, stderr=PIPE
    )
    ending = asyncio.create_task(process.communicate(), name=module)
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            while not ending.done():
                look()
                await asyncio.wait({ending}, timeout=_POLL_INTERVAL_S)
    finally:
        if process.returncode is None:
            process.kill()
        out, err = await ending
    if process.returncode:
        raise SystemExit(f"{module} left with {process.returncode}: {err.decode()[-2000:]}")
    peak = err.decode().rpartition("peak_kb=")[2]
    return FinishedProcess(out=out.decode(), peak_kb=int(peak))
