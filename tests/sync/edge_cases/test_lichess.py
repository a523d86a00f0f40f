"""Cases 2 to 5, 9 and 11 of what a sync must handle: kinds of games, and streams of Lichess."""

import asyncio
import json
from typing import Any

import msgspec
import pytest
from aiohttp import web

from chesscoach.demo.world import SourceName
from chesscoach.jobs import sync_games
from chesscoach.worker.runner import runner
from chesscoach.worker.shutdown import ShutdownRequest
from tests.support.sync.sync_members import ANALYSABLE_GAME, PLATFORMS
from tests.support.sync.sync_scenario import EXPORT, NO_MOVES, SyncScenario, account_on

# Cases 2 to 5: what is stored, and as what


async def test_case_02_an_ongoing_game_is_pending_and_neither_stored_nor_queued(
    sync: SyncScenario,
) -> None:
    kinds = [(speed, rated) for speed in ("blitz", "correspondence") for rated in (True, False)]
    games = {}
    for number, (speed, rated) in enumerate(kinds):
        for name, synced in ((f"Old{number}", sync.before_now(hours=6)), (f"New{number}", None)):
            sync.add_user(name.lower(), lichess=name, synced=synced)
            fields = {"started_at": sync.before_now(minutes=9), "speed": speed, "rated": rated}
            games[name.lower()] = sync.add_game("lichess", name, None, **fields)

    await sync.run_succeeding()
    await sync.run_later(hours=1)

    assert sync.db.games.count_documents({}) == sync.db.analysis_queue.count_documents({}) == 0
    for name, game in games.items():
        (pending,) = sync.account(f"lichess:{name}")["pending"]
        assert pending["external_id"] == game.id
        sync.finish(game)
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
        fields = {"status": "noStart", "famous": NO_MOVES}
        absent = sync.add_game("lichess", name, sync.before_now(hours=3), **fields)
        resigned = sync.add_game("lichess", name, sync.before_now(hours=2), famous=NO_MOVES)

        await sync.run_succeeding(user=user)

        assert sync.urls(user) == [absent.url, resigned.url]
        stored = sync.game(absent, user)
        assert (stored["result"], stored["ending"]) == ("1-0", "noStart")
        assert [game["analysable"] for game in sync.games(user)] == [False, False]
    assert sync.db.analysis_queue.count_documents({}) == 0


async def test_case_03_an_ongoing_game_that_is_aborted_is_let_go(sync: SyncScenario) -> None:
    sync.add_user("ann", lichess="Ann")
    game = sync.add_game("lichess", "Ann", None, started_at=sync.before_now(minutes=5))
    await sync.run_succeeding()
    sync.finish(game, "aborted")

    await sync.run_cycles(2, hours=6)

    assert sync.games("ann") == sync.account("lichess:ann")["pending"] == []


async def test_case_04_an_opponent_need_not_have_an_account_nor_a_user_more_than_a_name(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", lichess="Ann", synced=sync.before_now(hours=6))
    ann = {"user": {"name": "aNN"}, "rating": 1500}
    sides: list[tuple[str, dict[str, Any]]] = [
        ("Stockfish level 5", {"white": {"aiLevel": 5}}),
        ("Anonymous", {"white": {}}),
        ("Anonymous", {}),
        ("Simul guest", {"white": {"name": "Simul guest"}}),
    ]
    games = [
        sync.add_game(
            *("lichess", "Ann", sync.before_now(hours=1)),
            fields={"players": {**side, "black": ann}, "clock": None},
            speed="correspondence",
        )
        for _, side in sides
    ]

    await sync.run_succeeding()

    for game, (name, _) in zip(games, sides, strict=True):
        stored = sync.game(game, "ann")
        assert (stored["opponent"], stored["opponent_rating"]) == (name, None)
        assert (stored["user_color"], stored["user_rating"]) == ("black", 1500)
        assert stored["time_control"] == "correspondence"
    assert len(sync.queued_game_ids("ann")) == 3, "the day's allowance"


FEN_960 = "nqbrknbr/pppppppp/8/8/8/8/PPPPPPPP/NQBRKNBR w KQkq - 0 1"
ENDGAME_FEN = "8/8/8/4k3/8/4K3/4P3/8 w - - 0 1"
VARIANTS: dict[SourceName, dict[str, str | None]] = {
    "lichess": {"chess960": FEN_960, "fromPosition": ENDGAME_FEN, "threeCheck": None, "new": None},
    "chess.com": {"chess960": FEN_960, "chess": ENDGAME_FEN, "bughouse": None, "new": None},
}


@pytest.mark.parametrize("site", PLATFORMS)
async def test_case_05_a_variant_keeps_its_name_and_its_position_and_is_not_queued(
    sync: SyncScenario, site: SourceName
) -> None:
    sync.add_user("ann", **account_on(site, "Ann"), synced=sync.before_now(hours=6))
    variants = list(VARIANTS[site].items())
    games = [
        sync.add_game(site, "Ann", sync.before_now(hours=1), variant=variant, initial_fen=fen)
        for variant, fen in variants
    ]
    if site == "chess.com":
        games[2].fields = {"pgn": None, "initial_setup": ""}

    await sync.run_succeeding()

    stored = [sync.game(game, "ann") for game in games]
    assert [(game["variant"], game["initial_fen"]) for game in stored] == variants
    assert {game["result"] for game in stored} == {ANALYSABLE_GAME.result}
    assert not any(game["analysable"] for game in stored)
    assert sync.queued_game_ids("ann") == []


# Cases 9 and 11: streams


async def test_case_09_a_stream_that_is_cut_loses_nothing_and_is_no_failure_of_the_account(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", lichess="Ann", synced=sync.before_now(days=5))
    urls = sync.add_history("lichess", "Ann", 250, minutes=1)[::-1]
    sync.sites.lichess.faults.extend([None, None, "cut"])

    record = await sync.run_succeeding()

    assert sync.urls("ann") == urls
    assert (record["done"], record["failed"]) == (1, 0)
    assert sync.account("lichess:ann")["failures"] == 0
    exports = [
        seen
        for seen in sync.sites.lichess.requests
        if seen.path == EXPORT and "since" in seen.query
    ]
    assert [seen.query["since"] for seen in exports] == sorted(
        seen.query["since"] for seen in exports
    )
    assert len(exports) == 2


async def test_case_09_the_cursor_stays_at_the_last_whole_game_of_a_stream(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", lichess="Ann", synced=sync.before_now(days=5))
    urls = sync.add_history("lichess", "Ann", 250, minutes=1)[::-1]
    sync.sites.lichess.faults.extend([None, None, "cut", "reset", "reset"])

    record = await sync.run()

    assert record["failed"] == 1
    kept = sync.urls("ann")
    assert kept == urls[: len(kept)]
    assert 100 <= len(kept) < 250
    last = next(game for game in sync.world.games.values() if game.url == kept[-1])
    assert sync.account("lichess:ann")["cursor"] == last.started_at
    await sync.run_later(hours=6)
    assert sync.urls("ann") == urls
    assert len(sync.queued_game_ids("ann")) == 0


async def test_case_09_a_stream_that_is_always_cut_at_the_same_game_is_not_asked_for_for_ever(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", lichess="Ann", synced=sync.before_now(days=5))
    sync.add_user("bob", lichess="Bob", synced=sync.before_now(days=5))
    urls = sync.add_history("lichess", "Ann", 150, minutes=1)[::-1]
    other = sync.add_game("lichess", "Bob", sync.before_now(hours=1))
    newest = sync.world.players["lichess"]["ann"].games[0]
    newest.fields = {"pgn": msgspec.Raw(b'"' + b"x" * 2**20 * 18)}

    record = await sync.run()

    assert sync.urls("bob") == [other.url]
    assert record["candidates"] == record["done"] + record["failed"] == 2
    assert sync.urls("ann") == urls[:-1]
    assert sync.requested_paths("lichess").count(EXPORT) <= 3


@pytest.mark.parametrize("where", ["before the response", "within it"])
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
    await asyncio.wait_for(closed.wait(), 30)
    await sync.run_later(hours=6)
    assert len(sync.games("ann")) == 1
    assert sync.sites.lichess.violations == []


async def test_case_11_a_refusal_of_a_second_stream_is_logged_as_concurrency(
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
