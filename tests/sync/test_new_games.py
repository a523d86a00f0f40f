from typing import Any

from bson import ObjectId
from msgspec.structs import replace

from chesscoach.config import Settings
from chesscoach.context import open_context
from chesscoach.sync.new_games import count_by_user, notify_of_new_games
from tests.conftest import Clock, FakeSites
from tests.support.sync.sync_members import PLATFORMS
from tests.support.sync.sync_scenario import NOW, SyncScenario
from tests.support.user_games import make_user_game


async def test_a_run_that_brings_games_notifies_each_player_once(sync: SyncScenario) -> None:
    sync.add_user("ann", lichess="Ann", chesscom="Ann")
    sync.add_user("bob", lichess="Bob")
    for site, games in zip(PLATFORMS, (1, 2), strict=True):
        for hours in range(games):
            sync.add_game(site, "Ann", sync.before_now(hours=10 - hours))

    await sync.run_succeeding()

    (note,) = sync.db.notifications.find()
    assert isinstance(note["_id"], ObjectId)
    assert note["notification_id"] == str(note["_id"])
    assert (note["user_id"], note["type"]) == ("ann", "game_analyzed")
    assert note["title"] == "♟️ New Game Analyzed"
    assert note["message"] == "3 new games from Lichess and Chess.com."
    assert (note["read"], note["dismissed"], note["priority"]) == (False, False, "medium")
    assert note["created_at"].endswith("+00:00")
    data = note["data"]
    assert (data["count"], data["platform"]) == (3, "Lichess and Chess.com")
    assert data["is_first_sync"] is True
    game = sync.db.games.find_one({"game_id": data["game_id"]})
    assert note["action_url"] == f"/game/{game['game_id']}"


async def test_a_run_without_games_sends_no_notification_and_a_later_one_does(
    sync: SyncScenario,
) -> None:
    await sync.sync_ann("chess.com", sync.before_now(hours=1))
    sync.db.notifications.update_one({}, {"$set": {"read": True, "dismissed": True}})

    await sync.run_later(hours=6)
    assert sync.db.notifications.count_documents({}) == 1
    sync.add_game("chess.com", "Ann", sync.clock.now)
    await sync.run_later(hours=6)

    first, second = sync.db.notifications.find().sort("created_at", 1)
    assert (first["read"], first["dismissed"]) == (True, True)
    assert second["message"] == "1 new game from Chess.com."
    assert second["data"]["is_first_sync"] is False


async def test_known_games_cause_no_notification(sync: SyncScenario) -> None:
    sync.add_user("ann", lichess="Ann", synced=sync.before_now(hours=6))
    known = sync.add_game("lichess", "Ann", sync.before_now(hours=1))
    sync.db.games.insert_one({"game_id": "theirs", "user_id": "ann", "url": known.url})

    await sync.run_succeeding()

    assert sync.db.notifications.count_documents({}) == 0


async def test_the_same_run_again_raises_a_count_and_adds_no_notification(
    sync: SyncScenario,
) -> None:
    """As the second attempt of a slot whose first was killed."""
    games = [make_user_game(number) for number in range(3)]
    for some in (games[:2], games[:1], games):
        await notify_of_new_games(
            sync.ctx.sync, "sync_games:slot", "lichess", count_by_user(some, first_sync=False)
        )
    chesscom = count_by_user([make_user_game(9)], first_sync=False)
    await notify_of_new_games(sync.ctx.sync, "sync_games:slot", "chess.com", chesscom)

    (note,) = sync.db.notifications.find()
    assert note["message"] == "4 new games from Lichess and Chess.com."


async def test_a_setting_keeps_the_notifications_away(
    long_lease_settings: Settings, db: Any, sites: FakeSites
) -> None:
    config = long_lease_settings.config
    quiet = replace(config, sync=replace(config.sync, notify_new_games=False))
    async with open_context(replace(long_lease_settings, config=quiet), Clock(NOW)) as ctx:
        sync = SyncScenario(ctx, db, sites, Clock(NOW))
        sync.add_user("ann", lichess="Ann")
        sync.add_game("lichess", "Ann", sync.before_now(hours=1))
        await sync.run_succeeding()

    assert len(sync.urls("ann")) == 1
    assert db.notifications.count_documents({}) == 0
