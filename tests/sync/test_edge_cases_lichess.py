"""The cases of Lichess that a sync must handle: 1 to 5, 9 and 11 of the list.

Case 25 of that list is about the weekly email, which there is not yet.
"""

import asyncio
import json
from typing import Any

import msgspec
import pytest
from aiohttp import web
from pymongo import UpdateOne

from chesscoach.demo.world import Played
from chesscoach.jobs import sync_games
from chesscoach.sync.lichess_fetcher import FromLichess
from chesscoach.sync.linking import link_accounts
from chesscoach.worker.job import Run, Stop
from chesscoach.worker.runner import runner
from tests.support.sync_scenario import EXPORT, IDS, NO_MOVES, SHORT, Club

SLOW = {"speed": "correspondence"}


def finish(game: Played, club: Club) -> None:
    """Ends a game now, while nobody is looking: no player is seen for it."""
    game.ended_at, game.status = club.clock.now, "resign"


# Case 1: games that began before the cursor and end after it


async def test_case_01_a_correspondence_game_that_began_before_the_cursor_and_ended_after_it(
    club: Club,
) -> None:
    club.user("ann", lichess="Ann")
    slow = club.play("lichess", "Ann", None, started_at=club.ago(days=5), **SLOW)
    await club.sync()
    club.clock.move(hours=1)
    live = club.play("lichess", "Ann", club.clock.now)
    await club.sync()  # the cursor is at the start of that one
    club.clock.move(hours=1)
    finish(slow, club)

    for _ in range(3):
        await club.later(hours=6)

    assert club.urls("ann") == [live.url, slow.url]
    assert club.queued("ann") == sorted(row["game_id"] for row in club.games("ann"))
    assert club.account("lichess:ann")["pending"] == []


async def test_case_01_one_that_began_before_a_take_over_and_ended_after_the_first_run(
    club: Club,
) -> None:
    club.user("ann", lichess="Ann", synced=club.ago(hours=6))
    slow = club.play("lichess", "Ann", None, started_at=club.ago(days=25), **SLOW)
    await club.sync()
    finish(slow, club)

    for _ in range(3):
        await club.later(hours=6)

    assert club.urls("ann") == [slow.url]
    assert len(club.queued("ann")) == 1


async def test_case_01_one_that_ended_between_the_applications_last_sync_and_our_first(
    club: Club,
) -> None:
    """It is found when the player has news after that: nothing tells of it before."""
    club.user("ann", lichess="Ann", synced=club.ago(hours=6))
    slow = club.play(
        "lichess", "Ann", club.ago(hours=3), started_at=club.ago(days=12), rated=False, **SLOW
    )
    before = club.play("lichess", "Ann", club.ago(days=1), started_at=club.ago(days=12), **SLOW)
    await club.sync()
    club.clock.move(hours=3)
    live = club.play("lichess", "Ann", club.clock.now)

    for _ in range(3):
        await club.later(hours=3)

    assert club.urls("ann") == [slow.url, live.url]
    assert before.url not in club.urls("ann"), "the application had its chance at that"


async def test_case_01_one_of_half_a_year_that_was_being_played_at_the_take_over(
    club: Club,
) -> None:
    club.user("ann", lichess="Ann", synced=club.ago(hours=6))
    slow = club.play("lichess", "Ann", None, started_at=club.ago(days=180), rated=False, **SLOW)
    await club.sync()
    club.play("lichess", "Ann", club.clock.now)
    await club.later(hours=6)
    club.clock.move(hours=1)
    finish(slow, club)
    club.sites.forget()
    await club.later(hours=6)

    assert slow.url in club.urls("ann")
    assert club.asked("lichess") == [IDS, "/api/users"], "nobody was seen, and nothing is counted"


async def test_case_01_a_game_older_than_a_first_sync_is_followed_from_then_on(club: Club) -> None:
    club.user("ann", lichess="Ann")
    slow = club.play("lichess", "Ann", None, started_at=club.ago(days=200), rated=False, **SLOW)
    await club.sync()
    assert club.urls("ann") == []
    finish(slow, club)

    await club.later(hours=6)

    assert club.urls("ann") == [slow.url]


async def test_case_01_no_step_of_a_first_sync_follows_games_for_nobody(club: Club) -> None:
    """A kill after such a step, and a game that ends then is taken off and stored for no user."""
    club.user("ann", lichess="Ann")
    club.play("lichess", "Ann", club.ago(days=1))
    club.play("lichess", "Ann", None, started_at=club.ago(days=180), **SLOW)
    run = Run("t", slot=None, by_hand=True, dry_run=False, stop=Stop())
    await link_accounts(club.ctx, run, None, club.clock.now)
    (account,) = await club.ctx.store.accounts.of_users(["lichess:ann"], [])
    fetcher = FromLichess(club.ctx, run)

    async with club.ctx.lichess.site.lane.hold({}):
        await fetcher.prepare([account])
        steps = [delivery.account async for delivery in fetcher.check(account)]

    assert any(step.pending for step in steps)
    assert all(step.joined for step in steps if step.pending)


async def test_case_01_pending_games_of_many_cost_one_request_for_every_three_hundred(
    club: Club,
) -> None:
    names = [f"Player{number}" for number in range(310)]
    for name in names:
        club.user(name.lower(), lichess=name, synced=club.ago(hours=1))
    await club.sync()
    slow = {}
    for name in names:
        slow[name] = club.play("lichess", name, None, started_at=club.ago(days=2), **SLOW)
        club.world.players["lichess"][name.lower()].seen_at = club.ago(days=30)
    club.db.sync_accounts.bulk_write(
        [
            UpdateOne(
                {"_id": f"lichess:{name.lower()}"},
                {"$set": {"pending": [{"external_id": game.id, "started_at": game.started_at}]}},
            )
            for name, game in slow.items()
        ]
    )
    ended = list(slow.values())[::7]
    for game in ended:
        game.rated = False
        finish(game, club)
    club.sites.forget()

    await club.later(hours=6)

    assert club.asked("lichess") == [IDS] * 2 + ["/api/users"] * 2
    assert club.db.games.count_documents({}) == len(ended)
    assert club.sites.lichess.violations == []


async def test_case_01_a_pending_game_that_vanishes_is_asked_for_twice_and_let_go(
    club: Club,
) -> None:
    club.user("ann", lichess="Ann")
    slow = club.play("lichess", "Ann", None, started_at=club.ago(days=1), **SLOW)
    await club.sync()
    del club.world.games[f"lichess:{slow.id}"]
    club.world.players["lichess"]["ann"].games.clear()
    club.sites.forget()

    for _ in range(4):
        await club.later(hours=6)

    assert club.asked("lichess").count(IDS) == 2
    assert club.account("lichess:ann")["pending"] == []
    assert club.games("ann") == []


async def test_case_01_a_pending_game_that_was_absent_once_is_still_followed(club: Club) -> None:
    club.user("ann", lichess="Ann")
    slow = club.play("lichess", "Ann", None, started_at=club.ago(days=1), **SLOW)
    await club.sync()
    for _ in range(3):
        del club.world.games[f"lichess:{slow.id}"]
        await club.later(hours=1)
        club.world.games[f"lichess:{slow.id}"] = slow
        await club.later(hours=1)
    finish(slow, club)

    await club.later(hours=1)

    assert club.urls("ann") == [slow.url]


# Cases 2 to 5: what is stored, and as what


async def test_case_02_an_ongoing_game_is_pending_and_neither_stored_nor_queued(
    club: Club,
) -> None:
    kinds = [(speed, rated) for speed in ("blitz", "correspondence") for rated in (True, False)]
    games = {}
    for number, (speed, rated) in enumerate(kinds):
        for name, synced in ((f"Old{number}", club.ago(hours=6)), (f"New{number}", None)):
            club.user(name.lower(), lichess=name, synced=synced)
            games[name.lower()] = club.play(
                "lichess", name, None, started_at=club.ago(minutes=9), speed=speed, rated=rated
            )

    await club.sync()
    await club.later(hours=1)

    assert club.db.games.count_documents({}) == club.db.analysis_queue.count_documents({}) == 0
    for name, game in games.items():
        (pending,) = club.account(f"lichess:{name}")["pending"]
        assert pending["external_id"] == game.id
        finish(game, club)
    await club.later(hours=1)
    await club.later(hours=1)
    for name, game in games.items():
        assert club.queued(name) == [club.game(game, name)["game_id"]]


async def test_case_03_aborted_games_are_left_out_and_those_without_moves_are_not_analysed(
    club: Club,
) -> None:
    club.user("ann", lichess="Ann", synced=club.ago(hours=6))
    club.user("new", lichess="New")
    for user, name in (("ann", "Ann"), ("new", "New")):
        club.play("lichess", name, club.ago(hours=4), status="aborted")
        absent = club.play("lichess", name, club.ago(hours=3), status="noStart", famous=NO_MOVES)
        resigned = club.play("lichess", name, club.ago(hours=2), famous=NO_MOVES)

        await club.sync(user=user)

        assert club.urls(user) == [absent.url, resigned.url]
        row = club.game(absent, user)
        assert (row["result"], row["ending"]) == ("1-0", "noStart")
        assert [row["analysable"] for row in club.games(user)] == [False, False]
    assert club.db.analysis_queue.count_documents({}) == 0


async def test_case_03_an_ongoing_game_that_is_aborted_is_let_go(club: Club) -> None:
    club.user("ann", lichess="Ann")
    game = club.play("lichess", "Ann", None, started_at=club.ago(minutes=5))
    await club.sync()
    finish(game, club)
    game.status = "aborted"

    for _ in range(2):
        await club.later(hours=6)

    assert club.games("ann") == club.account("lichess:ann")["pending"] == []


async def test_case_04_an_opponent_need_not_have_an_account(club: Club) -> None:
    club.user("ann", lichess="Ann", synced=club.ago(hours=6))
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
        club.play("lichess", "Ann", club.ago(hours=1), fields={"players": {**side, "black": ann}})
        for _, side in sides
    ]

    await club.sync()

    for game, (name, _) in zip(games, sides, strict=True):
        row = club.game(game, "ann")
        assert (row["opponent"], row["opponent_rating"]) == (name, None)
        assert (row["user_color"], row["user_rating"]) == ("black", 1500)


async def test_case_04_a_user_of_whom_only_the_name_is_told_is_known_by_it(club: Club) -> None:
    club.user("ann", lichess="Ann", synced=club.ago(hours=6))
    games = [
        club.play("lichess", "Ann", club.ago(hours=1), fields={"players": {"black": side}})
        for side in ({"name": "Ann"}, {"user": {"name": "aNN"}}, {"user": {"id": "Ann"}})
    ]

    await club.sync()

    assert [club.game(game, "ann")["user_color"] for game in games] == ["black"] * 3


async def test_case_04_a_game_without_a_clock_against_nobody_is_stored(club: Club) -> None:
    club.user("ann", lichess="Ann", synced=club.ago(hours=6))
    ended = club.ago(hours=1)
    games = {
        name: club.play("lichess", "Ann", ended, opponent=opponent, **SLOW)
        for name, opponent in (("Anonymous", ""), ("Stockfish level 8", "Stockfish level 8"))
    }

    await club.sync()

    rows = {name: club.game(game, "ann") for name, game in games.items()}
    assert {name: row["opponent"] for name, row in rows.items()} == {name: name for name in games}
    assert all(row["time_control"] == "correspondence" for row in rows.values())
    assert club.queued("ann") == sorted(row["game_id"] for row in rows.values())


async def test_case_05_a_variant_keeps_its_name_and_its_position_and_is_not_queued(
    club: Club,
) -> None:
    club.user("ann", lichess="Ann", synced=club.ago(hours=6))
    variants = [
        ("chess960", "nqbrknbr/pppppppp/8/8/8/8/PPPPPPPP/NQBRKNBR w KQkq - 0 1"),
        ("fromPosition", "8/8/8/4k3/8/4K3/4P3/8 w - - 0 1"),
        ("crazyhouse", None),
        ("threeCheck", None),
        ("somethingNew", None),
    ]
    games = [
        club.play("lichess", "Ann", club.ago(hours=1), variant=variant, initial_fen=fen)
        for variant, fen in variants
    ]

    await club.sync()

    rows = [club.game(game, "ann") for game in games]
    assert [(row["variant"], row["initial_fen"]) for row in rows] == variants
    assert not any(row["analysable"] for row in rows)
    assert club.queued("ann") == []


# Cases 9 and 11: streams


async def test_case_09_a_stream_that_is_cut_loses_nothing_and_is_no_failure_of_the_account(
    club: Club,
) -> None:
    club.user("ann", lichess="Ann", synced=club.ago(days=5))
    games = [
        club.play("lichess", "Ann", club.ago(minutes=300 - n), famous=SHORT) for n in range(250)
    ]
    club.sites.lichess.faults.extend([None, "cut"])

    record = await club.sync()

    assert club.urls("ann") == [game.url for game in games]
    assert (record["done"], record["failed"]) == (1, 0)
    assert club.account("lichess:ann")["failures"] == 0
    exports = [seen for seen in club.sites.lichess.seen if seen.path == EXPORT]
    assert [seen.query["since"] for seen in exports] == sorted(
        seen.query["since"] for seen in exports
    )
    assert len(exports) == 2


async def test_case_09_the_cursor_stays_at_the_last_whole_game_of_a_stream(club: Club) -> None:
    club.user("ann", lichess="Ann", synced=club.ago(days=5))
    games = [
        club.play("lichess", "Ann", club.ago(minutes=300 - n), famous=SHORT) for n in range(250)
    ]
    club.sites.lichess.faults.extend([None, "cut", None, "reset", "reset"])

    record = await club.run()

    assert record["failed"] == 1
    kept = club.urls("ann")
    assert kept == [game.url for game in games[: len(kept)]]
    assert 100 <= len(kept) < 250
    assert club.account("lichess:ann")["cursor"] == games[len(kept) - 1].started_at
    await club.later(hours=6)
    assert club.urls("ann") == [game.url for game in games]
    assert len(club.queued("ann")) == 0


async def test_case_09_a_stream_that_is_always_cut_at_the_same_game_is_not_asked_for_for_ever(
    club: Club,
) -> None:
    club.user("ann", lichess="Ann", synced=club.ago(days=5))
    club.user("bob", lichess="Bob", synced=club.ago(days=5))
    games = [
        club.play("lichess", "Ann", club.ago(minutes=300 - n), famous=SHORT) for n in range(150)
    ]
    his = club.play("lichess", "Bob", club.ago(hours=1))
    games[-1].fields = {"pgn": msgspec.Raw(b'"' + b"x" * 2**20 * 18)}

    record = await club.run()

    assert club.urls("bob") == [his.url]
    assert record["candidates"] == record["done"] + record["failed"] == 2
    assert club.urls("ann") == [game.url for game in games[:-1]]
    assert club.asked("lichess").count(EXPORT) <= 3


@pytest.mark.parametrize("where", ["before the reply", "within it"])
async def test_case_11_a_run_that_is_broken_off_leaves_no_stream_open(
    club: Club, where: str
) -> None:
    club.user("ann", lichess="Ann", synced=club.ago(days=5))
    club.play("lichess", "Ann", club.ago(hours=1))
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

    club.sites.lichess.faults.extend([None, stall])
    stop = Stop()
    running = asyncio.create_task(runner.by_hand(club.ctx, sync_games.JOB, sync_games.Args(), stop))
    await reached.wait()
    stop.ask(15)

    ending = await running

    assert ending.record["outcome"] == "cancelled"
    await asyncio.wait_for(closed.wait(), 5)
    await club.later(hours=6)
    assert len(club.games("ann")) == 1
    assert club.sites.lichess.violations == []


async def test_case_11_a_refusal_of_a_second_stream_is_told_as_concurrency(
    club: Club, capsys: pytest.CaptureFixture[str]
) -> None:
    club.user("ann", lichess="Ann", synced=club.ago(days=5))

    async def slow_down(request: web.Request) -> web.Response:
        return web.Response(status=429, text="<html>Too many requests</html>")

    club.sites.lichess.faults.extend(["429", slow_down])

    await club.sync()

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    paused = [line["reason"] for line in lines if line["event"] == "site_paused"]
    assert paused == ["concurrency", "rate"]
