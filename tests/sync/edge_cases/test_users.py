"""Users who share an account, and users whom the application deletes."""

import asyncio

import pytest

from chesscoach.demo.world import SourceName
from tests.support.sync.sync_members import PLATFORMS
from tests.support.sync.sync_scenario import HeldResponse, SyncScenario, account_on


@pytest.mark.parametrize("site", PLATFORMS)
async def test_an_account_of_two_users_is_asked_about_once_and_each_has_their_spelling(
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


@pytest.mark.parametrize("closed", [False, True])
async def test_a_user_whom_the_application_deletes_in_mid_run_gets_nothing_more(
    sync: SyncScenario, closed: bool
) -> None:
    """While a month is on its way, or the account is about to be found closed."""
    for user in ("ann", "bob"):
        name = {"lichess": "Ann"} if closed else {"chesscom": "Ann"}
        sync.add_user(user, **name, synced=sync.before_now(hours=6))
    game = sync.add_game("lichess" if closed else "chess.com", "Ann", sync.before_now(hours=1))
    if closed:
        gate = HeldResponse(b'[{"id":"ann","username":"Ann","disabled":true}]')
        sync.sites.lichess.faults.append(gate)
    else:
        gate = HeldResponse(sync.sites.chesscom.month("ann", "2024-08")[0])
        sync.sites.chesscom.faults.append(gate)
    running = asyncio.create_task(sync.run_succeeding())
    await gate.reached.wait()
    sync.db.users.delete_one({"user_id": "ann"})
    gate.open.set()

    await running

    assert sync.urls("bob") == ([] if closed else [game.url])
    assert sync.notification_types("bob") == (["account_closed"] if closed else [])
    assert sync.urls("ann") == sync.queued_game_ids("ann") == sync.notification_types("ann") == []
    assert sync.db.users.distinct("user_id") == ["bob"]
