"""What ours is held against, each a process of its own: `python -m benchmarks.clients NAME`.

Where everything is stands in the environment, as for ours.
"""

import asyncio
import json
import os
import time
from datetime import UTC, datetime
from typing import Any

import aiohttp
import click
from pymongo import AsyncMongoClient


@click.group()
def clients() -> None:
    """The clients beside ours."""


@clients.command()
@click.argument("accounts", type=int)
def plain(accounts: int) -> None:
    """What one writes first: a request for each account and site, a find and an insert a game."""
    asyncio.run(_plain(accounts))


@clients.command()
@click.argument("accounts", type=int)
def bare(accounts: int) -> None:
    """The least that the busier lane can take: its requests, one after another, nothing else."""
    asyncio.run(_bare(accounts))


async def _plain(accounts: int) -> None:
    since = int((time.time() - 6 * 3600) * 1000)
    client = AsyncMongoClient[dict[str, Any]](os.environ["MONGO_URL"])
    games = client[os.environ["DB_NAME"]].games
    headers = {"User-Agent": "plain (contact: bench@example.org)", "Accept": "application/x-ndjson"}
    async with client, aiohttp.ClientSession(headers=headers) as session:
        for number in range(accounts):
            user = f"p{number}"
            async with session.get(f"{_export(user)}?since={since}&pgnInJson=true") as reply:
                found = [json.loads(line) async for line in reply.content if line.strip()]
            async with session.get(_month(user)) as reply:
                found += json.loads(await reply.read())["games"]
            for game in found:
                key = {"user_id": user, "game_id": game.get("id") or game["uuid"]}
                if await games.find_one(key) is None:
                    await games.insert_one({**key, "pgn": game["pgn"]})


async def _bare(accounts: int) -> None:
    headers = {"User-Agent": "bare (contact: bench@example.org)"}
    connector = aiohttp.TCPConnector(limit=1)
    async with aiohttp.ClientSession(headers=headers, connector=connector) as session:
        for number in range(accounts):
            async with session.get(_month(f"p{number}")) as reply:
                await reply.read()


def _export(user: str) -> str:
    return f"{os.environ['CHESSCOACH_SOURCES__LICHESS__BASE_URL']}/api/games/user/{user}"


def _month(user: str) -> str:
    base = os.environ["CHESSCOACH_SOURCES__CHESSCOM__BASE_URL"]
    return f"{base}/player/{user}/games/{datetime.now(UTC):%Y/%m}"


if __name__ == "__main__":
    clients()
