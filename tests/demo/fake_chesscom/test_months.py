"""Months list the games that the site would list, under their ETags."""

import re
from datetime import UTC, datetime, timedelta

import aiohttp

from chesscoach.demo.fake_chesscom import FakeChesscom
from chesscoach.demo.world import World
from tests.conftest import Clock
from tests.demo.fake_chesscom.conftest import MARCH, MID_MARCH, etag_of, get


async def test_a_month_lists_the_games_that_ended_in_it_in_their_order(
    client: aiohttp.ClientSession, world: World
) -> None:
    first = datetime(2026, 3, 1, tzinfo=UTC)
    ends = [MID_MARCH, first, first - timedelta(seconds=1), first + timedelta(days=31)]
    for ended in ends:
        world.add_game("chess.com", "Ann", ended)
    world.add_game("chess.com", "Ann", None, started_at=MID_MARCH)

    status, month = await get(client)

    assert status == 200
    assert month.keys() == {"games"}
    assert [game["end_time"] for game in month["games"]] == [
        int(first.timestamp()),
        int(MID_MARCH.timestamp()),
    ]


async def test_a_game_may_be_listed_in_another_month_than_that_of_its_end(
    client: aiohttp.ClientSession, world: World
) -> None:
    world.add_game("chess.com", "Ann", MID_MARCH, month="2026-02")

    assert await get(client) == (200, {"games": []})
    _, february = await get(client, "/pub/player/ann/games/2026/02")
    assert len(february["games"]) == 1


async def test_a_month_that_will_never_have_anything_is_gone(
    client: aiohttp.ClientSession, world: World
) -> None:
    world.players["chess.com"]["ann"].gone.add("2026-03")

    assert (await get(client))[0] == 410
    assert (await get(client, "/pub/player/ann/games/2026/02"))[0] == 200


async def test_an_etag_is_weak_stays_while_the_games_do_and_is_known_again_only_as_it_was_sent(
    client: aiohttp.ClientSession, world: World
) -> None:
    world.add_game("chess.com", "Ann", MID_MARCH)
    etag = await etag_of(client)
    assert re.fullmatch(r'W/"[0-9a-f]{32}"', etag)

    world.players["chess.com"]["ann"].seen_at += timedelta(days=1)
    world.add_game("chess.com", "Ann", MID_MARCH - timedelta(days=60))
    world.add_game("chess.com", "Ann", None, started_at=MID_MARCH)
    assert await etag_of(client) == etag
    async with client.get(MARCH, headers={"If-None-Match": etag}) as response:
        assert (response.status, await response.read()) == (304, b"")
        assert response.headers["ETag"] == etag
    assert (await get(client, **{"If-None-Match": etag.removeprefix("W/")}))[0] == 200

    world.add_game("chess.com", "Ann", MID_MARCH)
    status, month = await get(client, **{"If-None-Match": etag})
    assert (status, len(month["games"])) == (200, 2)
    assert await etag_of(client) != etag


async def test_months_turn_in_the_sites_own_zone_and_by_its_own_clock(
    client: aiohttp.ClientSession, fake_chesscom: FakeChesscom, world: World
) -> None:
    turn = datetime(2026, 3, 1, tzinfo=UTC)
    game = world.add_game("chess.com", "Ann", turn - timedelta(hours=1))
    fake_chesscom.now = Clock(turn)

    fake_chesscom.ahead = timedelta(hours=3)
    assert [game_json["uuid"] for game_json in (await get(client))[1]["games"]] == [game.id]
    fake_chesscom.ahead = timedelta(0)
    assert await get(client) == (200, {"games": []})
    fake_chesscom.ahead = timedelta(hours=-8)
    assert (await get(client))[0] == 404


async def test_aborted_games_are_in_no_month_and_variants_say_so(
    client: aiohttp.ClientSession, world: World
) -> None:
    world.add_game("chess.com", "Ann", MID_MARCH, status="aborted")
    world.add_game("chess.com", "Ann", MID_MARCH, variant="threeCheck")

    _, month = await get(client)

    assert [game["rules"] for game in month["games"]] == ["threecheck"]
