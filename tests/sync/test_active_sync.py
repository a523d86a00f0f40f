"""A cycle over the accounts whose player was active in the last hours."""

import pytest
from msgspec.structs import replace

from chesscoach.config import Config
from chesscoach.demo.world import SourceName
from chesscoach.jobs import catalog
from tests.support.sync.sync_members import PLATFORMS
from tests.support.sync.sync_scenario import SyncScenario, account_on, error_handler


async def test_a_game_of_an_active_player_is_there_in_minutes_and_others_are_not_asked_for(
    sync: SyncScenario,
) -> None:
    for name in ("Ann", "Bob"):
        sync.add_user(name.lower(), lichess=name, chesscom=name)
    await sync.run_succeeding()
    sync.clock.move(hours=7)
    for site in PLATFORMS:
        sync.add_game(site, "Ann", sync.clock.now)
    await sync.run_succeeding()
    games = [sync.add_game(site, "Ann", sync.clock.now) for site in PLATFORMS]
    sync.sites.clear_requests()
    sync.clock.move(minutes=5)

    record = await sync.run_succeeding(active_within_h=6)

    assert {game.url for game in games} <= set(sync.urls("ann"))
    assert (record["candidates"], record["done"]) == (2, 2)
    assert [seen.body for seen in sync.sites.lichess.requests if seen.method == "POST"] == ["ann"]
    assert sync.requested_paths("chess.com") == ["/pub/player/ann/games/2024/08"]


async def test_a_source_that_another_run_asks_is_skipped(sync: SyncScenario) -> None:
    sync.add_user("ann", lichess="Ann", chesscom="Ann")
    game = sync.add_game("chess.com", "Ann", sync.before_now(hours=1))
    sync.add_game("lichess", "Ann", sync.before_now(hours=1))

    async with sync.ctx.leases.renewing(), sync.ctx.sync.lanes["lichess"].acquire({"run_id": "x"}):
        record = await sync.run_succeeding(active_within_h=6)

    assert (record["candidates"], record["done"], record["skipped"]) == (2, 1, 1)
    assert sync.urls("ann") == [game.url]
    assert sync.requested_paths("lichess") == []


async def test_a_new_account_has_its_first_sync_in_minutes(sync: SyncScenario) -> None:
    await sync.run_succeeding()
    sync.add_user("ann", lichess="Ann", chesscom="Ann")
    games = [
        sync.add_game(site, "Ann", sync.before_now(days=days))
        for site, days in zip(PLATFORMS, (9, 8), strict=True)
    ]

    await sync.run_succeeding(active_within_h=6)

    assert sync.urls("ann") == [game.url for game in games]


async def test_an_account_that_was_not_active_is_still_due_for_the_ordinary_run(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", lichess="Ann", chesscom="Ann")
    await sync.run_succeeding()
    sync.clock.move(hours=7)
    games = [sync.add_game(site, "Ann", sync.clock.now) for site in PLATFORMS]
    assert (await sync.run_succeeding(active_within_h=6))["candidates"] == 0

    await sync.run_succeeding()

    assert {game.url for game in games} == set(sync.urls("ann"))


@pytest.mark.parametrize("site", PLATFORMS)
async def test_no_account_becomes_missing_within_minutes(
    sync: SyncScenario, site: SourceName
) -> None:
    sync.add_user("ann", **account_on(site, "Ann"))
    sync.add_game(site, "Ann", sync.before_now(hours=1))
    await sync.run_succeeding()
    player = sync.world.players[site].pop("ann")

    for _ in range(5):
        sync.clock.move(minutes=5)
        record = await sync.run(active_within_h=6)
        assert (record["failed"], record["done"]) == (1, 0)

    account = sync.account(f"{site}:ann")
    assert (account["standing"], account["absent"]) == ("active", 0)
    assert sync.db.notifications.count_documents({"type": {"$ne": "game_analyzed"}}) == 0
    sync.world.players[site]["ann"] = player
    game = sync.add_game(site, "Ann", sync.clock.now)
    await sync.run_later(minutes=5)
    assert game.url in sync.urls("ann")


async def test_no_account_is_set_aside_within_minutes(sync: SyncScenario) -> None:
    for name in ("Ann", "Bob"):
        sync.add_user(name.lower(), chesscom=name)
        sync.add_game("chess.com", name, sync.before_now(hours=1))
    await sync.run_succeeding()
    sync.sites.chesscom.ailing["/ann/"] = error_handler("An internal error has occurred.")

    for _ in range(4):
        sync.clock.move(minutes=5)
        assert (await sync.run(active_within_h=6))["failed"] == 1

    assert sync.account("chess.com:ann").get("failures", 0) == 0
    sync.sites.chesscom.ailing.clear()
    game = sync.add_game("chess.com", "Ann", sync.clock.now)
    sync.clock.move(minutes=5)
    await sync.run_succeeding(active_within_h=6)
    assert game.url in sync.urls("ann")


async def test_a_cycle_leaves_half_of_the_allowance_of_a_day_and_takes_all_in_turn(
    sync: SyncScenario,
) -> None:
    names = ("Ann", "Bob", "Cid")
    for name in names:
        sync.add_user(name.lower(), lichess=name)
        sync.add_game("lichess", name, sync.before_now(hours=1))
    await sync.run_succeeding()
    sync.sites.clear_requests()
    sources = sync.ctx.config.sources
    lichess = replace(sources.lichess, users_per_10min=40)
    sync.ctx = replace(
        sync.ctx, config=replace(sync.ctx.config, sources=replace(sources, lichess=lichess))
    )

    for _ in range(6):
        sync.clock.move(minutes=5)
        record = await sync.run_succeeding(active_within_h=6)
        assert (record["candidates"], record["done"]) == (1, 1)

    asked = [seen.body for seen in sync.sites.lichess.requests if seen.path == "/api/users"]
    assert sorted(asked) == ["ann", "ann", "bob", "bob", "cid", "cid"]


def test_the_schedule_is_off_and_skips_no_slot_of_the_ordinary_one() -> None:
    schedules = Config().schedules
    active, ordinary = schedules["sync_active"], schedules["sync_games"]

    assert (active.enabled, active.cron, active.overlap) == (False, "*/5 * * * *", "skip")
    assert (active.job, active.lock, ordinary.lock) == ("sync_games", "sync_active", None)
    catalog.check_schedules(Config())
