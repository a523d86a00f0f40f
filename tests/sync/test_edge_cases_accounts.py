"""Case 12 of the list: accounts that are closed or missing; and users who come and go."""

import asyncio

import msgspec
import pytest
from aiohttp import web

from chesscoach.demo.world import Site
from tests.support.sync_scenario import BOTH, NOT_FOUND, Club, Gate, on

# Lichess


async def test_case_12_a_closed_account_is_asked_about_no_more_and_its_user_told_once(
    club: Club,
) -> None:
    club.user("ann", lichess="Ann")
    game = club.play("lichess", "Ann", club.ago(hours=1))
    await club.sync()
    club.world.players["lichess"]["ann"].closed = True
    club.sites.forget()

    for _ in range(5):
        await club.later(hours=6)

    assert club.asked("lichess") == ["/api/users"], "no export, and not every six hours"
    assert club.account("lichess:ann")["standing"] == "closed"
    assert club.urls("ann") == [game.url]
    (note,) = club.db.notifications.find()
    assert (note["user_id"], note["type"], note["read"]) == ("ann", "account_closed", False)
    assert note["data"] == {"platform": "lichess", "username": "Ann"}
    assert note["created_at"].endswith("+00:00")


async def test_case_12_a_closed_account_that_opens_again_gets_its_games_and_may_close_again(
    club: Club,
) -> None:
    club.user("ann", lichess="Ann")
    player = club.world.players["lichess"]["ann"]
    before = club.play("lichess", "Ann", club.ago(hours=1))
    await club.sync()
    for _ in range(2):
        player.closed = True
        await club.later(days=8)
        await club.later(days=8)
        player.closed = False
        club.play("lichess", "Ann", club.clock.now)
        await club.later(days=8)

    assert club.urls("ann")[0] == before.url
    assert len(club.urls("ann")) == 3
    assert club.told("ann") == ["account_closed"] * 2
    assert club.account("lichess:ann")["standing"] == "active"


async def test_case_12_a_name_that_nobody_has_is_missing_after_three_runs_and_told_once(
    club: Club,
) -> None:
    club.db.users.insert_one({"user_id": "ann", "lichess_username": "Nobody_Here"})
    club.db.users.insert_one({"user_id": "bob", "lichess_username": " nobody_here"})
    standings, failed = [], []
    for _ in range(3):
        failed.append((await club.run())["failed"])
        standings.append(club.account("lichess:nobody_here")["standing"])
        club.clock.move(hours=6)

    assert standings == ["active", "active", "missing"]
    assert failed == [1, 1, 0], "what nobody can mend fails no run"
    assert club.told("ann") == club.told("bob") == ["account_missing"]
    for delta in (6, 200, 400):
        await club.later(hours=delta)
    assert club.told("ann") == club.told("bob") == ["account_missing"]


async def test_case_12_a_notification_that_was_read_and_deleted_does_not_come_again(
    club: Club,
) -> None:
    club.user("ann", lichess="Ann")
    club.world.players["lichess"]["ann"].closed = True
    await club.sync()
    club.db.notifications.delete_many({})

    await club.later(days=8)
    await club.later(days=8)

    assert club.told("ann") == []


async def test_case_12_a_name_that_was_unknown_for_a_moment_counts_from_the_start_again(
    club: Club,
) -> None:
    club.user("ann", lichess="Ann")
    await club.sync()
    players = club.world.players["lichess"]
    for known in (False, False, True, False, False, True):
        players.pop("ann", None)
        if known:
            club.world.add_player("lichess", "Ann", club.clock.now)
        club.clock.move(hours=6)
        await club.run()

    assert club.told("ann") == []
    assert (club.account("lichess:ann")["standing"], club.account("lichess:ann")["absent"]) == (
        "active",
        0,
    )


async def test_case_12_whoever_links_a_lapsed_account_later_is_told_as_well(club: Club) -> None:
    club.user("ann", lichess="Ann")
    club.world.players["lichess"]["ann"].closed = True
    await club.sync()
    club.user("bob", lichess="ANN")

    await club.later(hours=6)

    assert club.told("ann") == club.told("bob") == ["account_closed"]


async def test_case_12_an_export_that_is_not_found_says_nothing_of_the_account(club: Club) -> None:
    """The account was closed after the bulk request, or the site has a bad moment."""
    club.user("ann", lichess="Ann", synced=club.ago(hours=6))
    game = club.play("lichess", "Ann", club.ago(hours=1))

    async def not_found(request: web.Request) -> web.Response:
        return web.json_response({"error": "Not found"}, status=404)

    for _ in range(4):
        club.sites.lichess.faults.extend([None, not_found])
        await club.run(all=True)
        club.clock.move(hours=6)
    await club.sync(all=True)

    assert club.told("ann") == []
    assert club.urls("ann") == [game.url]


# Chess.com


async def test_a_closed_account_is_known_by_its_profile_told_once_and_taken_up_again(
    club: Club,
) -> None:
    club.user("ann", chesscom="Ann")
    player = club.world.players["chess.com"]["ann"]
    urls = [club.play("chess.com", "Ann", club.ago(hours=1)).url]
    await club.sync()
    for _ in range(2):
        player.closed = True
        await club.later(days=8)
        assert club.account("chess.com:ann")["standing"] == "closed"
        await club.later(days=8)
        player.closed = False
        urls.append(club.play("chess.com", "Ann", club.clock.now).url)
        await club.later(days=8)

    assert club.urls("ann") == urls
    assert club.told("ann") == ["account_closed"] * 2
    assert club.account("chess.com:ann")["standing"] == "active"


async def test_an_account_that_was_closed_for_cheating_is_closed(club: Club) -> None:
    club.user("ann", chesscom="Ann")
    profile = {"username": "ann", "status": "closed:fair_play_violations"}
    body = msgspec.json.encode(profile)

    async def banned(request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    club.sites.chesscom.faults.extend([NOT_FOUND, banned])

    await club.sync()

    assert club.told("ann") == ["account_closed"]


async def test_whoever_links_an_account_that_is_open_again_is_not_told_that_it_is_closed(
    club: Club,
) -> None:
    club.user("ann", chesscom="Ann")
    game = club.play("chess.com", "Ann", club.ago(days=1))
    player = club.world.players["chess.com"]["ann"]
    player.closed = True
    await club.sync()
    player.closed = False
    club.user("bob", chesscom="Ann")

    await club.later(hours=6)

    assert club.urls("ann") == club.urls("bob") == [game.url]
    assert (club.told("ann"), club.told("bob")) == (["account_closed"], [])


async def test_a_name_that_nobody_has_is_missing_after_three_runs_and_told_once(
    club: Club,
) -> None:
    club.db.users.insert_one({"user_id": "ann", "chesscom_username": "nobody"})
    standings = []
    for _ in range(3):
        await club.run()
        standings.append(club.account("chess.com:nobody")["standing"])
        club.clock.move(hours=6)

    assert standings == ["active", "active", "missing"]
    for hours in (6, 200, 400):
        await club.later(hours=hours)
    assert club.told("ann") == ["account_missing"]
    assert club.account("chess.com:nobody")["failures"] == 0


async def test_a_name_that_was_unknown_for_a_moment_counts_from_the_start_again(
    club: Club,
) -> None:
    club.user("ann", chesscom="Ann")
    await club.sync()
    player = club.world.players["chess.com"]["ann"]
    for known in (False, False, True, False, False, True):
        club.world.players["chess.com"] = {"ann": player} if known else {}
        club.clock.move(hours=6)
        await club.run()

    assert club.told("ann") == []
    assert club.account("chess.com:ann")["absent"] == 0


# Users


@pytest.mark.parametrize("site", BOTH)
async def test_an_account_of_two_users_is_asked_about_once_and_each_has_his_spelling(
    club: Club, site: Site
) -> None:
    club.user("ann", **on(site, "Ann_64"))
    club.user("coach", **on(site, "  aNN_64 "))
    game = club.play(site, "Ann_64", club.ago(hours=1))
    await club.sync()
    club.sites.forget()

    await club.later(hours=6)

    assert len(club.asked(site)) == 1
    assert club.game(game, "ann")["username"] == "Ann_64"
    assert club.game(game, "coach")["username"] == "aNN_64"
    assert club.db.sync_accounts.count_documents({}) == 1


async def test_a_user_whom_the_application_deletes_between_runs_is_forgotten_and_left_alone(
    club: Club,
) -> None:
    club.user("ann", lichess="Ann", chesscom="Ann")
    for site in BOTH:
        club.play(site, "Ann", club.ago(hours=1))
    await club.sync()
    for name in ("users", "games", "analysis_queue"):
        club.db[name].delete_many({"user_id": "ann"})
    for site in BOTH:
        club.play(site, "Ann", club.clock.now)
    club.world.players["lichess"]["ann"].closed = True
    club.sites.forget()

    await club.later(hours=6)

    assert club.asked("lichess") == club.asked("chess.com") == []
    for name in ("users", "games", "analysis_queue", "notifications"):
        assert club.db[name].count_documents({}) == 0


async def test_a_user_whom_the_application_deletes_in_mid_run_gets_nothing_more(
    club: Club,
) -> None:
    club.user("ann", chesscom="Ann", synced=club.ago(hours=6))
    club.user("bob", chesscom="Ann", synced=club.ago(hours=6))
    game = club.play("chess.com", "Ann", club.ago(hours=1))
    gate = Gate(club.sites.chesscom.month("ann", "2024-08")[0])
    club.sites.chesscom.faults.append(gate)
    running = asyncio.create_task(club.sync())
    await gate.reached.wait()
    club.db.users.delete_one({"user_id": "ann"})
    gate.open.set()

    await running

    assert club.urls("bob") == [game.url]
    assert club.urls("ann") == club.queued("ann") == []
    assert club.db.users.distinct("user_id") == ["bob"]


async def test_a_user_who_is_deleted_while_his_account_is_found_closed_is_told_nothing(
    club: Club,
) -> None:
    for user in ("ann", "bob"):
        club.user(user, lichess="Ann")
    gate = Gate(b'[{"id":"ann","username":"Ann","disabled":true}]')
    club.sites.lichess.faults.append(gate)
    running = asyncio.create_task(club.sync())
    await gate.reached.wait()
    club.db.users.delete_one({"user_id": "ann"})
    gate.open.set()

    await running

    assert (club.told("ann"), club.told("bob")) == ([], ["account_closed"])
