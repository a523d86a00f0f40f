"""Cases 2 to 5, 9 and 11 of what a sync must handle: games and streams of Lichess."""

import asyncio
import json
from typing import Any

import msgspec
import pytest
from aiohttp import web

from chesscoach.demo.world import SimulatedGame
from chesscoach.jobs import sync_games
from chesscoach.worker.runner import runner
from chesscoach.worker.shutdown import ShutdownRequest
from tests.support.sync.sync_scenario import EXPORT, NO_MOVES, SHORT_GAME, SyncScenario

CORRESPONDENCE = {"speed": "correspondence"}


def finish_game(game: SimulatedGame, club: SyncScenario) -> None:
    """Ends a game now, while nobody is looking: no player is seen for it."""
    game.ended_at, game.status = club.clock.now, "resign"


# Cases 2 to 5: what is stored, and as what


async def test_case_02_an_ongoing_game_is_pending_and_neither_stored_nor_queued(
    sync: SyncScenario,
) -> None:
    kinds = [(speed, rated) for speed in ("blitz", "correspondence") for rated in (True, False)]
    games = {}
    for number, (speed, rated) in enumerate(kinds):
        for name, synced in ((f"Old{number}", sync.before_now(hours=6)), (f"New{number}", None)):
            sync.add_user(name.lower(), lichess=name, synced=synced)
            games[name.lower()] = sync.add_game(
                "lichess",
                name,
                None,
                started_at=sync.before_now(minutes=9),
                speed=speed,
                rated=rated,
            )

    await sync.run_succeeding()
    await sync.run_later(hours=1)

    assert sync.db.games.count_documents({}) == sync.db.analysis_queue.count_documents({}) == 0
    for name, game in games.items():
        (pending,) = sync.account(f"lichess:{name}")["pending"]
        assert pending["external_id"] == game.id
        finish_game(game, sync)
    await sync.run_later(hours=1)
    await sync.run_later(hours=1)
    for name, game in games.items():
        assert sync.queued_game_ids(name) == [sync.game(game, name)["game_id"]]


async def test_case_03_aborted_games_are_left_out_and_those_without_moves_are_not_analysed(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", lichess="Ann", synced=sync.before_now(hours=6))
    sync.add_user("new", lichess="New")
    for user, name in (("ann", "Ann"), ("new", "New")):
        sync.add_game("lichess", name, sync.before_now(hours=4), status="aborted")
        absent = sync.add_game(
            "lichess", name, sync.before_now(hours=3), status="noStart", famous=NO_MOVES
        )
        resigned = sync.add_game("lichess", name, sync.before_now(hours=2), famous=NO_MOVES)

        await sync.run_succeeding(user=user)

        assert sync.urls(user) == [absent.url, resigned.url]
        row = sync.game(absent, user)
        assert (row["result"], row["ending"]) == ("1-0", "noStart")
        assert [row["analysable"] for row in sync.games(user)] == [False, False]
    assert sync.db.analysis_queue.count_documents({}) == 0


async def test_case_03_an_ongoing_game_that_is_aborted_is_let_go(sync: SyncScenario) -> None:
    sync.add_user("ann", lichess="Ann")
    game = sync.add_game("lichess", "Ann", None, started_at=sync.before_now(minutes=5))
    await sync.run_succeeding()
    finish_game(game, sync)
    game.status = "aborted"

    for _ in range(2):
        await sync.run_later(hours=6)

    assert sync.games("ann") == sync.account("lichess:ann")["pending"] == []


async def test_case_04_an_opponent_need_not_have_an_account(sync: SyncScenario) -> None:
    sync.add_user("ann", lichess="Ann", synced=sync.before_now(hours=6))
    ann = {"user": {"name": "Ann", "id": "ann"}, "rating": 1500}
    sides: list[tuple[str, dict[str, Any]]] = [
        ("Stockfish level 5", {"white": {"aiLevel": 5}}),
        ("Anonymous", {"white": {}}),
        ("Anonymous", {}),
        ("Simul guest", {"white": {"name": "Simul guest"}}),
        ("NoId", {"white": {"user": {"name": "NoId"}}}),
        ("noname", {"white": {"user": {"id": "noname"}}}),
    ]
    games = [
        sync.add_game(
            "lichess", "Ann", sync.before_now(hours=1), fields={"players": {**side, "black": ann}}
        )
        for _, side in sides
    ]

    await sync.run_succeeding()

    for game, (name, _) in zip(games, sides, strict=True):
        row = sync.game(game, "ann")
        assert (row["opponent"], row["opponent_rating"]) == (name, None)
        assert (row["user_color"], row["user_rating"]) == ("black", 1500)


async def test_case_04_a_user_of_whom_only_the_name_is_told_is_known_by_it(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", lichess="Ann", synced=sync.before_now(hours=6))
    games = [
        sync.add_game(
            "lichess", "Ann", sync.before_now(hours=1), fields={"players": {"black": side}}
        )
        for side in ({"name": "Ann"}, {"user": {"name": "aNN"}}, {"user": {"id": "Ann"}})
    ]

    await sync.run_succeeding()

    assert [sync.game(game, "ann")["user_color"] for game in games] == ["black"] * 3


async def test_case_04_a_game_without_a_clock_against_an_unknown_player_is_stored(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", lichess="Ann", synced=sync.before_now(hours=6))
    ended = sync.before_now(hours=1)
    games = {
        name: sync.add_game("lichess", "Ann", ended, opponent=opponent, **CORRESPONDENCE)
        for name, opponent in (("Anonymous", ""), ("Stockfish level 8", "Stockfish level 8"))
    }

    await sync.run_succeeding()

    rows = {name: sync.game(game, "ann") for name, game in games.items()}
    assert {name: row["opponent"] for name, row in rows.items()} == {name: name for name in games}
    assert all(row["time_control"] == "correspondence" for row in rows.values())
    assert sync.queued_game_ids("ann") == sorted(row["game_id"] for row in rows.values())


async def test_case_05_a_variant_keeps_its_name_and_its_position_and_is_not_queued(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", lichess="Ann", synced=sync.before_now(hours=6))
    variants = [
        ("chess960", "nqbrknbr/pppppppp/8/8/8/8/PPPPPPPP/NQBRKNBR w KQkq - 0 1"),
        ("fromPosition", "8/8/8/4k3/8/4K3/4P3/8 w - - 0 1"),
        ("crazyhouse", None),
        ("threeCheck", None),
        ("somethingNew", None),
    ]
    games = [
        sync.add_game("lichess", "Ann", sync.before_now(hours=1), variant=variant, initial_fen=fen)
        for variant, fen in variants
    ]

    await sync.run_succeeding()

    rows = [sync.game(game, "ann") for game in games]
    assert [(row["variant"], row["initial_fen"]) for row in rows] == variants
    assert not any(row["analysable"] for row in rows)
    assert sync.queued_game_ids("ann") == []


# Cases 9 and 11: streams


async def test_case_09_a_stream_that_is_cut_loses_nothing_and_is_no_failure_of_the_account(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", lichess="Ann", synced=sync.before_now(days=5))
    games = [
        sync.add_game("lichess", "Ann", sync.before_now(minutes=300 - n), famous=SHORT_GAME)
        for n in range(250)
    ]
    sync.sites.lichess.faults.extend([None, "cut"])

    record = await sync.run_succeeding()

    assert sync.urls("ann") == [game.url for game in games]
    assert (record["done"], record["failed"]) == (1, 0)
    assert sync.account("lichess:ann")["failures"] == 0
    exports = [seen for seen in sync.sites.lichess.requests if seen.path == EXPORT]
    assert [seen.query["since"] for seen in exports] == sorted(
        seen.query["since"] for seen in exports
    )
    assert len(exports) == 2


async def test_case_09_the_cursor_stays_at_the_last_whole_game_of_a_stream(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", lichess="Ann", synced=sync.before_now(days=5))
    games = [
        sync.add_game("lichess", "Ann", sync.before_now(minutes=300 - n), famous=SHORT_GAME)
        for n in range(250)
    ]
    sync.sites.lichess.faults.extend([None, "cut", "reset", "reset"])

    record = await sync.run()

    assert record["failed"] == 1
    kept = sync.urls("ann")
    assert kept == [game.url for game in games[: len(kept)]]
    assert 100 <= len(kept) < 250
    assert sync.account("lichess:ann")["cursor"] == games[len(kept) - 1].started_at
    await sync.run_later(hours=6)
    assert sync.urls("ann") == [game.url for game in games]
    assert len(sync.queued_game_ids("ann")) == 0


async def test_case_09_a_stream_that_is_always_cut_at_the_same_game_is_not_asked_for_for_ever(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", lichess="Ann", synced=sync.before_now(days=5))
    sync.add_user("bob", lichess="Bob", synced=sync.before_now(days=5))
    games = [
        sync.add_game("lichess", "Ann", sync.before_now(minutes=300 - n), famous=SHORT_GAME)
        for n in range(150)
    ]
    his = sync.add_game("lichess", "Bob", sync.before_now(hours=1))
    games[-1].fields = {"pgn": msgspec.Raw(b'"' + b"x" * 2**20 * 18)}

    record = await sync.run()

    assert sync.urls("bob") == [his.url]
    assert record["candidates"] == record["done"] + record["failed"] == 2
    assert sync.urls("ann") == [game.url for game in games[:-1]]
    assert sync.requested_paths("lichess").count(EXPORT) <= 3


@pytest.mark.parametrize("where", ["before the reply", "within it"])
async def test_case_11_a_run_that_is_broken_off_leaves_no_stream_open(
    sync: SyncScenario, where: str
) -> None:
    sync.add_user("ann", lichess="Ann", synced=sync.before_now(days=5))
    sync.add_game("lichess", "Ann", sync.before_now(hours=1))
    reached, closed = asyncio.Event(), asyncio.Event()

    async def stall(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        try:
            if where == "within it":
                await response.prepare(request)
                await response.write(b'{"id":"q7ZQ')
            reached.set()
            await asyncio.Event().wait()
        finally:
            closed.set()
        return response

    sync.sites.lichess.faults.extend([None, stall])
    stop = ShutdownRequest()
    running = asyncio.create_task(
        runner.run_manually(sync.ctx.worker, sync_games.JOB, sync_games.Args(), stop)
    )
    await reached.wait()
    stop.request(15)

    ending = await running

    assert ending.record["outcome"] == "cancelled"
    await asyncio.wait_for(closed.wait(), 5)
    await sync.run_later(hours=6)
    assert len(sync.games("ann")) == 1
    assert sync.sites.lichess.violations == []


async def test_case_11_a_refusal_of_a_second_stream_is_told_as_concurrency(
    sync: SyncScenario, capsys: pytest.CaptureFixture[str]
) -> None:
    sync.add_user("ann", lichess="Ann", synced=sync.before_now(days=5))

    async def slow_down(request: web.Request) -> web.Response:
        return web.Response(status=429, text="<html>Too many requests</html>")

    sync.sites.lichess.faults.extend(["429", slow_down])

    await sync.run_succeeding()

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    paused = [line["reason"] for line in lines if line["event"] == "source_rate_limited"]
    assert paused == ["concurrency", "rate"]
