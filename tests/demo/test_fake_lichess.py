"""The fake for Lichess behaves as the site is documented to."""

import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import aiohttp
import pytest

from chesscoach.demo.fake_lichess import FakeLichess, lichess_json
from chesscoach.demo.world import HistoricalGame, World, historical_games
from tests.conftest import NOON
from tests.support.sync.lichess_client import LichessClient

FAMOUS = historical_games()
AGENT = "tests (contact: tests@example.org)"


def ms(instant: datetime) -> int:
    return round(instant.timestamp() * 1000)


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


# Exports


async def test_since_is_about_when_a_game_began_and_includes_that_instant(
    client: LichessClient, world: World
) -> None:
    began = NOON - timedelta(days=30)
    world.add_game("lichess", "Ann", NOON, started_at=began)

    assert len(await client.games(since=ms(began))) == 1
    assert await client.games(since=ms(began) + 1) == [], "though it ended since"


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, ["mate"]),
        ({"ongoing": "true"}, ["aborted", "mate", "started"]),
        ({"ongoing": "true", "finished": "false"}, ["started"]),
    ],
)
async def test_unfinished_and_aborted_games_come_only_if_they_are_wanted(
    client: LichessClient, world: World, options: dict[str, str], wanted: list[str]
) -> None:
    world.add_game("lichess", "Ann", NOON, status="mate")
    world.add_game("lichess", "Ann", NOON, status="aborted")
    world.add_game("lichess", "Ann", None, started_at=NOON)

    assert sorted(game["status"] for game in await client.export(**options)) == wanted


async def test_games_come_newest_first_unless_asked_otherwise(
    client: LichessClient, world: World
) -> None:
    ids = [world.add_game("lichess", "Ann", NOON + timedelta(hours=n)).id for n in (1, 0, 2)]
    oldest_first = [ids[1], ids[0], ids[2]]

    assert await client.games(sort="dateAsc") == oldest_first
    assert await client.games(sort="dateDesc") == oldest_first[::-1]
    assert await client.games() == oldest_first[::-1]
    assert await client.games(max=2) == oldest_first[:0:-1]


async def test_an_export_is_whole_and_names_are_looked_up_whatever_their_case(
    client: LichessClient, world: World
) -> None:
    assert await client.games() == []
    for n in range(300):
        world.add_game("lichess", "Ann", NOON + timedelta(minutes=n), famous=FAMOUS[0])

    assert len(set(await client.games("ANN"))) == 300


async def test_unknown_and_closed_players_are_not_found(
    client: LichessClient, world: World
) -> None:
    world.add_game("lichess", "Ann", NOON)
    world.players["lichess"]["ann"].closed = True

    assert await client.status("GET", "/api/games/user/ann") == 404
    assert await client.status("GET", "/api/games/user/nobody") == 404


async def test_without_a_user_agent_no_player_is_found(client: LichessClient) -> None:
    assert await client.status("GET", "/api/games/user/ann", headers={"User-Agent": ""}) == 404


async def test_since_in_seconds_brings_everything_and_breaks_a_rule(
    client: LichessClient, world: World, fake_lichess: FakeLichess
) -> None:
    game = world.add_game("lichess", "Ann", NOON - timedelta(days=400))

    assert await client.games(since=ms(NOON) // 1000) == [game.id]
    assert fake_lichess.violations == ["since is not in milliseconds"]


# A line


@pytest.mark.parametrize("famous", FAMOUS[:2], ids=lambda famous: f"{famous.white}")
async def test_a_line_has_the_fields_that_the_site_always_sends(
    client: LichessClient, world: World, famous: HistoricalGame
) -> None:
    game = world.add_game("lichess", "Ann", NOON, famous=famous)
    (line,) = await client.export()

    assert line == lichess_json(game)
    always = "id rated variant speed perf createdAt lastMoveAt status players source"
    assert set(always.split()) <= line.keys()
    assert line["createdAt"] == ms(game.started_at)
    assert line["lastMoveAt"] == ms(NOON)
    assert line["moves"] == famous.moves
    assert line.get("winner") == {"1-0": "white", "0-1": "black"}.get(famous.result)
    assert line["pgn"].rstrip().endswith(famous.result)
    assert "berserk" not in line
    names = {side["user"]["name"]: side["user"]["id"] for side in line["players"].values()}
    assert names["Ann"] == "ann"


def test_a_game_that_is_drawn_or_being_played_has_no_winner(world: World) -> None:
    drawn = next(famous for famous in FAMOUS if famous.result == "1/2-1/2")
    over = lichess_json(world.add_game("lichess", "Ann", NOON, famous=drawn))
    playing = lichess_json(world.add_game("lichess", "Ann", None, started_at=NOON))

    assert (over["status"], "winner" in over) == ("draw", False)
    assert (playing["status"], "winner" in playing) == ("started", False)
    assert playing["pgn"].rstrip().endswith("*")


def test_a_side_is_an_account_an_engine_or_anonymous(world: World) -> None:
    for opponent, side in (
        ("Bob", {"user": {"name": "Bob", "id": "bob"}}),
        ("Stockfish level 5", {"aiLevel": 5}),
        ("", {}),
    ):
        game = world.add_game("lichess", "Ann", NOON, opponent=opponent)
        sides = lichess_json(game)["players"].values()
        assert any(side.items() <= shown.items() and "Ann" not in str(shown) for shown in sides)


def test_a_game_shows_its_days_its_variant_and_odd_fields_as_they_are_given(world: World) -> None:
    fen = "nqbrknbr/pppppppp/8/8/8/8/PPPPPPPP/NQBRKNBR w KQkq - 0 1"
    slow = lichess_json(world.add_game("lichess", "Ann", NOON, speed="correspondence"))
    line = lichess_json(
        world.add_game("lichess", "Ann", NOON, variant="chess960", initial_fen=fen, rated=False)
    )
    odd = {"winner": 7, "moves": None, "new": {"deep": [1]}}
    given = lichess_json(world.add_game("lichess", "Ann", NOON, fields=odd))

    assert (slow["daysPerTurn"], "clock" in slow) == (3, False)
    assert (line["variant"], line["initialFen"], line["rated"]) == ("chess960", fen, False)
    assert (given["winner"], given["new"], "moves" in given) == (7, {"deep": [1]}, False)


# Games by id


async def test_games_come_by_id_also_unfinished_ones_without_the_aborted_and_the_unknown(
    client: LichessClient, world: World
) -> None:
    finished = world.add_game("lichess", "Ann", NOON)
    running = world.add_game("lichess", "Ann", None, started_at=NOON)
    aborted = world.add_game("lichess", "Ann", NOON, status="aborted")
    text = ",".join((running.id, "vanished", aborted.id, finished.id))
    async with client.session.post("/api/games/export/_ids", data=text) as response:
        assert response.content_type == "application/x-ndjson"
        ids = [json.loads(line)["id"] for line in (await response.read()).splitlines()]

    assert sorted(ids) == sorted([finished.id, running.id])


async def test_more_than_three_hundred_games_by_id_break_a_rule(
    client: LichessClient, fake_lichess: FakeLichess
) -> None:
    for count, broken in ((300, 0), (301, 1)):
        text = ",".join(f"game{n:04}" for n in range(count))
        await client.status("POST", "/api/games/export/_ids", data=text)
        assert len(fake_lichess.violations) == broken


# Bulk


async def test_a_bulk_response_follows_the_order_and_leaves_out_the_unknown(
    client: LichessClient, world: World
) -> None:
    world.add_player("lichess", "Bob", NOON).closed = True
    world.add_player("lichess", "Cat", NOON).title = "BOT"

    cat, bob, ann = await client.users("CAT", "nobody", "bob", "ann")

    assert (cat["id"], cat["title"]) == ("cat", "BOT")
    assert bob == {"id": "bob", "username": "Bob", "disabled": True}
    assert (ann["id"], ann["username"], "title" in ann) == ("ann", "Ann", False)
    assert "count" not in ann
    assert "disabled" not in ann


async def test_a_game_changes_when_a_player_was_seen_and_the_total_play_time(
    client: LichessClient, world: World
) -> None:
    (before,) = await client.users("ann")
    assert (await client.users("ann")) == [before]
    world.add_game("lichess", "Ann", NOON)
    (after,) = await client.users("ann")

    assert after["seenAt"] == ms(NOON) > before["seenAt"]
    assert after["playTime"]["total"] > before["playTime"]["total"]
    assert after["perfs"]["rapid"]["games"] == before["perfs"]["rapid"]["games"] + 1


async def test_a_correspondence_game_shows_only_if_it_was_rated(
    client: LichessClient, world: World
) -> None:
    (before,) = await client.users("ann")
    for rated in (False, True):
        world.add_game("lichess", "Ann", NOON, speed="correspondence", rated=rated)
    (after,) = await client.users("ann")

    assert after["playTime"] == before["playTime"]
    assert after["perfs"]["rapid"]["games"] == before["perfs"]["rapid"]["games"] + 1


async def test_at_most_three_hundred_ids_are_taken(
    client: LichessClient, fake_lichess: FakeLichess
) -> None:
    for count, status in ((300, 200), (301, 400)):
        text = ",".join(f"name{n}" for n in range(count))
        assert await client.status("POST", "/api/users", data=text) == status

    assert len(fake_lichess.violations) == 1


async def test_no_more_users_than_allowed_are_reported_in_ten_minutes(
    client: LichessClient, fake_lichess: FakeLichess
) -> None:
    text = ",".join(f"name{n}" for n in range(250))
    statuses = [await client.status("POST", "/api/users", data=text) for _ in range(4)]
    assert statuses == [200] * 4
    assert fake_lichess.violations == []

    assert await client.status("POST", "/api/users", data="ann") == 429
    assert len(fake_lichess.violations) == 1
    fake_lichess.advance_time(601)
    assert await client.status("POST", "/api/users", data="ann") == 200
    assert len(fake_lichess.violations) == 1
