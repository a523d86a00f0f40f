"""Case 12 of the list: accounts that are closed or missing."""

from typing import Any

import pytest

from chesscoach.demo.world import SourceName
from tests.support.sync.sync_members import PLATFORMS
from tests.support.sync.sync_scenario import SyncScenario, account_on, error_handler


@pytest.mark.parametrize("site", PLATFORMS)
async def test_case_12_a_closed_account_is_notified_once_and_may_open_and_close_again(
    sync: SyncScenario, site: SourceName
) -> None:
    sync.add_user("ann", **account_on(site, "Ann"))
    player = sync.world.players[site]["ann"]
    urls = [sync.add_game(site, "Ann", sync.before_now(hours=1)).url]
    await sync.run_succeeding()
    for times in (1, 2):
        player.closed = True
        await sync.run_later(days=8)
        sync.sites.clear_requests()
        await sync.run_cycles(2, hours=6)
        assert sync.requested_paths(site) == [], "a closed account is checked once a week"
        assert sync.account(f"{site}:ann")["standing"] == "closed"
        assert sync.urls("ann") == urls
        assert sync.notification_types("ann") == ["account_closed"] * times
        player.closed = False
        urls.append(sync.add_game(site, "Ann", sync.clock.now).url)
        await sync.run_later(days=8)
        assert sync.urls("ann") == urls
        assert sync.account(f"{site}:ann")["standing"] == "active"

    note = sync.db.notifications.find_one({"type": "account_closed"})
    assert (note["user_id"], note["read"]) == ("ann", False)
    assert note["data"] == {"platform": site, "username": "Ann"}
    assert note["created_at"].endswith("+00:00")


@pytest.mark.parametrize("site", PLATFORMS)
async def test_case_12_a_name_that_no_player_has_is_missing_after_three_runs_and_notified_once(
    sync: SyncScenario, site: SourceName
) -> None:
    field = "lichess_username" if site == "lichess" else "chesscom_username"
    for user, name in (("ann", "Not_Here"), ("bob", " not_here")):
        sync.db.users.insert_one({"user_id": user, field: name})
    statuses, failed = [], []
    for _ in range(3):
        failed.append((await sync.run())["failed"])
        statuses.append(sync.account(f"{site}:not_here")["standing"])
        sync.clock.move(hours=6)
    assert statuses == ["active", "active", "missing"]
    assert failed == [1, 1, 0], "what no retry can mend fails no run"

    for hours in (6, 200, 400):
        await sync.run_later(hours=hours)

    assert sync.notification_types("ann") == sync.notification_types("bob") == ["account_missing"]
    assert sync.account(f"{site}:not_here")["failures"] == 0


async def test_case_12_a_notification_that_was_read_and_deleted_does_not_come_again(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", lichess="Ann")
    sync.world.players["lichess"]["ann"].closed = True
    await sync.run_succeeding()
    sync.db.notifications.delete_many({})

    await sync.run_cycles(2, days=8)

    assert sync.notification_types("ann") == []


@pytest.mark.parametrize("site", PLATFORMS)
async def test_case_12_a_name_that_was_unknown_for_a_moment_counts_from_the_start_again(
    sync: SyncScenario, site: SourceName
) -> None:
    sync.add_user("ann", **account_on(site, "Ann"))
    await sync.run_succeeding()
    player = sync.world.players[site]["ann"]
    for known in (False, False, True, False, False, True):
        sync.world.players[site] = {"ann": player} if known else {}
        sync.clock.move(hours=6)
        await sync.run()

    account = sync.account(f"{site}:ann")
    assert (account["standing"], account["absent"]) == ("active", 0)
    assert sync.notification_types("ann") == []


@pytest.mark.parametrize("opened", [False, True])
async def test_case_12_a_user_who_links_a_closed_account_is_notified_unless_it_is_open_again(
    sync: SyncScenario, opened: bool
) -> None:
    sync.add_user("ann", chesscom="Ann")
    game = sync.add_game("chess.com", "Ann", sync.before_now(days=1))
    player = sync.world.players["chess.com"]["ann"]
    player.closed = True
    await sync.run_succeeding()
    player.closed = not opened
    sync.add_user("bob", chesscom="ANN")

    await sync.run_later(hours=6)

    assert sync.notification_types("ann") == ["account_closed"]
    assert sync.notification_types("bob") == ([] if opened else ["account_closed"])
    assert sync.urls("ann") == sync.urls("bob") == ([game.url] if opened else [])


async def test_case_12_an_export_that_is_not_found_says_nothing_of_the_account(
    sync: SyncScenario,
) -> None:
    """The account was closed after the bulk request, or the site has a bad moment."""
    sync.add_user("ann", lichess="Ann", synced=sync.before_now(hours=6))
    game = sync.add_game("lichess", "Ann", sync.before_now(hours=1))
    for _ in range(4):
        sync.sites.lichess.faults.extend([None, error_handler("Not found")])
        await sync.run(all=True)
        sync.clock.move(hours=6)
    await sync.run_succeeding(all=True)

    assert sync.notification_types("ann") == []
    assert sync.urls("ann") == [game.url]


# A source that knows no player at all


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

    for _ in range(3):
        sync.clock.move(hours=6)
        record = await sync.run()
        assert (record["outcome"], record["failed"], record["done"]) == ("partial", 3, 0)
        error = f"{site} knows none of the 3 accounts that it was asked for"
        assert record["errors"] == [{"platform": site, "error": error}]

    assert sync.db.notifications.count_documents({}) == 0
    unharmed: dict[str, Any] = {"standing": "active", "absent": 0, "failures": {"$in": [0, None]}}
    assert sync.db.sync_accounts.count_documents(unharmed) == len(names)
    players.update(known)
    games = [sync.add_game(site, name, sync.clock.now) for name in names]
    await sync.run_later(hours=6)
    assert [sync.urls(name.lower()) for name in names] == [[game.url] for game in games]


@pytest.mark.parametrize("site", PLATFORMS)
async def test_accounts_are_missing_where_the_source_knows_another_before_or_after_them(
    sync: SyncScenario, site: SourceName
) -> None:
    missing = ("a_first", "c_third")
    for name in missing:
        field = "lichess_username" if site == "lichess" else "chesscom_username"
        sync.db.users.insert_one({"user_id": name, field: name})
    sync.add_user("bob", **account_on(site, "Bob"))
    for _ in range(3):
        record = await sync.run()
        sync.clock.move(hours=6)

    assert (record["done"], record["skipped"], record["failed"]) == (1, 2, 0)
    for name in missing:
        assert sync.notification_types(name) == ["account_missing"]
        assert sync.account(f"{site}:{name}")["standing"] == "missing"
    sync.db.users.delete_one({"user_id": "bob"})

    record = await sync.run_later(days=10)

    assert (record["skipped"], record["failed"]) == (2, 0), (
        "known to be missing: no sign of a fault"
    )
