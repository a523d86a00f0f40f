"""Cases 23 and 24 of the list: what is unknown, of the wrong kind, hostile, or of another time."""

import gzip
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from aiohttp import web

from chesscoach.demo.world import SimulatedGame
from tests.support.sync.sync_scenario import (
    AUGUST,
    GAMES_BY_ID,
    JULY,
    NO_MOVES,
    SHORT_GAME,
    SyncScenario,
)

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
    {"tour": msgspec.Raw(b"[" * 200_000 + b"]" * 200_000)},
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
    assert stranger.url not in sync.urls("ann"), "nobody knows whose it is"
    assert record["notes"]["games_not_owned"] == 1
    assert record["notes"]["unknown_values"] == 13


async def test_case_23_a_game_that_cannot_be_read_costs_no_other_account_anything(
    sync: SyncScenario,
) -> None:
    sync.add_user("bob", lichess="Bob", synced=sync.before_now(hours=6))
    his = sync.add_game("lichess", "Bob", sync.before_now(hours=2))
    around = []
    for number, odd in enumerate(UNREADABLE_ON_LICHESS):
        name = f"Ann{number}"
        sync.add_user(name.lower(), lichess=name, synced=sync.before_now(hours=6))
        before = sync.add_game("lichess", name, sync.before_now(hours=4))
        sync.add_game("lichess", name, sync.before_now(hours=3), fields=odd)
        around.append(
            (
                name.lower(),
                {before.url, sync.add_game("lichess", name, sync.before_now(hours=2)).url},
            )
        )

    for _ in range(2):
        await sync.run_succeeding()
        sync.clock.move(hours=6)

    assert sync.urls("bob") == [his.url]
    for (user, urls), odd in zip(around, UNREADABLE_ON_LICHESS, strict=True):
        assert set(sync.urls(user)) == urls, odd.keys()
    asked = [
        seen.body.split(",") for seen in sync.sites.lichess.requests if seen.path == GAMES_BY_ID
    ]
    known = {game.id for game in sync.world.games.values()}
    assert all(set(ids) <= known for ids in asked), "only what could be a game's id is sent"
    assert sync.sites.lichess.violations == []


async def test_case_23_a_game_that_could_not_be_read_is_asked_for_until_it_can(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", lichess="Ann", synced=sync.before_now(hours=6))
    game = sync.add_game("lichess", "Ann", sync.before_now(hours=1), fields={"createdAt": "then"})
    await sync.run_succeeding()
    await sync.run_later(days=1)
    assert sync.games("ann") == []
    game.fields = {}

    await sync.run_later(days=1)

    assert sync.urls("ann") == [game.url]


@pytest.mark.parametrize("bad", [rb'"\ud800"', b"NaN", b'"' + b"x" * 2**21 + b'"'])
async def test_case_23_a_game_that_is_not_json_is_asked_for_after_a_first_sync_too(
    sync: SyncScenario, bad: bytes
) -> None:
    sync.add_user("ann", lichess="Ann")
    older = sync.add_game("lichess", "Ann", sync.before_now(hours=3))
    game = sync.add_game(
        "lichess", "Ann", sync.before_now(hours=2), fields={"moves": msgspec.Raw(bad)}
    )
    record = await sync.run_succeeding()
    assert sync.urls("ann") == [older.url]
    assert record["notes"]["unreadable_games"] == 1
    game.fields = {}

    await sync.run_later(hours=6)

    assert sync.urls("ann") == [older.url, game.url]


async def test_case_23_a_line_without_an_id_takes_no_unfinished_game_off_the_list(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", lichess="Ann")
    slow = sync.add_game(
        "lichess", "Ann", None, started_at=sync.before_now(days=2), speed="correspondence"
    )
    await sync.run_succeeding()
    slow.fields = {"id": 12}
    for _ in range(3):
        await sync.run_later(hours=6)
    slow.fields = {}
    slow.ended_at, slow.status = sync.clock.now, "resign"

    await sync.run_later(hours=6)

    assert sync.urls("ann") == [slow.url]


@pytest.mark.parametrize("bad", [rb'"\ud800"', b"NaN", b"[" * 50_000 + b"]" * 50_000])
async def test_case_23_a_game_that_is_not_json_costs_its_month_nothing_else(
    sync: SyncScenario, bad: bytes
) -> None:
    sync.add_user("ann", chesscom="Ann")
    games = [sync.add_game("chess.com", "Ann", sync.before_now(hours=hours)) for hours in (4, 3, 2)]
    games[1].fields = {"pgn": msgspec.Raw(bad)}
    record = await sync.run_succeeding()
    assert sync.urls("ann") == [games[0].url, games[2].url]
    assert record["notes"]["unreadable_games"] == 1
    games[1].fields = {}

    await sync.run_later(hours=6)

    assert sync.urls("ann") == [game.url for game in games]


async def test_case_23_a_line_without_an_end_fails_its_account_alone(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", lichess="Ann", synced=sync.before_now(hours=6))
    sync.add_user("bob", lichess="Bob", synced=sync.before_now(hours=6))
    for name in ("Ann", "Bob"):
        sync.add_game("lichess", name, sync.before_now(hours=2))

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 2**16)

    sync.sites.lichess.faults.extend([None, endless])

    record = await sync.run()

    assert (record["done"], record["failed"]) == (1, 1)
    await sync.run_later(hours=6)
    assert len(sync.urls("ann")) == len(sync.urls("bob")) == 1


@pytest.mark.parametrize("path", ["bulk", "export"])
async def test_case_23_a_bomb_of_lichess_costs_no_memory_and_no_games(
    sync: SyncScenario, path: str
) -> None:
    for name in ("Ann", "Bob"):
        sync.add_user(name.lower(), lichess=name, synced=sync.before_now(hours=6))
        sync.add_game("lichess", name, sync.before_now(hours=1))
    bomb = gzip.compress(b" " * 2**27, compresslevel=1)

    async def explode(request: web.Request) -> web.Response:
        return web.Response(body=bomb, headers={"Content-Encoding": "gzip"})

    sync.sites.lichess.faults.extend([explode] if path == "bulk" else [None, explode])

    result = await sync.run()

    assert result["failed"] == (0 if path == "bulk" else 1)
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
    {"tcn": msgspec.Raw(b"[" * 200_000 + b"]" * 200_000)},
]


UNREADABLE_ARCHIVES: list[dict[str, Any]] = [
    {"eco": msgspec.Raw(b"{")},
]


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
        row = sync.db.games.find_one({"url": game.url})
        assert stored.items() <= row.items(), fields
    assert record["notes"]["unknown_values"] == 9


async def test_case_23_a_game_or_a_month_that_cannot_be_used_costs_no_other_account_anything(
    sync: SyncScenario,
) -> None:
    sync.add_user("bob", chesscom="Bob")
    his = sync.add_game("chess.com", "Bob", sync.before_now(hours=2))
    rest: dict[str, list[str]] = {}
    for number, odd in enumerate([*UNREADABLE_ON_CHESSCOM, *UNREADABLE_ARCHIVES]):
        name = f"Ann{number}"
        sync.add_user(name.lower(), chesscom=name)
        whole = [
            sync.add_game("chess.com", name, sync.before_now(hours=hours)).url for hours in (4, 2)
        ]
        sync.add_game("chess.com", name, sync.before_now(hours=3), fields=odd)
        rest[name.lower()] = whole if odd in UNREADABLE_ON_CHESSCOM else []

    result = await sync.run()

    assert (result["done"], result["failed"]) == (
        1 + len(UNREADABLE_ON_CHESSCOM),
        len(UNREADABLE_ARCHIVES),
    )
    assert sync.urls("bob") == [his.url]
    assert {user: sync.urls(user) for user in rest} == rest
    for game in sync.world.games.values():
        game.fields = {}
    await sync.run_later(hours=6)
    assert all(len(sync.urls(user)) == 3 for user in rest), "read as soon as it can be"


async def test_case_23_a_game_of_a_month_that_could_not_be_read_is_asked_for_until_it_can(
    sync: SyncScenario,
) -> None:
    """By us, that is: the site's reply may be the same when a later version reads it."""
    sync.add_user("ann", chesscom="Ann")
    sync.add_game("chess.com", "Ann", sync.before_now(hours=3), fields={"end_time": "late"})
    sync.add_game("chess.com", "Ann", datetime(2024, 7, 3, tzinfo=UTC), fields={"end_time": "late"})
    await sync.run_succeeding()
    sync.sites.clear_requests()

    await sync.run_later(hours=6)
    assert [(seen.path, seen.status) for seen in sync.sites.chesscom.requests] == [(AUGUST, 200)]
    for _ in range(6):
        sync.clock.move(days=15)
        await sync.run_succeeding(all=True)

    assert (JULY, 200) in [(seen.path, seen.status) for seen in sync.sites.chesscom.requests]


async def test_case_23_a_bomb_fails_its_account_alone(sync: SyncScenario) -> None:
    sync.add_user("ann", chesscom="Ann")
    sync.add_user("bob", chesscom="Bob")
    for name in ("Ann", "Bob"):
        sync.add_game("chess.com", name, sync.before_now(hours=1))
    bomb = gzip.compress(b" " * 2**27, compresslevel=1)

    async def explode(request: web.Request) -> web.Response:
        return web.Response(body=bomb, headers={"Content-Encoding": "gzip"})

    sync.sites.chesscom.faults.append(explode)

    record = await sync.run()

    assert (record["done"], record["failed"]) == (1, 1)
    await sync.run_later(hours=6)
    assert len(sync.urls("ann")) == len(sync.urls("bob")) == 1


# Case 24


async def test_case_24_a_game_from_the_future_does_not_move_the_cursor_past_others(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", lichess="Ann", synced=sync.before_now(days=60))
    for number in range(1200):
        sync.add_game("lichess", "Ann", sync.before_now(minutes=3000 - number), famous=SHORT_GAME)
    games = sync.world.players["lichess"]["ann"].games
    games[40].fields = {"createdAt": 7_000_000_000_000}
    games[999].fields = {"createdAt": 7_000_000_000_000, "lastMoveAt": 7_000_000_000_000}

    await sync.run_succeeding()
    assert sync.account("lichess:ann")["cursor"] <= sync.clock.now
    later = sync.add_game("lichess", "Ann", sync.clock.now + timedelta(hours=1))
    await sync.run_later(hours=6)

    assert set(sync.urls("ann")) == {game.url for game in games}
    assert later.url in sync.urls("ann")


async def test_case_24_every_instant_is_told_in_utc_and_since_has_thirteen_digits(
    sync: SyncScenario,
) -> None:
    leap = datetime(2024, 2, 29, 23, 59, 59, 999000, tzinfo=UTC)
    sync.clock.now = datetime(2024, 3, 1, 1, 30, tzinfo=UTC)
    sync.add_user("ann", lichess="Ann", synced=datetime(2024, 2, 29, 12, tzinfo=UTC))
    sync.add_user("old", lichess="Old", synced=datetime(2010, 1, 1, tzinfo=UTC))
    game = sync.add_game("lichess", "Ann", sync.before_now(minutes=30), started_at=leap)
    seconds = sync.add_game(
        "lichess", "Ann", sync.before_now(minutes=20), fields={"createdAt": int(leap.timestamp())}
    )
    sync.add_game("lichess", "Old", sync.before_now(minutes=30))

    await sync.run_succeeding()

    row = sync.game(game, "ann")
    assert row["started_at"] == leap.isoformat()
    assert datetime.fromisoformat(row["ended_at"]) == game.ended_at
    assert sync.game(seconds, "ann")["started_at"] == leap.replace(microsecond=0).isoformat()
    for seen in sync.sites.lichess.requests:
        assert len(seen.query.get("since", "x" * 13)) == 13
    assert sync.sites.lichess.violations == []


async def test_case_24_times_in_milliseconds_and_from_the_future_do_no_harm(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", chesscom="Ann")
    ended = sync.before_now(hours=3).replace(microsecond=0)
    millis = sync.add_game(
        "chess.com", "Ann", ended, fields={"end_time": int(ended.timestamp()) * 1000}
    )
    future = sync.add_game(
        "chess.com", "Ann", sync.before_now(hours=2), fields={"end_time": 9_000_000_000}
    )
    await sync.run_succeeding()
    row = sync.game(millis, "ann")
    assert row["ended_at"] == ended.isoformat()
    assert sync.account("chess.com:ann")["active_at"] == sync.clock.now
    later = sync.add_game("chess.com", "Ann", sync.clock.now)

    await sync.run_later(hours=6)

    assert {millis.url, future.url, later.url} == set(sync.urls("ann"))


async def test_case_24_a_game_without_moves_is_never_queued(sync: SyncScenario) -> None:
    sync.add_user("ann", chesscom="Ann")
    games: list[SimulatedGame] = [
        sync.add_game("chess.com", "Ann", sync.before_now(hours=n), famous=NO_MOVES) for n in (1, 2)
    ]

    await sync.run_succeeding()

    assert len(sync.urls("ann")) == len(games)
    assert sync.queued_game_ids("ann") == []
