"""Case 23 of the list: what is unknown, of the wrong kind, or hostile."""

import gzip
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from aiohttp import web

from chesscoach.demo.world import SourceName
from tests.support.sync.sync_members import PLATFORMS
from tests.support.sync.sync_scenario import AUGUST, GAMES_BY_ID, JULY, SyncScenario, account_on

# Case 23, Lichess


UNUSUAL_ON_LICHESS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"status": "teleported"}, {"ending": "teleported"}),
    ({"variant": "torpedo"}, {"variant": "torpedo", "analysable": False}),
    ({"speed": "glacial"}, {"time_control": "glacial", "analysable": False}),
    ({"winner": 7, "status": "resign"}, {"ending": "resign", "result": "*"}),
    ({"rated": "yes"}, {"rated": False}),
    ({"moves": ["e4"], "pgn": {"a": 1}}, {"analysable": False}),
    ({"lastMoveAt": "today"}, {}),
    ({"lastMoveAt": 17_239_000_000_000_000}, {}),
    ({"opening": [], "clock": "3+2", "division": 8, "new": {"deep": [1]}}, {}),
    ({"initialFen": 4}, {"initial_fen": None}),
]


UNREADABLE_ON_LICHESS: list[dict[str, Any]] = [
    {"moves": "e4 " * 2**19},
    {"pgn": "x" * 2**23},
    {"tour": msgspec.Raw(b"[" * 20_000 + b"]" * 20_000)},
    {"createdAt": 17_239_000_000_000_000},
    {"createdAt": "2024-08-14"},
    {"createdAt": msgspec.Raw(b"1e400")},
    {"id": 12},
    {"id": "x" * 5000},
    {"id": "a,b\nc"},
    {"id": "a,b,c,d,e", "status": "started"},
    {"status": None},
    {"status": msgspec.Raw(b'"\xff\xfe"')},
]


async def test_case_23_on_lichess_what_is_unknown_or_of_the_wrong_kind_costs_at_most_itself(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", lichess="Ann", synced=sync.before_now(hours=6))
    odd = [
        sync.add_game("lichess", "Ann", sync.before_now(hours=2), fields=fields)
        for fields, _ in UNUSUAL_ON_LICHESS
    ]
    plain = sync.add_game("lichess", "Ann", sync.before_now(hours=1))
    stranger = sync.add_game("lichess", "Ann", sync.before_now(hours=1), fields={"players": []})

    record = await sync.run_succeeding()

    assert sync.game(plain, "ann")["result"] == plain.historical.result
    for game, (fields, stored) in zip(odd, UNUSUAL_ON_LICHESS, strict=True):
        assert stored.items() <= sync.game(game, "ann").items(), fields
    assert stranger.url not in sync.urls("ann"), "it has no known player"
    assert record["notes"]["games_not_owned"] == 1
    assert record["notes"]["unknown_values"] == 13


async def test_case_23_a_game_that_cannot_be_read_costs_no_other_account_anything(
    sync: SyncScenario,
) -> None:
    sync.add_user("bob", lichess="Bob", synced=sync.before_now(hours=6))
    other = sync.add_game("lichess", "Bob", sync.before_now(hours=2))
    readable: dict[str, list[str]] = {}
    for number, odd in enumerate(UNREADABLE_ON_LICHESS):
        name = f"Ann{number}"
        sync.add_user(name.lower(), lichess=name, synced=sync.before_now(hours=6))
        around = sync.add_games("lichess", name, sync.before_now(hours=4), sync.before_now(hours=2))
        sync.add_game("lichess", name, sync.before_now(hours=3), fields=odd)
        readable[name.lower()] = [game.url for game in around]

    await sync.run_cycles(2, hours=6)

    assert sync.urls("bob") == [other.url]
    assert {user: sync.urls(user) for user in readable} == readable
    requests = [seen for seen in sync.sites.lichess.requests if seen.path == GAMES_BY_ID]
    asked = [seen.body.split(",") for seen in requests]
    known = {game.id for game in sync.world.games.values()}
    assert all(set(ids) <= known for ids in asked), "only what could be a game's id is sent"
    assert sync.sites.lichess.violations == []


@pytest.mark.parametrize("site", PLATFORMS)
async def test_case_23_a_game_that_is_not_json_costs_only_itself_and_is_asked_for_again(
    sync: SyncScenario, site: SourceName
) -> None:
    sync.add_user("ann", **account_on(site, "Ann"))
    games = sync.add_games(site, "Ann", *(sync.before_now(hours=hours) for hours in (4, 3, 2)))
    games[1].fields = {"pgn": msgspec.Raw(rb'"\ud800"')}
    record = await sync.run_succeeding()
    assert sync.urls("ann") == [games[0].url, games[2].url]
    assert record["notes"]["unreadable_games"] == 1
    await sync.run_later(hours=6)
    games[1].fields = {}

    await sync.run_later(hours=6)

    assert sync.urls("ann") == [game.url for game in games]


async def test_case_23_a_line_without_an_id_takes_no_unfinished_game_off_the_list(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", lichess="Ann")
    slow = sync.add_slow_game("Ann", days=2)
    await sync.run_succeeding()
    slow.fields = {"id": 12}
    await sync.run_cycles(3, hours=6)
    slow.fields = {}
    sync.finish(slow)

    await sync.run_later(hours=6)

    assert sync.urls("ann") == [slow.url]


BOMBS: dict[str, tuple[SourceName, int, list[None], int]] = {
    "bulk": ("lichess", 33, [], 0),
    "export": ("lichess", 17, [None], 1),
    "month": ("chess.com", 65, [], 1),
}


@pytest.mark.parametrize(("site", "size_mb", "before", "failed"), BOMBS.values(), ids=BOMBS.keys())
async def test_case_23_a_gzip_bomb_uses_no_memory_and_fails_its_account_alone(
    sync: SyncScenario, site: SourceName, size_mb: int, before: list[None], failed: int
) -> None:
    for name in ("Ann", "Bob"):
        sync.add_user(name.lower(), **account_on(site, name), synced=sync.before_now(hours=6))
        sync.add_game(site, name, sync.before_now(hours=1))
    bomb = gzip.compress(b" " * (size_mb * 2**20), compresslevel=1)

    async def explode(request: web.Request) -> web.Response:
        return web.Response(body=bomb, headers={"Content-Encoding": "gzip"})

    sync.fake_site(site).faults.extend([*before, explode])

    record = await sync.run()

    assert (record["done"], record["failed"]) == (2 - failed, failed)
    await sync.run_later(hours=6)
    assert len(sync.urls("ann")) == len(sync.urls("bob")) == 1


# Case 23, Chess.com


UNUSUAL_ON_CHESSCOM: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"white": {"result": "vaporised", "username": "Ann"}}, {}),
    ({"rules": "torpedo"}, {"variant": "torpedo", "analysable": False}),
    ({"time_class": "glacial"}, {"time_control": "glacial", "analysable": False}),
    ({"time_class": 4}, {"time_control": "", "analysable": False}),
    ({"rated": "yes"}, {"rated": False}),
    ({"start_time": 17_239_000_000_000_000}, {"started_at": None}),
    ({"start_time": -1}, {"started_at": None}),
    ({"accuracies": [1, 2]}, {"accuracies": None}),
    ({"accuracies": {"white": 50}}, {"accuracies": None}),
    ({"initial_setup": 8}, {"initial_fen": None}),
    ({"eco": {"deep": [1]}, "new": [[]], "tournament": 4}, {}),
    ({"uuid": None}, {}),
]


UNREADABLE_ON_CHESSCOM: list[dict[str, Any]] = [
    {"pgn": "1. e4 " * 2**18},
    {"end_time": 17_239_000_000_000_000},
    {"end_time": "2024-08-14"},
    {"end_time": msgspec.Raw(b"1e400")},
    {"uuid": None, "url": None},
    {"white": None, "black": None},
    {"pgn": msgspec.Raw(b'"\xff"')},
    {"tcn": msgspec.Raw(b"[" * 20_000 + b"]" * 20_000)},
]


UNREADABLE_ARCHIVES: list[dict[str, Any]] = [{"eco": msgspec.Raw(b"{")}]


async def test_case_23_on_chesscom_what_is_unknown_or_of_the_wrong_kind_costs_at_most_itself(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", chesscom="Ann")
    odd = [
        sync.add_game("chess.com", "Ann", sync.before_now(hours=2), fields=fields)
        for fields, _ in UNUSUAL_ON_CHESSCOM
    ]
    plain = sync.add_game("chess.com", "Ann", sync.before_now(hours=1))

    record = await sync.run_succeeding()
    await sync.run_later(hours=6)

    assert sorted(sync.urls("ann")) == sorted(game.url for game in (*odd, plain))
    for game, (fields, stored) in zip(odd, UNUSUAL_ON_CHESSCOM, strict=True):
        document = sync.db.games.find_one({"url": game.url})
        assert stored.items() <= document.items(), fields
    assert record["notes"]["unknown_values"] == 9


async def test_case_23_a_game_or_a_month_that_cannot_be_used_costs_no_other_account_anything(
    sync: SyncScenario,
) -> None:
    sync.add_user("bob", chesscom="Bob")
    other = sync.add_game("chess.com", "Bob", sync.before_now(hours=2))
    rest: dict[str, list[str]] = {}
    for number, odd in enumerate([*UNREADABLE_ON_CHESSCOM, *UNREADABLE_ARCHIVES]):
        name = f"Ann{number}"
        sync.add_user(name.lower(), chesscom=name)
        around = sync.add_games(
            "chess.com", name, sync.before_now(hours=4), sync.before_now(hours=2)
        )
        sync.add_game("chess.com", name, sync.before_now(hours=3), fields=odd)
        rest[name.lower()] = [game.url for game in around] if odd in UNREADABLE_ON_CHESSCOM else []

    result = await sync.run()

    assert (result["done"], result["failed"]) == (
        1 + len(UNREADABLE_ON_CHESSCOM),
        len(UNREADABLE_ARCHIVES),
    )
    assert sync.urls("bob") == [other.url]
    assert {user: sync.urls(user) for user in rest} == rest
    for game in sync.world.games.values():
        game.fields = {}
    await sync.run_later(hours=6)
    assert all(len(sync.urls(user)) == 3 for user in rest), "read as soon as it can be"


async def test_case_23_a_game_of_a_month_that_could_not_be_read_is_asked_for_until_it_can(
    sync: SyncScenario,
) -> None:
    """By us, that is: the site's response may be the same when a later version reads it."""
    sync.add_user("ann", chesscom="Ann")
    sync.add_game("chess.com", "Ann", sync.before_now(hours=3), fields={"end_time": "late"})
    sync.add_game("chess.com", "Ann", datetime(2024, 7, 3, tzinfo=UTC), fields={"end_time": "late"})
    await sync.run_succeeding()
    sync.sites.clear_requests()

    await sync.run_later(hours=6)
    assert [(seen.path, seen.status) for seen in sync.sites.chesscom.requests] == [(AUGUST, 200)]
    await sync.run_cycles(4, days=20, all=True)

    assert (JULY, 200) in [(seen.path, seen.status) for seen in sync.sites.chesscom.requests]
