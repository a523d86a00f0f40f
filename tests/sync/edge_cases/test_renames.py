"""Case 18 of the list: a player's new name on Chess.com, and what only looks like one."""

from datetime import UTC, datetime, timedelta

import pytest

from chesscoach.worker.shard import Shard
from tests.support.sync.sync_members import SHORT_GAME
from tests.support.sync.sync_scenario import (
    AUGUST,
    MONTH_START,
    HeldResponse,
    SyncScenario,
    redirect_handler,
)


@pytest.mark.parametrize("months_move", [True, False])
async def test_case_18_a_renamed_player_is_followed_with_all_users(
    sync: SyncScenario, months_move: bool
) -> None:
    sync.add_user("ann", chesscom="Ann")
    sync.add_user("coach", chesscom="ANN")
    sync.db.users.update_one({"user_id": "coach"}, {"$set": {"chess_com_username": " ann "}})
    for days in (1, 20):
        sync.add_game("chess.com", "Ann", sync.before_now(days=days))
    await sync.run_succeeding()
    before = {user: sync.games(user) for user in ("ann", "coach")}
    sync.sites.chesscom.months_move = months_move
    sync.world.rename("Ann", "Annette")
    sync.clock.move(hours=5)
    later = sync.add_game("chess.com", "Annette", sync.clock.now)

    record = await sync.run_later(hours=1)
    await sync.run_later(hours=6)

    assert (record["candidates"], record["done"]) == (1, 1)
    for user in ("ann", "coach"):
        assert sync.games(user)[:-1] == before[user]
        assert sync.games(user)[-1]["url"] == later.url
        assert sync.games(user)[-1]["username"] == "annette"
    names = {user["user_id"]: user for user in sync.db.users.find()}
    assert names["ann"]["chesscom_username"] == "annette"
    assert names["coach"]["chesscom_username"] == names["coach"]["chess_com_username"] == "annette"
    (account,) = sync.db.sync_accounts.find({"platform": "chess.com"})
    assert account["_id"] == "chess.com:annette"
    assert sync.notification_types("ann") == []
    assert sync.sites.chesscom.violations == []


async def test_case_18_a_taken_over_user_whose_first_check_finds_a_rename_goes_on_from_there(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", chesscom="Ann", synced=sync.before_now(hours=6))
    sync.add_game("chess.com", "Ann", sync.before_now(days=150))
    recent = sync.add_game("chess.com", "Ann", sync.before_now(days=60))
    later = sync.add_game("chess.com", "Ann", sync.before_now(hours=1))
    sync.world.rename("Ann", "Annette")

    await sync.run_succeeding()

    assert sync.urls("ann") == [recent.url, later.url]


async def test_case_18_games_that_a_first_sync_left_out_stay_out_after_a_rename(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", chesscom="Ann")
    sync.add_history("chess.com", "Ann", 510, minutes=10)
    await sync.run_succeeding()
    assert len(sync.urls("ann")) == 500
    sync.world.rename("Ann", "Annette")
    sync.add_game("chess.com", "Annette", sync.clock.now, famous=SHORT_GAME)

    await sync.run_later(hours=6)

    assert len(sync.urls("ann")) == 501


async def test_case_18_sealed_months_are_verified_under_the_new_name_as_well(
    sync: SyncScenario,
) -> None:
    (first,) = await sync.sync_ann("chess.com", datetime(2024, 7, 20, tzinfo=UTC))
    sync.world.rename("Ann", "Annette")
    await sync.run_later(hours=6)
    late = sync.add_game("chess.com", "Annette", datetime(2024, 7, 21, tzinfo=UTC))

    await sync.run_cycles(6, days=12, all=True)

    assert sync.urls("ann") == [first.url, late.url]


async def test_case_18_a_rename_that_shows_in_the_middle_of_a_check_is_followed(
    sync: SyncScenario,
) -> None:
    sync.clock.now = MONTH_START + timedelta(hours=12)
    await sync.sync_ann("chess.com")
    game = sync.add_game("chess.com", "Ann", sync.before_now(hours=13))
    before = HeldResponse(sync.sites.chesscom.month("ann", "2024-07")[0])
    before.open.set()
    sync.world.rename("Ann", "Annette")
    sync.sites.chesscom.faults.append(before)

    record = await sync.run_later(hours=6)

    assert (record["done"], record["failed"]) == (1, 0)
    assert sync.urls("ann") == [game.url]
    assert sync.db.sync_accounts.distinct("_id") == ["chess.com:annette"]


@pytest.mark.parametrize("users_know", [True, False])
async def test_case_18_a_kill_in_the_middle_of_a_rename_loses_and_doubles_nothing(
    sync: SyncScenario, users_know: bool
) -> None:
    """The old account is still there, and perhaps the users have their old name."""
    sync.add_user("ann", chesscom="Ann")
    games = [sync.add_game("chess.com", "Ann", sync.before_now(days=days)) for days in (20, 1)]
    await sync.run_succeeding()
    old = sync.account("chess.com:ann")
    sync.world.rename("Ann", "Annette")
    await sync.run_later(hours=6)
    fresh = sync.account("chess.com:annette") | {"checked_at": None, "saved_at": None, "etags": {}}
    sync.db.sync_accounts.replace_one({"_id": fresh["_id"]}, fresh)
    sync.db.sync_accounts.insert_one(old)
    if not users_know:
        sync.db.users.update_one({}, {"$set": {"chesscom_username": "Ann"}})
    games.append(sync.add_game("chess.com", "Annette", sync.clock.now))

    await sync.run_cycles(2, hours=6)

    assert sync.urls("ann") == [game.url for game in games]
    assert len(sync.queued_game_ids("ann")) == 3
    assert sync.db.users.find_one()["chesscom_username"] == "annette"
    assert sync.db.sync_accounts.distinct("_id", {"links.0": {"$exists": True}}) == [fresh["_id"]]


@pytest.mark.parametrize("first", ["aaa", "zzz"])
async def test_case_18_a_rename_to_a_name_that_another_user_has_linked_already(
    sync: SyncScenario, first: str
) -> None:
    """Whether the new name's account is checked before the old one's or after it."""
    sync.add_user("ann", chesscom="Mmm")
    before = sync.add_game("chess.com", "Mmm", sync.before_now(days=20))
    await sync.run_succeeding()
    sync.world.rename("Mmm", first)
    sync.add_user("bob", chesscom=first)
    new = sync.add_game("chess.com", first, sync.before_now(hours=1))

    await sync.run_later(hours=6)
    last = sync.add_game("chess.com", first, sync.clock.now)
    await sync.run_later(hours=6)

    assert sync.urls("ann") == sync.urls("bob") == [before.url, new.url, last.url]
    (account,) = sync.db.sync_accounts.find()
    assert account["_id"] == f"chess.com:{first}"
    assert sorted(link["user_id"] for link in account["links"]) == ["ann", "bob"]


async def test_case_18_a_player_who_was_missing_for_weeks_is_followed_without_a_gap(
    sync: SyncScenario,
) -> None:
    await sync.sync_ann("chess.com", sync.before_now(days=20))
    sync.world.rename("Ann", "Annette")
    redirects = sync.world.renamed.copy()
    sync.world.renamed.clear()
    await sync.try_cycles(3, hours=6)
    assert sync.notification_types("ann") == ["account_missing"]
    gap = [
        sync.add_game("chess.com", "Annette", datetime(2024, month, 20, tzinfo=UTC))
        for month in (8, 9, 10)
    ]
    await sync.run_cycles(6, days=14)
    sync.world.renamed = redirects

    await sync.run_later(days=8)

    assert sync.urls("ann")[1:] == [game.url for game in gap]
    assert sync.account("chess.com:annette")["standing"] == "active"


async def test_case_18_names_that_lead_to_one_another_are_not_followed_for_ever(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", chesscom="Ann")
    sync.add_user("bob", chesscom="Bob")
    sync.add_game("chess.com", "Ann", sync.before_now(days=2))
    await sync.run_succeeding()
    sync.world.renamed = {"ann": "eve", "eve": "joe", "joe": "ann"}
    sync.sites.clear_requests()

    await sync.try_cycles(3, hours=6)

    assert len(sync.requested_paths("chess.com")) <= 3 * 12
    assert len(sync.urls("ann")) == 1
    assert sync.db.users.find_one({"user_id": "ann"})["chesscom_username"] is not None
    sync.world.renamed = {}
    name = sync.db.users.find_one({"user_id": "ann"})["chesscom_username"]
    if name.lower() != "ann":
        sync.world.rename("Ann", name)
    game = sync.add_game("chess.com", name, sync.clock.now)
    await sync.run_later(days=2)
    assert game.url in sync.urls("ann")


async def test_case_18_a_redirect_to_what_is_no_other_player_changes_nothing(
    sync: SyncScenario,
) -> None:
    await sync.sync_ann("chess.com")
    for location in (
        "/pub/player/../../etc/passwd",
        "/pub/player/a%20b/games/2024/08",
        "/pub/player//games/2024/08",
        "/pub/player/ann/games/2024/08",
        "/pub/player/ANN",
        "https://evil.example/",
        "/pub/player/" + "x" * 90,
        "",
    ):
        sync.sites.clear_requests()
        sync.sites.chesscom.faults.append(redirect_handler(location))
        sync.clock.move(hours=6)

        record = await sync.run(all=True)

        assert (record["done"], record["failed"]) == (0, 1), location
        assert sync.requested_paths("chess.com") == [AUGUST], location
        assert sync.db.users.find_one()["chesscom_username"] == "Ann"
        assert sync.db.sync_accounts.distinct("_id") == ["chess.com:ann"]
    game = sync.add_game("chess.com", "Ann", sync.clock.now)
    sync.clock.move(hours=6)
    await sync.run_succeeding(all=True)
    assert sync.urls("ann") == [game.url]


async def test_case_18_another_player_who_took_the_name_gives_away_no_games(
    sync: SyncScenario,
) -> None:
    (game,) = await sync.sync_ann("chess.com", sync.before_now(hours=1))
    sync.world.rename("Ann", "Annette")
    sync.world.add_player("chess.com", "Ann", sync.clock.now)
    for hours in (1, 2):
        sync.add_game("chess.com", "Ann", sync.clock.now + timedelta(hours=hours))

    await sync.try_cycles(3, hours=6)

    assert sync.urls("ann") == [game.url]
    assert sync.notification_types("ann") == ["account_missing"]


async def test_case_18_a_redirect_to_another_player_is_not_followed(sync: SyncScenario) -> None:
    (game,) = await sync.sync_ann("chess.com", sync.before_now(hours=1))
    sync.world.add_player("chess.com", "Eve", sync.clock.now)
    sync.add_game("chess.com", "Eve", sync.clock.now)
    sync.world.renamed = {"ann": "eve"}

    await sync.try_cycles(3, hours=6)

    assert sync.urls("ann") == [game.url]
    assert sync.db.users.find_one()["chesscom_username"] == "Ann"
    assert sync.account("chess.com:eve") is None


async def test_case_18_a_new_name_of_another_shard_is_left_to_it(sync: SyncScenario) -> None:
    """Both shards run: the other's lane is the newer one."""
    mine, other = (Shard(index=index, of=2) for index in range(2))
    ann = next(f"ann{number}" for number in range(99) if mine.contains(f"ann{number}"))
    bob = next(f"bob{number}" for number in range(99) if other.contains(f"bob{number}"))
    sync.add_user(ann, chesscom="Ann")
    game = sync.add_game("chess.com", "Ann", sync.before_now(days=1))
    await sync.run_succeeding()
    sync.world.rename("Ann", "Annette")
    sync.add_user(bob, chesscom="Annette")
    await sync.run_succeeding(shard=other)
    newer = {"$set": {"fence": 2_000_000_000 * 2}}
    sync.db.sync_accounts.update_one({"_id": "chess.com:annette"}, newer)
    sync.clock.move(hours=6)
    later = sync.add_game("chess.com", "Annette", sync.before_now(hours=1))

    await sync.run_succeeding(shard=mine)
    sync.db.sync_accounts.update_one({"_id": "chess.com:annette"}, {"$set": {"fence": 0}})
    await sync.run_succeeding(shard=other)

    assert sync.db.sync_accounts.distinct("_id") == ["chess.com:annette"]
    assert sync.urls(ann) == sync.urls(bob) == [game.url, later.url]
