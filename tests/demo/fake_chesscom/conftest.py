"""The fake for Chess.com, with one player, and a client of it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from chesscoach.demo.fake_chesscom import FakeChesscom
from chesscoach.demo.world import World

MID_MARCH = datetime(2026, 3, 15, 12, 0, tzinfo=UTC)
MARCH = "/pub/player/ann/games/2026/03"
AGENT = "tests (contact: tests@example.org)"


@pytest.fixture
def world() -> World:
    """Ann, who has not played yet."""
    world = World()
    world.add_player("chess.com", "Ann", MID_MARCH)
    return world


@pytest.fixture
async def fake_chesscom(world: World) -> AsyncIterator[FakeChesscom]:
    """The fake on that world."""
    fake = FakeChesscom(world)
    async with fake.serve():
        yield fake


@pytest.fixture
async def client(fake_chesscom: FakeChesscom) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of it, with a contact."""
    async with aiohttp.ClientSession(fake_chesscom.url, headers={"User-Agent": AGENT}) as session:
        yield session


async def get(client: aiohttp.ClientSession, path: str = MARCH, **headers: str) -> tuple[int, Any]:
    """The status and the JSON of a response."""
    async with client.get(path, headers=headers, allow_redirects=False) as response:
        is_json = response.content_type == "application/json"
        return response.status, await response.json() if is_json else await response.text()


async def etag_of(client: aiohttp.ClientSession, path: str = MARCH) -> str:
    """The ETag of a month."""
    async with client.get(path) as response:
        assert response.status == 200
        return response.headers["ETag"]
