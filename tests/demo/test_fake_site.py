"""The rules that both fakes share: one request at a time, recorded requests, and faults."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import aiohttp
import pytest

from chesscoach.demo.fake_lichess import FakeLichess
from chesscoach.demo.fake_site import SiteFault
from chesscoach.demo.world import World
from tests.conftest import NOON
from tests.support.sync.lichess_client import LichessClient

AGENT = "tests (contact: tests@example.org)"


@pytest.fixture
def world() -> World:
    """Ann, who has not played yet."""
    world = World()
    world.add_player("lichess", "Ann", NOON - timedelta(days=90))
    return world


@pytest.fixture
async def fake_lichess(world: World) -> AsyncIterator[FakeLichess]:
    """The fake on that world; it allows a thousand users in ten minutes."""
    fake = FakeLichess(world, users_per_10min=1000)
    async with fake.serve():
        yield fake


@pytest.fixture
async def client(fake_lichess: FakeLichess) -> AsyncIterator[LichessClient]:
    """A client of it."""
    async with aiohttp.ClientSession(fake_lichess.url, headers={"User-Agent": AGENT}) as session:
        yield LichessClient(session, fake_lichess)


async def test_a_second_request_in_flight_is_refused_and_noted(
    client: LichessClient, fake_lichess: FakeLichess
) -> None:
    fake_lichess.delay_s = 0.05
    statuses = await asyncio.gather(
        *(client.status("GET", "/api/games/user/ann") for _ in range(3))
    )

    assert sorted(statuses) == [200, 429, 429]
    assert len(fake_lichess.violations) == 2
    assert fake_lichess.max_in_flight > 1
    assert await client.status("GET", "/api/games/user/ann") == 200


async def test_a_client_that_goes_away_frees_its_slot(
    client: LichessClient, fake_lichess: FakeLichess
) -> None:
    fake_lichess.faults.append("hang")
    with pytest.raises(TimeoutError):
        await client.status("GET", "/api/games/user/ann", timeout=aiohttp.ClientTimeout(total=0.05))
    while fake_lichess.in_flight:  # the server notices when it notices
        await asyncio.sleep(0.005)

    assert await client.status("GET", "/api/games/user/ann") == 200
    assert fake_lichess.violations == []


@pytest.mark.parametrize(
    ("fault", "status"), [("429", 429), ("500", 500), ("503", 503), ("403", 403), ("html", 200)]
)
async def test_a_fault_spoils_one_request(
    client: LichessClient, fake_lichess: FakeLichess, fault: SiteFault, status: int
) -> None:
    fake_lichess.faults.extend([fault, None])

    statuses = [await client.status("GET", "/api/games/user/ann") for _ in range(3)]

    assert statuses == [status, 200, 200]
    assert [seen.status for seen in fake_lichess.requests] == [status, 200, 200]
    assert fake_lichess.violations == []


@pytest.mark.parametrize("fault", ["reset", "cut"])
async def test_a_connection_breaks_on_demand(
    client: LichessClient, fake_lichess: FakeLichess, world: World, fault: SiteFault
) -> None:
    for n in range(150):
        world.add_game("lichess", "Ann", NOON + timedelta(minutes=n))
    fake_lichess.faults.append(fault)
    with pytest.raises(aiohttp.ClientError):
        await client.status("POST", "/api/games/export/_ids", data=next(iter(world.games))[8:])

    assert fake_lichess.in_flight == 0
    assert len(await client.games()) == 150


async def test_a_response_ends_too_soon_on_demand(
    client: LichessClient, fake_lichess: FakeLichess, world: World
) -> None:
    world.add_game("lichess", "Ann", NOON)
    fake_lichess.faults.append("short")
    async with client.session.get("/api/games/user/ann") as response:
        assert response.status == 200
        assert not (await response.read()).endswith(b"\n")


async def test_what_was_asked_is_on_record(
    client: LichessClient, fake_lichess: FakeLichess
) -> None:
    await client.users("ann", "bob")
    await client.games(sort="dateAsc")

    assert (fake_lichess.violations, fake_lichess.max_in_flight) == ([], 1)
    bulk, export = fake_lichess.requests
    assert (bulk.method, bulk.path, bulk.body) == ("POST", "/api/users", "ann,bob")
    assert (export.method, export.path) == ("GET", "/api/games/user/ann")
    assert export.query == {"sort": "dateAsc"}
    assert bulk.agent == export.agent == AGENT
    assert bulk.status == export.status == 200
