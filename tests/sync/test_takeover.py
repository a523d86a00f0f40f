"""The first run for a user: new, taken over from the application, or on a known account."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chesscoach.context import Context
from chesscoach.demo.world import SourceName
from chesscoach.sync.fetching import archive_months
from tests.conftest import FakeSites
from tests.support.sync.sync_members import (
    ANALYSABLE_GAME,
    PLATFORMS,
    add_member,
    before_now,
    expected_urls,
    run_once,
    run_sync,
    stored_urls,
)


async def test_a_first_sync_stores_every_game_in_the_applications_shape_and_a_second_none(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    await add_member(ctx, db, sites, "Ann", "lichess", "chess.com")
    for days in (1, 5, 40):
        sites.world.add_game("lichess", "Ann", before_now(days=days), famous=ANALYSABLE_GAME)
        sites.world.add_game("chess.com", "Ann", before_now(days=days), famous=ANALYSABLE_GAME)

    record = await run_sync(ctx)

    assert stored_urls(db, "ann") == expected_urls(sites, "Ann", "lichess", "chess.com")
    assert record["candidates"] == record["done"] == 2
    game = next(iter(sites.world.finished_games("lichess", "Ann")))
    stored = db.games.find_one({"url": game.url})
    assert stored["user_color"] == ("white" if game.white == "Ann" else "black")
    assert stored["username"] == "Ann"
    assert stored["result"] == ANALYSABLE_GAME.result
    assert stored["time_control"] == "rapid"
    assert (stored["is_analyzed"], stored["auto_synced"]) == (False, True)
    assert datetime.fromisoformat(stored["imported_at"]).utcoffset() == timedelta(0)
    assert stored["imported_at"].endswith("+00:00")
    assert str(uuid.UUID(stored["game_id"])) == stored["game_id"]
    assert ANALYSABLE_GAME.moves.split()[0] in stored["pgn"]
    before = list(db.games.find().sort("_id"))
    sites.clear_requests()

    record = await run_sync(ctx, all=True)

    assert list(db.games.find().sort("_id")) == before
    assert "games_stored" not in record["notes"]
    assert [seen.path for seen in sites.lichess.requests] == ["/api/users"]
    open_months = 1 + (
        archive_months.first_open_month(datetime.now(UTC))
        != archive_months.month_of(datetime.now(UTC))
    )
    assert [seen.status for seen in sites.chesscom.requests] == [304] * open_months


async def test_users_taken_over_cost_the_fewest_requests(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    synced, users, imported = before_now(hours=6), 40, 0
    for number in range(users):
        name = f"Player{number}"
        await add_member(ctx, db, sites, name, *PLATFORMS, synced=synced)
        for site in PLATFORMS:
            sites.world.players[site][name.lower()].seen_at = synced - timedelta(days=2)
            if number % 10 < 2:
                games = [sites.world.add_game(site, name, before_now(hours=h)) for h in (1, 3)]
                if number % 10 == 1:  # the application was faster with this one
                    imported += 1
                    theirs = {"game_id": str(uuid.uuid4()), "user_id": name.lower()}
                    db.games.insert_one({**theirs, "platform": site, "url": games[0].url})

    record = await run_sync(ctx)

    assert record["candidates"] == record["done"] == 2 * users
    assert record["notes"]["games_stored"] == users // 5 * 2 * 2 - imported
    for number in range(users):
        name = f"Player{number}"
        assert stored_urls(db, name.lower()) == expected_urls(sites, name, *PLATFORMS)
    assert len(sites.lichess.requests) == 1 + 2 * users
    start = archive_months.months_before(datetime.now(UTC), 3) - timedelta(minutes=10)
    months = archive_months.month_range(
        archive_months.first_open_month(start), archive_months.month_of(datetime.now(UTC))
    )
    assert len(sites.chesscom.requests) == users * len(list(months))
    assert (sites.lichess.violations, sites.chesscom.violations) == ([], [])
    assert (sites.lichess.max_in_flight, sites.chesscom.max_in_flight) == (1, 1)


@pytest.mark.parametrize("site", PLATFORMS)
async def test_a_take_over_fetches_the_last_three_months_again(
    ctx: Context, db: Any, sites: FakeSites, site: SourceName
) -> None:
    """The application sets its last sync even when it fetched nothing."""
    await add_member(ctx, db, sites, "Ann", site, synced=before_now(hours=6))
    sites.world.add_game(site, "Ann", before_now(days=200))
    missed = [sites.world.add_game(site, "Ann", before_now(days=days)) for days in (88, 40, 2)]
    known = sites.world.add_game(site, "Ann", before_now(days=30))
    theirs = {"game_id": "theirs", "user_id": "ann", "platform": site, "url": known.url}
    db.games.insert_one(theirs)

    record = await run_sync(ctx)

    assert stored_urls(db, "ann") == sorted(game.url for game in (*missed, known))
    assert record["notes"]["games_stored"] == 3
    sites.clear_requests()
    await run_sync(ctx, all=True)
    requests = (*sites.lichess.requests, *sites.chesscom.requests)
    assert len(requests) <= 2, "once is enough"


async def test_a_take_over_goes_back_to_an_older_last_sync(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    synced = before_now(days=150)
    await add_member(ctx, db, sites, "Ann", "lichess", synced=synced)
    play = sites.world.add_game
    play("lichess", "Ann", synced - timedelta(minutes=11), started_at=synced - timedelta(hours=1))
    just = play("lichess", "Ann", synced, started_at=synced - timedelta(minutes=9))
    later = play("lichess", "Ann", before_now(hours=1))

    await run_sync(ctx)

    assert stored_urls(db, "ann") == sorted([just.url, later.url])


async def test_a_newcomer_to_a_known_account_gets_their_own_backfill(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    await add_member(ctx, db, sites, "Ann", "lichess", "chess.com")
    for site in PLATFORMS:
        for days in (2, 20):
            sites.world.add_game(site, "Ann", before_now(days=days))
    await run_sync(ctx)
    db.games.delete_one({"url": list(sites.world.finished_games("lichess", "Ann"))[1].url})
    kept = stored_urls(db, "ann")
    await ctx.users.link("coach", {"lichess": "ann", "chess.com": "ANN"})
    for site in PLATFORMS:
        sites.world.add_game(site, "Ann", before_now(minutes=3))
    new = expected_urls(sites, "Ann", *PLATFORMS)

    await run_sync(ctx)

    assert stored_urls(db, "coach") == new
    assert len(stored_urls(db, "ann")) == len(kept) + 2, "the old user gets what is new, no more"


async def test_a_user_who_adds_a_second_source_gets_a_first_sync_there(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    await add_member(ctx, db, sites, "Ann", "lichess", synced=before_now(hours=6))
    await run_sync(ctx)
    sites.world.add_player("chess.com", "Ann", before_now(days=30))
    sites.world.add_game("chess.com", "Ann", before_now(days=30))
    await ctx.users.link("ann", {"chess.com": "Ann"})

    await run_sync(ctx)

    assert stored_urls(db, "ann") == expected_urls(sites, "Ann", "chess.com")


async def test_a_changed_name_leaves_the_old_account_and_keeps_its_games(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    await add_member(ctx, db, sites, "Ann", "lichess")
    sites.world.add_game("lichess", "Ann", before_now(days=1))
    await run_sync(ctx)
    sites.world.add_player("lichess", "Annette", before_now(days=1))
    sites.world.add_game("lichess", "Annette", before_now(hours=2))
    await ctx.users.link("ann", {"lichess": "Annette"})
    sites.world.add_game("lichess", "Ann", before_now(minutes=5))

    await run_sync(ctx, all=True)

    assert len(stored_urls(db, "ann")) == 2
    assert db.sync_accounts.find_one({"_id": "lichess:ann"})["links"] == []


async def test_a_newcomer_whom_the_application_synced_is_not_forgotten_on_a_known_account(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    """The account was made for another user, who left before it was ever checked."""
    await ctx.users.link("ann", {"lichess": "Zed"})
    await run_once(ctx)  # no such player yet
    await ctx.users.link("ann", {"lichess": None})
    await add_member(ctx, db, sites, "Zed", "lichess", synced=before_now(hours=6))
    await run_sync(ctx)
    sites.world.add_game("lichess", "Zed", before_now(minutes=1))

    await run_sync(ctx, all=True)

    assert stored_urls(db, "zed") == expected_urls(sites, "Zed", "lichess")
