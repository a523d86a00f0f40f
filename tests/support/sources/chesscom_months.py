"""Archive months of Chess.com as a test writes them, and the source that reads them."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from chesscoach.demo.fake_chesscom import FakeChesscom
from chesscoach.demo.world import World, historical_games, player_uuid
from chesscoach.errors import SourceError
from chesscoach.sources import chesscom_payload
from chesscoach.sources.archive_month import ArchiveMonth
from chesscoach.sources.chesscom import Chesscom
from chesscoach.sources.game import Game
from tests.support.sources.server import Handler, InMemoryLane, http_server, open_client

FAMOUS = historical_games()[0]
ENDED = datetime(2026, 3, 4, 18, 30, 5, tzinfo=UTC)
STANDARD_FEN = "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1"
UUID = "5a1e1f00-17f0-11f1-8d5e-0242ac120002"
MISSING = object()
"""A field that is to be left out."""


def unix_seconds(instant: datetime) -> int:
    return int(instant.timestamp())


def make_pgn(result: str = "1-0", **tags: str) -> str:
    """A game as the site writes it, with a clock on each ply."""
    given = {
        "Event": "Live Chess",
        "Result": result,
        "ECO": "B01",
        "UTCDate": "2026.03.04",
        "UTCTime": "18:22:40",
    } | tags
    head = "".join(f'[{name} "{value}"]\n' for name, value in given.items())
    return (
        f"{head}\n1. e4 {{[%clk 0:09:58.1]}} 1... d5 {{[%clk 0:09:57]}} "
        f"2. exd5 {{[%clk 0:09:50.9]}} {result}\n"
    )


def make_side(name: str, result: str, **changes: Any) -> dict[str, Any]:
    game = {
        "rating": 1432,
        "result": result,
        "@id": f"https://api.chess.com/pub/player/{name.lower()}",
        "username": name,
        "uuid": player_uuid(name),
    }
    game |= changes
    return {key: value for key, value in game.items() if value is not MISSING}


def make_game(**changes: Any) -> dict[str, Any]:
    """A game as a month lists it: rated rapid, White wins, but for these changes."""
    game: dict[str, Any] = {
        "url": "https://www.chess.com/game/live/171234567890",
        "pgn": make_pgn(),
        "time_control": "600",
        "end_time": unix_seconds(ENDED),
        "rated": True,
        "tcn": "mCZJCJ",
        "uuid": UUID,
        "initial_setup": STANDARD_FEN,
        "fen": "rnbqkbnr/ppp1pppp/8/3P4/8/8/PPPP1PPP/RNBQKBNR b KQkq -",
        "time_class": "rapid",
        "rules": "chess",
        "white": make_side("AnnRook", "win"),
        "black": make_side("Bob-64", "resigned", rating=1401),
        "eco": "https://www.chess.com/openings/Scandinavian-Defense",
    }
    game |= changes
    return {name: value for name, value in game.items() if value is not MISSING}


def fixed_response(
    response: bytes | str | dict[str, Any],
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> Handler:
    """Always this response; a dict as JSON."""
    text = json.dumps(response) if isinstance(response, dict) else response
    data = text.encode() if isinstance(text, str) else text

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(
            body=data,
            status=status,
            headers={"Content-Type": "application/json; charset=utf-8", **(headers or {})},
        )

    return handler


@asynccontextmanager
async def open_chesscom(url: str) -> AsyncIterator[Chesscom]:
    """The source on that URL, on a lane of its own."""
    async with open_client(url, InMemoryLane()) as site:
        yield Chesscom(site)


@asynccontextmanager
async def open_fake_chesscom(world: World) -> AsyncIterator[tuple[FakeChesscom, Chesscom]]:
    """The stand-in on a world, and the source that asks it; no rule may have been broken."""
    stand_in = FakeChesscom(world)
    async with stand_in.serve(), open_chesscom(f"{stand_in.url}/pub") as source:
        yield stand_in, source
    assert stand_in.violations == []


async def fetch_month(handler: Handler, etag: str | None = None) -> ArchiveMonth:
    """What the source returns for a month that is answered by this handler."""
    async with http_server(handler) as url, open_chesscom(url) as source:
        return await source.month("annrook", "2026-03", etag)


async def month_error(handler: Handler, etag: str | None = None) -> SourceError:
    """The error that the source raises for a month that is answered by this handler."""
    with pytest.raises(SourceError) as caught:
        await fetch_month(handler, etag)
    return caught.value


def profile_only(profile: Handler) -> Handler:
    """Months are not found; this is the response to a request for the profile."""
    months = fixed_response({"code": 0, "message": 'User "annrook" not found.'}, status=404)

    async def handler(request: web.Request) -> web.StreamResponse:
        return await (months if "/games/" in request.path else profile)(request)

    return handler


def parse_games(*games: Any) -> ArchiveMonth:
    """What a month with these games is read as."""
    return chesscom_payload.parse_month(json.dumps({"games": games}).encode(), None)


def parse_one(**changes: Any) -> Game:
    """The game that an entry is read as."""
    month = parse_games(make_game(**changes))
    assert month.unreadable == ()
    (game,) = month.games
    return game


def world_of(name: str, *ended: datetime) -> World:
    world = World()
    world.add_player("chess.com", name, ENDED)
    for at in ended:
        world.add_game("chess.com", name, at, famous=FAMOUS)
    return world
