"""What ours is held against, each a process of its own: `python -m benchmarks.baselines NAME`.

Where everything is stands in the environment, as for ours.
"""

import asyncio
import json
import os
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import click
from pymongo import AsyncMongoClient, MongoClient

from benchmarks import momentum_loop, snapshots_loop

BATCH_SIZE = 1_000
"""Documents in one bare insert: as many as ours writes at once."""


@click.group()
def cli() -> None:
    """The clients beside ours."""


@cli.command("plain")
@click.argument("accounts", type=int)
def plain_sync(accounts: int) -> None:
    """What one writes first: a request for each account and site, a find and an insert a game."""
    asyncio.run(_run_plain_sync(accounts))


@cli.command("bare")
@click.argument("accounts", type=int)
def bare_requests(accounts: int) -> None:
    """The least that the busier lane can take: its requests, one after another, nothing else."""
    asyncio.run(_run_bare_requests(accounts))


@cli.command("read")
@click.argument("accounts", type=int)
def read_exports(accounts: int) -> None:
    """The least that large accounts can take: every export read, and nothing done with it."""
    print(asyncio.run(_read_exports(accounts)))


@cli.command("insert")
@click.argument("source")
def insert_games(source: str) -> None:
    """The least that storing can take: a bare insert of the games that another database holds."""
    with MongoClient[dict[str, Any]](os.environ["MONGO_URL"], w="majority") as client:
        games = list(client[source].games.find({}, {"_id": 0}))
        rows = client[os.environ["DB_NAME"]].games
        begun = time.monotonic()
        for start in range(0, len(games), BATCH_SIZE):
            rows.insert_many(games[start : start + BATCH_SIZE], ordered=False)
        print(time.monotonic() - begun)


@cli.command("mails")
@click.argument("players", type=int)
def plain_emails(players: int) -> None:
    """What one writes first for the Monday mail: three finds and a post, player by player."""
    print(asyncio.run(_run_plain_emails(players)))


@cli.command("application")
@click.argument("until", type=click.Path(path_type=Path))
def application_writes(until: Path) -> None:
    """What players do: one small majority write after another, until a file is there.

    Prints when each began, in Unix seconds, and the seconds that it took.
    """
    found = []
    with MongoClient[dict[str, Any]](os.environ["MONGO_URL"], w="majority") as client:
        rows = client[os.environ["DB_NAME"]].puzzle_attempts
        while not until.exists():
            at, begun = time.time(), time.monotonic()
            rows.insert_one({"user_id": "p1", "success": True, "pad": "x" * 400})
            found.append((at, time.monotonic() - begun))
    print(json.dumps(found))


@cli.command("delete")
def delete_sessions() -> None:
    """What one writes first: all expired sessions in one command; prints when it was at work."""
    with MongoClient[dict[str, Any]](os.environ["MONGO_URL"], w="majority") as client:
        sessions, begun = client[os.environ["DB_NAME"]].user_sessions, time.time()
        sessions.delete_many({"expires_at": {"$lte": datetime.now(UTC)}})
        print(json.dumps((begun, time.time())))


@cli.command("snapshots")
@click.argument("players", type=int)
@click.argument("now")
def snapshots_loop_over_players(players: int, now: str) -> None:
    """The snapshots of each player's last days by one command after another."""
    print(asyncio.run(snapshots_loop.run(players, datetime.fromisoformat(now))))


@cli.command("momentum")
@click.argument("players", type=int)
@click.argument("now")
def momentum_loop_over_players(players: int, now: str) -> None:
    """What one writes first for points and streaks: some fifteen commands, player by player."""
    print(asyncio.run(momentum_loop.run(players, datetime.fromisoformat(now))))


async def _run_plain_sync(accounts: int) -> None:
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


async def _run_bare_requests(accounts: int) -> None:
    headers = {"User-Agent": "bare (contact: bench@example.org)"}
    connector = aiohttp.TCPConnector(limit=1)
    async with aiohttp.ClientSession(headers=headers, connector=connector) as session:
        for number in range(accounts):
            async with session.get(_month(f"p{number}")) as reply:
                await reply.read()


async def _read_exports(accounts: int) -> float:
    """The seconds that it took."""
    headers = {"User-Agent": "read (contact: bench@example.org)"}
    connector = aiohttp.TCPConnector(limit=1)
    async with aiohttp.ClientSession(
        headers=headers, connector=connector, read_bufsize=256 * 1024
    ) as session:
        begun = time.monotonic()
        for number in range(accounts):
            async with session.get(_export(f"p{number}")) as reply:
                async for _ in reply.content.iter_any():
                    pass
        return time.monotonic() - begun


async def _run_plain_emails(players: int) -> float:
    """The seconds that it took."""
    monday = datetime.now(UTC).date() - timedelta(days=datetime.now(UTC).weekday())
    this, before = monday - timedelta(days=7), monday - timedelta(days=14)
    client = AsyncMongoClient[dict[str, Any]](os.environ["MONGO_URL"])
    db = client[os.environ["DB_NAME"]]
    headers = {"Authorization": f"Bearer {os.environ['SENDGRID_API_KEY']}"}
    url = f"{os.environ['CHESSCOACH_EMAILS__SENDGRID__BASE_URL']}/v3/mail/send"

    async def analyses(user_id: str, first: date, end: date) -> list[dict[str, Any]]:
        made = {"$gte": first.isoformat(), "$lt": end.isoformat()}
        return await db.game_analyses.find({"user_id": user_id, "created_at": made}).to_list()

    async with client, aiohttp.ClientSession(headers=headers) as session:
        begun = time.monotonic()
        wanting = db.users.find({"email_notifications.weekly_summary": True})
        async for user in wanting.sort("user_id", 1).limit(players):
            user_id = user["user_id"]
            now = await analyses(user_id, this, monday)
            then = await analyses(user_id, before, this)
            profile = await db.player_profiles.find_one({"user_id": user_id}) or {}
            mail = _plain_email(user, _blunders(now), _blunders(then), profile)
            async with session.post(url, json=mail) as reply:
                reply.raise_for_status()
        return time.monotonic() - begun


def _blunders(analyses: list[dict[str, Any]]) -> int:
    return sum(
        move["evaluation"] == "blunder"
        for analysis in analyses
        for move in analysis["stockfish_analysis"]["move_evaluations"]
    )


def _plain_email(
    user: dict[str, Any], now: int, then: int, profile: dict[str, Any]
) -> dict[str, Any]:
    """A few lines, not the mail of ours."""
    weakness = profile["top_weaknesses"][0]["subcategory"] if profile else "nothing"
    text = f"{now} blunders this week, {then} the week before. Work on {weakness}."
    return {
        "from": {"email": os.environ["SENDER_EMAIL"]},
        "subject": "Your week in chess",
        "personalizations": [
            {"to": [{"email": user["email"]}], "custom_args": {"outbox_id": user["user_id"]}}
        ],
        "content": [
            {"type": "text/plain", "value": text},
            {"type": "text/html", "value": f"<p>{text}</p>"},
        ],
    }


def _export(user: str) -> str:
    return f"{os.environ['CHESSCOACH_SOURCES__LICHESS__BASE_URL']}/api/games/user/{user}"


def _month(user: str) -> str:
    base = os.environ["CHESSCOACH_SOURCES__CHESSCOM__BASE_URL"]
    return f"{base}/player/{user}/games/{datetime.now(UTC):%Y/%m}"


if __name__ == "__main__":
    cli()
