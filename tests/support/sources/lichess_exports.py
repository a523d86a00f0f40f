"""Exports of Lichess as a test writes them, and the source that reads them."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from aiohttp import web

from chesscoach.demo.fake_lichess import FakeLichess
from chesscoach.demo.world import World, historical_games
from chesscoach.sources.game import Game
from chesscoach.sources.lichess import Lichess, PageEnd
from chesscoach.sources.lichess_payload import AbortedGame, ExportItem, parse_item
from chesscoach.sources.lichess_status import LichessStatus
from tests.conftest import NOON
from tests.support.sources.server import Handler, InMemoryLane, http_server, open_client

T = TypeVar("T")
FAMOUS = historical_games()[0]
BORN = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)
BEFORE = BORN - timedelta(days=1)
LICHESS_BEGAN_MS = 1_356_998_400_070
MISSING = object()
"""A field that is to be left out."""


def unix_ms(instant: datetime) -> int:
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


async def read_history(source: Lichess, since: datetime = BORN) -> AsyncIterator[ExportItem]:
    async for item in source.games_since("ann", since):
        if not isinstance(item, PageEnd):
            yield item


def make_line(**changes: Any) -> dict[str, Any]:
    """A line of an export: a rated blitz game that White wins, but for these changes."""
    game: dict[str, Any] = {
        "id": "q7ZQk1xY",
        "rated": True,
        "variant": "standard",
        "speed": "blitz",
        "perf": "blitz",
        "createdAt": unix_ms(BORN),
        "lastMoveAt": unix_ms(BORN) + 301_250,
        "status": "resign",
        "source": "pool",
        "players": {
            "white": {"user": {"name": "AnnRook", "id": "annrook"}, "rating": 1711},
            "black": {"user": {"name": "b0b_-", "id": "b0b_-"}, "rating": 1699},
        },
        "winner": "white",
        "opening": {"eco": "B01", "name": "Scandinavian Defense", "ply": 2},
        "moves": "e4 d5 exd5",
        "clocks": [18003, 18003, 17900],
        "pgn": '[Event "rated blitz game"]\n[Result "1-0"]\n\n1. e4 d5 2. exd5 1-0\n\n\n',
        "clock": {"initial": 180, "increment": 2, "totalTime": 260},
    }
    game |= changes
    return {name: value for name, value in game.items() if value is not MISSING}


def make_players(white: Any, black: Any) -> dict[str, Any]:
    return {"white": white, "black": black}


def ndjson(*games: dict[str, Any] | bytes) -> bytes:
    texts = [game if isinstance(game, bytes) else json.dumps(game).encode() for game in games]
    return b"".join(text + b"\n" for text in texts)


@asynccontextmanager
async def open_lichess(url: str, *, users_per_10min: int = 8000) -> AsyncIterator[Lichess]:
    """The source on that URL, on a lane of its own."""
    async with open_client(url, InMemoryLane()) as site:
        yield Lichess(site, users_per_10min)


@asynccontextmanager
async def open_fake_lichess(world: World) -> AsyncIterator[tuple[FakeLichess, Lichess]]:
    """The stand-in on a world, and the source that asks it; no rule may have been broken."""
    stand_in = FakeLichess(world)
    async with stand_in.serve(), open_lichess(stand_in.url) as source:
        yield stand_in, source
    assert stand_in.violations == []


def fixed_response(
    text: bytes, *, status: int = 200, content_type: str = "application/x-ndjson"
) -> Handler:
    """Always this response."""

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(body=text, status=status, content_type=content_type)

    return handler


def parse_export(*games: dict[str, Any] | bytes) -> list[ExportItem]:
    """What an export of these lines is read as."""
    items = [parse_item(line) for line in ndjson(*games).split(b"\n") if line]
    return [item for item in items if not isinstance(item, AbortedGame)]


def parse_one(**changes: Any) -> Game:
    """The game that a line is read as."""
    (game,) = parse_export(make_line(**changes))
    assert isinstance(game, Game)
    return game


async def collect(items: AsyncIterator[T]) -> list[T]:
    return [item async for item in items]


async def fetch_export(handler: Handler) -> list[ExportItem | PageEnd]:
    """What the source returns for an export that is answered by this handler."""
    async with http_server(handler) as url, open_lichess(url) as source:
        return await collect(source.games_since("ann", BORN))


async def fetch_statuses(handler: Handler, *names: str) -> dict[str, LichessStatus]:
    """What the source returns for a bulk request that is answered by this handler."""
    async with http_server(handler) as url, open_lichess(url) as source:
        return await source.players(names or ["annrook"])


def world_of(*names: str) -> World:
    world = World()
    for name in names:
        world.add_player("lichess", name, NOON - timedelta(days=300))
    return world
