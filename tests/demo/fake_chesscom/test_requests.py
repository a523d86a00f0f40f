"""Profiles, renames, and the requests that the site refuses."""

import aiohttp
import pytest

from chesscoach.demo.fake_chesscom import FakeChesscom
from chesscoach.demo.fake_site import SiteFault
from chesscoach.demo.world import World
from tests.demo.fake_chesscom.conftest import MARCH, get

# Profiles


async def test_a_profile_says_who_a_player_is_and_whether_they_are_there(
    client: aiohttp.ClientSession, world: World
) -> None:
    player = world.players["chess.com"]["ann"]
    status, open_ = await get(client, "/pub/player/ann")
    player.closed = True
    _, closed = await get(client, "/pub/player/ann")

    assert status == 200
    assert (open_["username"], open_["uuid"], open_["status"]) == ("ann", player.key, "basic")
    assert closed == open_ | {"status": "closed"}
    assert (await get(client))[0] == 404, "the months of a closed account are not found"
    assert (await get(client, "/pub/player/nobody"))[0] == 404


@pytest.mark.parametrize("months_move", [True, False])
async def test_a_name_that_was_given_up_leads_to_the_new_one(
    client: aiohttp.ClientSession, fake_chesscom: FakeChesscom, world: World, months_move: bool
) -> None:
    _, before = await get(client, "/pub/player/ann")
    world.rename("Ann", "Annette")
    fake_chesscom.months_move = months_move
    for path in ("/pub/player/ann", MARCH):
        async with client.get(path, allow_redirects=False) as response:
            moved = months_move or path != MARCH
            assert response.status == (301 if moved else 404)
            if moved:
                assert response.headers["Location"] == path.replace("ann", "annette")

    _, after = await get(client, "/pub/player/annette")
    assert after["player_id"] == before["player_id"]
    assert fake_chesscom.violations == []


# Refusals


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/pub/player/nobody/games/2026/03", 'User "nobody" not found.'),
        ("/pub/player/ann/games/2999/01", "Date cannot be set in the future"),
    ],
)
async def test_an_unknown_player_or_month_is_not_found(
    client: aiohttp.ClientSession, path: str, message: str
) -> None:
    assert await get(client, path) == (404, {"code": 0, "message": message})


async def test_a_name_with_capitals_is_redirected_even_if_no_player_has_it(
    client: aiohttp.ClientSession, fake_chesscom: FakeChesscom
) -> None:
    for name in ("ANN", "Nobody"):
        path = f"/pub/player/{name}/games/2026/03"
        async with client.get(path, allow_redirects=False) as response:
            assert response.status == 301
            assert response.headers["Location"] == path.replace(name, name.lower())

    assert len(fake_chesscom.violations) == 2


@pytest.mark.parametrize("agent", ["", "Python/3 aiohttp/3", "chesscoach/1.0"])
async def test_without_a_contact_every_request_is_refused(
    client: aiohttp.ClientSession, fake_chesscom: FakeChesscom, agent: str
) -> None:
    status, _ = await get(client, **{"User-Agent": agent})

    assert status == 403
    assert len(fake_chesscom.violations) == 1


@pytest.mark.parametrize(
    ("faults", "pause_s", "rests"),
    [
        (["429"], 0, False),
        (["429"], 900, True),
        (["429", "429"], 0, False),
        (["403"], 0, True),
        (["429", "429", "429"], 0, True),
    ],
)
async def test_a_request_during_a_pause_is_a_violation(
    client: aiohttp.ClientSession,
    fake_chesscom: FakeChesscom,
    faults: list[SiteFault],
    pause_s: int,
    rests: bool,
) -> None:
    fake_chesscom.faults.extend(faults)
    fake_chesscom.pause_s = pause_s
    fake_chesscom.breaker_s = 900
    for _ in faults:
        await get(client)
    assert fake_chesscom.violations == []
    await get(client)
    assert bool(fake_chesscom.violations) == rests
    fake_chesscom.violations.clear()
    fake_chesscom.advance_time(901)
    await get(client)
    assert fake_chesscom.violations == []
