"""Case 1 of what a sync must handle: games that began before the cursor and end after it."""

from chesscoach.demo.world import SimulatedGame
from chesscoach.sync.fetching.account_check import AccountCheck
from chesscoach.sync.fetching.lichess_fetcher import LichessFetcher
from chesscoach.sync.linking import link_accounts
from chesscoach.worker.job import Run
from chesscoach.worker.shutdown import ShutdownRequest
from tests.support.sync.sync_scenario import GAMES_BY_ID, SyncScenario


async def sync_slow_game(
    sync: SyncScenario, *, synced: bool = False, rated: bool = True, **ago: float
) -> SimulatedGame:
    """A first run for Ann, new or taken over, who is playing a slow game that began so long ago."""
    sync.add_user("ann", lichess="Ann", synced=sync.before_now(hours=6) if synced else None)
    game = sync.add_slow_game("Ann", rated=rated, **ago)
    await sync.run_succeeding()
    return game


async def test_case_01_a_correspondence_game_that_began_before_the_cursor_and_ended_after_it(
    sync: SyncScenario,
) -> None:
    slow = await sync_slow_game(sync, days=5)
    sync.clock.move(hours=1)
    live = sync.add_game("lichess", "Ann", sync.clock.now)
    await sync.run_succeeding()  # the cursor is at the start of that one
    sync.clock.move(hours=1)
    sync.finish(slow)

    await sync.run_cycles(3, hours=6)

    assert sync.urls("ann") == [live.url, slow.url]
    assert sync.queued_game_ids("ann") == sorted(game["game_id"] for game in sync.games("ann"))
    assert sync.account("lichess:ann")["pending"] == []


async def test_case_01_one_that_began_before_a_take_over_and_ended_after_the_first_run(
    sync: SyncScenario,
) -> None:
    slow = await sync_slow_game(sync, synced=True, days=25)
    sync.finish(slow)

    await sync.run_cycles(2, hours=6)

    assert sync.urls("ann") == [slow.url]
    assert len(sync.queued_game_ids("ann")) == 1


async def test_case_01_one_that_ended_between_the_applications_last_sync_and_our_first(
    sync: SyncScenario,
) -> None:
    """It is found when the player has news after that: nothing shows it before."""
    sync.add_user("ann", lichess="Ann", synced=sync.before_now(hours=6))
    slow = sync.add_slow_game("Ann", days=104, rated=False)
    slow.ended_at, slow.status = sync.before_now(hours=3), "resign"
    before = sync.add_slow_game("Ann", days=112)
    before.ended_at, before.status = sync.before_now(days=100), "resign"
    await sync.run_succeeding()
    sync.clock.move(hours=3)
    live = sync.add_game("lichess", "Ann", sync.clock.now)

    await sync.run_cycles(3, hours=3)

    assert sync.urls("ann") == [slow.url, live.url], "the older one is the application's own"


async def test_case_01_one_of_half_a_year_that_was_being_played_at_the_take_over(
    sync: SyncScenario,
) -> None:
    slow = await sync_slow_game(sync, synced=True, days=180, rated=False)
    sync.add_game("lichess", "Ann", sync.clock.now)
    await sync.run_later(hours=6)
    sync.clock.move(hours=1)
    sync.finish(slow)
    sync.sites.clear_requests()
    await sync.run_later(hours=6)

    assert slow.url in sync.urls("ann")
    assert sync.requested_paths("lichess") == [GAMES_BY_ID, "/api/users"], (
        "no player was seen, and nothing is counted"
    )


async def test_case_01_a_game_older_than_a_first_sync_is_followed_from_then_on(
    sync: SyncScenario,
) -> None:
    slow = await sync_slow_game(sync, days=200, rated=False)
    assert sync.urls("ann") == []
    sync.finish(slow)

    await sync.run_later(hours=6)

    assert sync.urls("ann") == [slow.url]


async def test_case_01_no_step_of_a_first_sync_follows_games_for_no_user(
    sync: SyncScenario,
) -> None:
    """After a kill at such a step a game that ends would be taken off and stored for no user."""
    sync.add_user("ann", lichess="Ann")
    sync.add_game("lichess", "Ann", sync.before_now(days=1))
    sync.add_slow_game("Ann", days=180)
    run = Run("t", slot=None, manual=True, dry_run=False, stop=ShutdownRequest())
    await link_accounts(sync.ctx.sync, run, None, sync.clock.now)
    (account,) = (await sync.ctx.sync.accounts.find_for_users(["lichess:ann"], [])).accounts
    fetcher, check = LichessFetcher(sync.ctx.sync), AccountCheck(account, sync.clock.now)

    async with sync.ctx.lichess.client.lane.acquire({}):
        await fetcher.prepare([account])
        steps = [check.record(fact).account async for fact in fetcher.check(check)]

    assert any(step.unfinished_games for step in steps)
    assert all(step.backfilled_links for step in steps if step.unfinished_games)


async def test_case_01_unfinished_games_of_many_cost_one_request_for_every_three_hundred(
    sync: SyncScenario,
) -> None:
    names = [f"Player{number}" for number in range(31)]
    for name in names:
        sync.add_user(name.lower(), lichess=name, synced=sync.before_now(hours=1))
    await sync.run_succeeding()
    ended = []
    for name in names:
        games = [sync.add_slow_game(name, days=2, rated=False) for _ in range(10)]
        sync.world.players["lichess"][name.lower()].seen_at = sync.before_now(days=30)
        pending = [{"external_id": game.id, "started_at": game.started_at} for game in games]
        sync.db.sync_accounts.update_one(
            {"_id": f"lichess:{name.lower()}"}, {"$set": {"pending": pending}}
        )
        sync.finish(games[0])
        ended.append(games[0])
    sync.sites.clear_requests()

    await sync.run_later(hours=6)

    assert sync.requested_paths("lichess") == [GAMES_BY_ID] * 2 + ["/api/users"]
    assert sync.db.games.count_documents({}) == len(ended)
    assert sync.sites.lichess.violations == []


async def test_case_01_an_unfinished_game_that_vanishes_is_asked_for_twice_and_let_go(
    sync: SyncScenario,
) -> None:
    slow = await sync_slow_game(sync, days=1)
    del sync.world.games[f"lichess:{slow.id}"]
    sync.world.players["lichess"]["ann"].games.clear()
    sync.sites.clear_requests()

    await sync.run_cycles(4, hours=6)

    assert sync.requested_paths("lichess").count(GAMES_BY_ID) == 2
    assert sync.account("lichess:ann")["pending"] == []
    assert sync.games("ann") == []


async def test_case_01_an_unfinished_game_that_was_absent_once_is_still_followed(
    sync: SyncScenario,
) -> None:
    slow = await sync_slow_game(sync, days=1)
    for _ in range(2):
        del sync.world.games[f"lichess:{slow.id}"]
        await sync.run_later(hours=1)
        sync.world.games[f"lichess:{slow.id}"] = slow
        await sync.run_later(hours=1)
    sync.finish(slow)

    await sync.run_later(hours=1)

    assert sync.urls("ann") == [slow.url]
