"""The fake for Chess.com behaves as the site is documented to."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from chesscoach.demo.fake_chesscom import FakeChesscom, chesscom_json
from chesscoach.demo.fake_site import SiteFault
from chesscoach.demo.world import World, historical_games, player_uuid
from tests.conftest import Clock

FAMOUS = historical_games()
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


@pytest.mark.parametrize("result", ["1-0", "0-1", "1/2-1/2"])
def test_a_game_has_the_fields_and_the_pgn_that_the_site_sends(world: World, result: str) -> None:
    famous = next(famous for famous in FAMOUS if famous.result == result)
    game = world.add_game("chess.com", "Ann", MID_MARCH, famous=famous)
    document = chesscom_json(game)

    always = "url pgn time_control end_time rated tcn uuid initial_setup fen time_class rules"
    assert {*always.split(), "white", "black"} <= document.keys()
    assert (document["uuid"], document["fen"]) == (game.id, famous.fen)
    assert document["end_time"] == int(MID_MARCH.timestamp())
    assert document["eco"].startswith("https://www.chess.com/openings/"), "a URL, not a code"
    for colour, won in (("white", "1-0"), ("black", "0-1")):
        side = document[colour]
        assert side.keys() == {"rating", "result", "@id", "username", "uuid"}
        assert side["@id"] == f"https://api.chess.com/pub/player/{side['username'].lower()}"
        assert side["uuid"] == player_uuid(side["username"])
        assert (side["result"] == "win") == (result == won)
    assert "Ann" in (document["white"]["username"], document["black"]["username"])

    head, movetext = document["pgn"].split("\n\n")
    assert f'[UTCDate "{game.started_at:%Y.%m.%d}"]' in head
    assert f'[UTCTime "{game.started_at:%H:%M:%S}"]' in head
    assert f'[Link "{game.url}"]' in head
    assert f'[Result "{result}"]' in head
    assert movetext.rstrip().endswith(result)
    clocks = re.findall(r"\{\[%clk \d:\d\d:\d\d\]\}", movetext)
    assert len(clocks) == len(famous.moves.split())


def test_a_daily_game_has_a_start_and_days(world: World) -> None:
    document = chesscom_json(world.add_game("chess.com", "Ann", MID_MARCH, speed="daily"))

    assert document["time_control"] == "1/259200"
    assert document["start_time"] < document["end_time"]
    assert "/daily/" in document["url"]


def test_a_game_says_its_rules_its_position_and_its_accuracies(world: World) -> None:
    fen = "nqbrknbr/pppppppp/8/8/8/8/PPPPPPPP/NQBRKNBR w KQkq - 0 1"
    plain = chesscom_json(world.add_game("chess.com", "Ann", MID_MARCH))
    document = chesscom_json(
        world.add_game(
            "chess.com",
            "Ann",
            MID_MARCH,
            variant="chess960",
            initial_fen=fen,
            accuracies=(91.5, 77.25),
            fields={"pgn": None},
        )
    )

    assert (document["rules"], document["initial_setup"]) == ("chess960", fen)
    assert document["accuracies"] == {"white": 91.5, "black": 77.25}
    assert "pgn" not in document
    assert plain["rules"] == "chess"
    assert "accuracies" not in plain


async def test_a_game_may_be_listed_in_another_month_than_that_of_its_end(
    client: aiohttp.ClientSession, world: World
) -> None:
    world.add_game("chess.com", "Ann", MID_MARCH, month="2026-02")

    assert await get(client) == (200, {"games": []})
    _, february = await get(client, "/pub/player/ann/games/2026/02")
    assert len(february["games"]) == 1


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


async def test_a_month_that_will_never_have_anything_is_gone(
    client: aiohttp.ClientSession, world: World
) -> None:
    world.players["chess.com"]["ann"].gone.add("2026-03")

    assert (await get(client))[0] == 410
    assert (await get(client, "/pub/player/ann/games/2026/02"))[0] == 200


# ETags


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
