"""Case 12 of the list: accounts that are closed or missing; and users who come and go."""

import asyncio

import msgspec
import pytest
from aiohttp import web

from chesscoach.demo.world import SourceName
from tests.support.sync.sync_scenario import (
    NOT_FOUND,
    PLATFORMS,
    HeldResponse,
    SyncScenario,
    account_on,
)

# Lichess


async def test_case_12_a_closed_account_is_asked_about_no_more_and_its_user_told_once(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", lichess="Ann")
    game = sync.add_game("lichess", "Ann", sync.before_now(hours=1))
    await sync.run_succeeding()
    sync.world.players["lichess"]["ann"].closed = True
    sync.sites.clear_requests()

    for _ in range(5):
        await sync.run_later(hours=6)

    assert sync.requested_paths("lichess") == ["/api/users"], "no export, and not every six hours"
    assert sync.account("lichess:ann")["standing"] == "closed"
    assert sync.urls("ann") == [game.url]
    (note,) = sync.db.notifications.find({"type": {"$ne": "game_analyzed"}})
    assert (note["user_id"], note["type"], note["read"]) == ("ann", "account_closed", False)
    assert note["data"] == {"platform": "lichess", "username": "Ann"}
    assert note["created_at"].endswith("+00:00")


async def test_case_12_a_closed_account_that_opens_again_gets_its_games_and_may_close_again(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", lichess="Ann")
    player = sync.world.players["lichess"]["ann"]
    before = sync.add_game("lichess", "Ann", sync.before_now(hours=1))
    await sync.run_succeeding()
    for _ in range(2):
        player.closed = True
        await sync.run_later(days=8)
        await sync.run_later(days=8)
        player.closed = False
        sync.add_game("lichess", "Ann", sync.clock.now)
        await sync.run_later(days=8)

    assert sync.urls("ann")[0] == before.url
    assert len(sync.urls("ann")) == 3
    assert sync.notification_types("ann") == ["account_closed"] * 2
    assert sync.account("lichess:ann")["standing"] == "active"


async def test_case_12_a_name_that_no_player_has_is_missing_after_three_runs_and_notified_once(
    sync: SyncScenario,
) -> None:
    sync.db.users.insert_one({"user_id": "ann", "lichess_username": "Nobody_Here"})
    sync.db.users.insert_one({"user_id": "bob", "lichess_username": " nobody_here"})
    standings, failed = [], []
    for _ in range(3):
        failed.append((await sync.run())["failed"])
        standings.append(sync.account("lichess:nobody_here")["standing"])
        sync.clock.move(hours=6)

    assert standings == ["active", "active", "missing"]
    assert failed == [1, 1, 0], "what nobody can mend fails no run"
    assert sync.notification_types("ann") == sync.notification_types("bob") == ["account_missing"]
    for delta in (6, 200, 400):
        await sync.run_later(hours=delta)
    assert sync.notification_types("ann") == sync.notification_types("bob") == ["account_missing"]


async def test_case_12_a_notification_that_was_read_and_deleted_does_not_come_again(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", lichess="Ann")
    sync.world.players["lichess"]["ann"].closed = True
    await sync.run_succeeding()
    sync.db.notifications.delete_many({})

    await sync.run_later(days=8)
    await sync.run_later(days=8)

    assert sync.notification_types("ann") == []


async def test_case_12_a_name_that_was_unknown_for_a_moment_counts_from_the_start_again(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", lichess="Ann")
    await sync.run_succeeding()
    players = sync.world.players["lichess"]
    for known in (False, False, True, False, False, True):
        players.pop("ann", None)
        if known:
            sync.world.add_player("lichess", "Ann", sync.clock.now)
        sync.clock.move(hours=6)
        await sync.run()

    assert sync.notification_types("ann") == []
    assert (sync.account("lichess:ann")["standing"], sync.account("lichess:ann")["absent"]) == (
        "active",
        0,
    )


async def test_case_12_a_user_who_links_a_lapsed_account_later_is_notified_as_well(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", lichess="Ann")
    sync.world.players["lichess"]["ann"].closed = True
    await sync.run_succeeding()
    sync.add_user("bob", lichess="ANN")

    await sync.run_later(hours=6)

    assert sync.notification_types("ann") == sync.notification_types("bob") == ["account_closed"]


async def test_case_12_an_export_that_is_not_found_says_nothing_of_the_account(
    sync: SyncScenario,
) -> None:
    """The account was closed after the bulk request, or the site has a bad moment."""
    sync.add_user("ann", lichess="Ann", synced=sync.before_now(hours=6))
    game = sync.add_game("lichess", "Ann", sync.before_now(hours=1))

    async def not_found(request: web.Request) -> web.Response:
        return web.json_response({"error": "Not found"}, status=404)

    for _ in range(4):
        sync.sites.lichess.faults.extend([None, not_found])
        await sync.run(all=True)
        sync.clock.move(hours=6)
    await sync.run_succeeding(all=True)

    assert sync.notification_types("ann") == []
    assert sync.urls("ann") == [game.url]


# Chess.com


async def test_a_closed_account_is_known_by_its_profile_told_once_and_taken_up_again(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", chesscom="Ann")
    player = sync.world.players["chess.com"]["ann"]
    urls = [sync.add_game("chess.com", "Ann", sync.before_now(hours=1)).url]
    await sync.run_succeeding()
    for _ in range(2):
        player.closed = True
        await sync.run_later(days=8)
        assert sync.account("chess.com:ann")["standing"] == "closed"
        await sync.run_later(days=8)
        player.closed = False
        urls.append(sync.add_game("chess.com", "Ann", sync.clock.now).url)
        await sync.run_later(days=8)

    assert sync.urls("ann") == urls
    assert sync.notification_types("ann") == ["account_closed"] * 2
    assert sync.account("chess.com:ann")["standing"] == "active"


async def test_an_account_that_was_closed_for_cheating_is_closed(sync: SyncScenario) -> None:
    sync.add_user("ann", chesscom="Ann")
    profile = {"username": "ann", "status": "closed:fair_play_violations"}
    body = msgspec.json.encode(profile)

    async def banned(request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    sync.sites.chesscom.faults.extend([NOT_FOUND, banned])

    await sync.run_succeeding()

    assert sync.notification_types("ann") == ["account_closed"]


async def test_a_user_who_links_an_account_that_is_open_again_is_not_notified(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", chesscom="Ann")
    game = sync.add_game("chess.com", "Ann", sync.before_now(days=1))
    player = sync.world.players["chess.com"]["ann"]
    player.closed = True
    await sync.run_succeeding()
    player.closed = False
    sync.add_user("bob", chesscom="Ann")

    await sync.run_later(hours=6)

    assert sync.urls("ann") == sync.urls("bob") == [game.url]
    assert (sync.notification_types("ann"), sync.notification_types("bob")) == (
        ["account_closed"],
        [],
    )


async def test_a_name_that_no_player_has_is_missing_after_three_runs_and_notified_once(
    sync: SyncScenario,
) -> None:
    sync.db.users.insert_one({"user_id": "ann", "chesscom_username": "nobody"})
    standings = []
    for _ in range(3):
        await sync.run()
        standings.append(sync.account("chess.com:nobody")["standing"])
        sync.clock.move(hours=6)

    assert standings == ["active", "active", "missing"]
    for hours in (6, 200, 400):
        await sync.run_later(hours=hours)
    assert sync.notification_types("ann") == ["account_missing"]
    assert sync.account("chess.com:nobody")["failures"] == 0


async def test_a_name_that_was_unknown_for_a_moment_counts_from_the_start_again(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", chesscom="Ann")
    await sync.run_succeeding()
    player = sync.world.players["chess.com"]["ann"]
    for known in (False, False, True, False, False, True):
        sync.world.players["chess.com"] = {"ann": player} if known else {}
        sync.clock.move(hours=6)
        await sync.run()

    assert sync.notification_types("ann") == []
    assert sync.account("chess.com:ann")["absent"] == 0


# Users


@pytest.mark.parametrize("site", PLATFORMS)
async def test_an_account_of_two_users_is_asked_about_once_and_each_has_his_spelling(
    sync: SyncScenario, site: SourceName
) -> None:
    sync.add_user("ann", **account_on(site, "Ann_64"))
    sync.add_user("coach", **account_on(site, "  aNN_64 "))
    game = sync.add_game(site, "Ann_64", sync.before_now(hours=1))
    await sync.run_succeeding()
    sync.sites.clear_requests()

    await sync.run_later(hours=6)

    assert len(sync.requested_paths(site)) == 1
    assert sync.game(game, "ann")["username"] == "Ann_64"
    assert sync.game(game, "coach")["username"] == "aNN_64"
    assert sync.db.sync_accounts.count_documents({}) == 1


async def test_a_user_whom_the_application_deletes_between_runs_is_forgotten_and_left_alone(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", lichess="Ann", chesscom="Ann")
    for site in PLATFORMS:
        sync.add_game(site, "Ann", sync.before_now(hours=1))
    await sync.run_succeeding()
    for name in ("users", "games", "analysis_queue", "notifications"):
        sync.db[name].delete_many({"user_id": "ann"})
    for site in PLATFORMS:
        sync.add_game(site, "Ann", sync.clock.now)
    sync.world.players["lichess"]["ann"].closed = True
    sync.sites.clear_requests()

    await sync.run_later(hours=6)

    assert sync.requested_paths("lichess") == sync.requested_paths("chess.com") == []
    for name in ("users", "games", "analysis_queue", "notifications"):
        assert sync.db[name].count_documents({}) == 0


async def test_a_user_whom_the_application_deletes_in_mid_run_gets_nothing_more(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", chesscom="Ann", synced=sync.before_now(hours=6))
    sync.add_user("bob", chesscom="Ann", synced=sync.before_now(hours=6))
    game = sync.add_game("chess.com", "Ann", sync.before_now(hours=1))
    gate = HeldResponse(sync.sites.chesscom.month("ann", "2024-08")[0])
    sync.sites.chesscom.faults.append(gate)
    running = asyncio.create_task(sync.run_succeeding())
    await gate.reached.wait()
    sync.db.users.delete_one({"user_id": "ann"})
    gate.open.set()

    await running

    assert sync.urls("bob") == [game.url]
    assert sync.urls("ann") == sync.queued_game_ids("ann") == []
    assert sync.db.users.distinct("user_id") == ["bob"]


async def test_a_user_who_is_deleted_while_his_account_is_found_closed_is_told_nothing(
    sync: SyncScenario,
) -> None:
    for user in ("ann", "bob"):
        sync.add_user(user, lichess="Ann")
    gate = HeldResponse(b'[{"id":"ann","username":"Ann","disabled":true}]')
    sync.sites.lichess.faults.append(gate)
    running = asyncio.create_task(sync.run_succeeding())
    await gate.reached.wait()
    sync.db.users.delete_one({"user_id": "ann"})
    gate.open.set()

    await running

    assert (sync.notification_types("ann"), sync.notification_types("bob")) == (
        [],
        ["account_closed"],
    )


# A source that knows nobody


@pytest.mark.parametrize("site", PLATFORMS)
async def test_a_source_that_knows_no_account_at_all_has_a_fault_and_no_account_is_missing(
    sync: SyncScenario, site: SourceName
) -> None:
    names = ("Ann", "Bob", "Cid")
    for name in names:
        sync.add_user(name.lower(), **account_on(site, name))
    await sync.run_succeeding()
    players = sync.world.players[site]
    known = dict(players)
    players.clear()

    for _ in range(5):
        sync.clock.move(hours=6)
        record = await sync.run()
        assert (record["outcome"], record["failed"], record["done"]) == ("partial", 3, 0)
        (error,) = record["errors"]
        assert error == {
            "platform": site,
            "error": f"{site} knows none of the 3 accounts that it was asked for",
        }

    assert sync.db.notifications.count_documents({}) == 0
    for name in names:
        account = sync.account(f"{site}:{name.lower()}")
        assert (account["standing"], account["absent"]) == ("active", 0)
        assert account.get("failures", 0) == 0
    players.update(known)
    games = [sync.add_game(site, name, sync.clock.now) for name in names]
    await sync.run_later(hours=6)
    assert [sync.urls(name.lower()) for name in names] == [[game.url] for game in games]


@pytest.mark.parametrize("site", PLATFORMS)
async def test_accounts_are_missing_where_the_source_knows_another_before_or_after_them(
    sync: SyncScenario, site: SourceName
) -> None:
    for name in ("a_first", "c_third"):
        names = {"lichess_username" if site == "lichess" else "chesscom_username": name}
        sync.db.users.insert_one({"user_id": name, **names})
    sync.add_user("bob", **account_on(site, "Bob"))
    for _ in range(3):
        record = await sync.run()
        sync.clock.move(hours=6)

    assert (record["done"], record["skipped"], record["failed"]) == (1, 2, 0)
    assert sync.notification_types("a_first") == ["account_missing"]
    assert sync.notification_types("c_third") == ["account_missing"]
    for key in ("a_first", "c_third"):
        assert sync.account(f"{site}:{key}")["standing"] == "missing"


async def test_accounts_that_are_missing_already_are_no_sign_of_a_fault(
    sync: SyncScenario,
) -> None:
    for name in ("gone_one", "gone_two"):
        sync.db.users.insert_one({"user_id": name, "lichess_username": name})
    sync.add_user("bob", lichess="Bob")
    for _ in range(3):
        await sync.run()
        sync.clock.move(hours=6)
    sync.db.users.delete_one({"user_id": "bob"})

    record = await sync.run_later(days=10)

    assert (record["skipped"], record["failed"]) == (2, 0)
