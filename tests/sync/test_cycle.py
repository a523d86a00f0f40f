"""A run of the sync: whom it takes, what it queues, how it ends."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from msgspec.structs import replace

from chesscoach.config import Settings
from chesscoach.context import Context, open_context
from chesscoach.errors import ConfigError
from chesscoach.jobs import sync_games
from chesscoach.worker.runner import runner
from chesscoach.worker.shutdown import ShutdownRequest
from tests.conftest import FakeSites
from tests.support.sync.sync_members import (
    ANALYSABLE_GAME,
    PLATFORMS,
    SHORT_GAME,
    add_member,
    before_now,
    expected_urls,
    run_once,
    run_sync,
    stored_urls,
)


async def test_games_worth_it_are_queued_within_the_days_allowance(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    await add_member(ctx, db, sites, "New", "lichess")
    await add_member(ctx, db, sites, "Old", "lichess", "chess.com", synced=before_now(hours=6))
    for number in range(20):
        sites.world.add_game("lichess", "New", before_now(hours=1 + number), famous=ANALYSABLE_GAME)
    play = partial(sites.world.add_game, famous=ANALYSABLE_GAME)
    for minutes in range(30, 34):
        for site in PLATFORMS:
            play(site, "Old", before_now(minutes=minutes))
    sites.world.add_game("lichess", "Old", before_now(minutes=5), famous=SHORT_GAME)
    play("lichess", "Old", before_now(minutes=6), speed="bullet")

    await run_sync(ctx)

    assert db.analysis_queue.count_documents({"user_id": "new"}) == 15
    items = list(db.analysis_queue.find({"user_id": "old"}))
    assert len(items) == 3
    for item in items:
        game = db.games.find_one({"game_id": item["game_id"], "user_id": "old"})
        assert game["time_control"] == "rapid"
        assert (item["status"], item["started_at"]) == ("pending", None)
        assert item["created_at"].endswith("+00:00")
    newest = list(db.games.find({"user_id": "new"}).sort("ended_at", -1))[:15]
    queued = db.analysis_queue.distinct("game_id", {"user_id": "new"})
    assert set(queued) == {game["game_id"] for game in newest}


async def test_a_failing_account_fails_alone_and_names_its_users(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    await add_member(ctx, db, sites, "Ann", "lichess", "chess.com")
    db.users.insert_one({"user_id": "ghost", "lichess_username": "nobody_here"})
    sites.world.add_game("lichess", "Ann", before_now(days=1))

    ending = await run_once(ctx)

    assert (ending.record["outcome"], ending.exit_code) == ("partial", 1)  # 2 of 3 is below 0.9
    assert (ending.record["done"], ending.record["failed"]) == (2, 1)
    sample = ending.record["errors"][0]
    assert (sample["account"], sample["user_id"]) == ("lichess:nobody_here", "ghost")
    assert len(stored_urls(db, "ann")) == 1


async def test_without_a_contact_chesscom_is_skipped_and_the_run_says_so(
    settings: Settings, db: Any, sites: FakeSites, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = replace(settings.config.sources, contact="")
    quiet = replace(settings, config=replace(settings.config, sources=sources))
    async with open_context(quiet) as ctx:
        await ctx.indexes.create()
        await add_member(ctx, db, sites, "Ann", "lichess", "chess.com")

        record = await run_sync(ctx)

    assert (record["done"], record["skipped"]) == (1, 1)
    assert sites.chesscom.requests == []
    assert capsys.readouterr().out.count("chesscom_skipped") == 1


async def test_last_game_sync_becomes_the_older_of_the_sources_last_successes(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    await add_member(ctx, db, sites, "Ann", "lichess", "chess.com")
    await run_sync(ctx)
    checks = db.sync_accounts.distinct("checked_at")
    last_sync = db.users.find_one({"user_id": "ann"})["last_game_sync"]

    assert abs(datetime.fromisoformat(last_sync) - min(checks)) < timedelta(milliseconds=1)
    assert last_sync.endswith("+00:00")
    sites.lichess.faults.append("403")
    await run_once(ctx, all=True)
    stays = db.sync_accounts.find_one({"_id": "lichess:ann"})["checked_at"]
    now = datetime.fromisoformat(db.users.find_one({"user_id": "ann"})["last_game_sync"])
    assert abs(now - stays) < timedelta(milliseconds=1)


async def test_only_due_accounts_are_checked_except_with_all_or_user(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    await add_member(ctx, db, sites, "Ann", "lichess")
    await add_member(ctx, db, sites, "Bob", "lichess")
    await run_sync(ctx)
    later = datetime.now(UTC) + timedelta(days=1)
    db.sync_accounts.update_many({}, {"$set": {"due_at": later}})

    assert (await run_sync(ctx))["candidates"] == 0
    assert (await run_sync(ctx, all=True))["candidates"] == 2
    db.sync_accounts.update_many({}, {"$set": {"due_at": later}})
    assert (await run_sync(ctx, user="bob"))["candidates"] == 1


async def test_an_unknown_user_is_a_usage_error(ctx: Context) -> None:
    ending = await run_once(ctx, user="unknown")

    assert ending.exit_code == 2
    assert "unknown" in ending.record["errors"][0]["error"]


async def test_a_dry_run_asks_no_source_and_changes_nothing(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    await add_member(ctx, db, sites, "Ann", "lichess", "chess.com")
    db.users.insert_one({"user_id": "odd", "lichess_username": "a/b"})
    args = sync_games.Args()

    ending = await runner.dry_run(ctx.worker, sync_games.JOB, args, ShutdownRequest())

    assert ending.record["notes"] == {
        "invalid_usernames": 1,
        "would_check_lichess": 1,
        "would_check_chesscom": 1,
    }
    assert sites.lichess.requests == sites.chesscom.requests == []
    assert db.sync_accounts.count_documents({}) == db.job_runs.count_documents({}) == 0


async def test_a_database_without_the_unique_index_is_refused(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    db.games.drop_indexes()

    with pytest.raises(
        ConfigError, match=r"no unique index on \(game_id\): run `chesscoach db init`"
    ):
        await run_once(ctx)


async def test_a_stop_in_the_middle_leaves_the_rest_for_the_next_run(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    for number in range(12):
        await add_member(ctx, db, sites, f"Player{number}", "chess.com")
        sites.world.add_game("chess.com", f"Player{number}", before_now(days=1))
    stop = ShutdownRequest()
    sites.chesscom.delay_s = 0.01

    def observe(counts: Any) -> None:
        if len(sites.chesscom.requests) >= 6 and not stop.requested.is_set():
            stop.request(15)

    ending = await run_once(ctx, stop, observe)

    assert (ending.record["outcome"], ending.exit_code) == ("cancelled", 143)
    done = ending.record["done"]
    assert 0 < done < 12
    record = await run_sync(ctx)
    assert db.games.count_documents({}) == 12
    assert record["done"] == 12


async def test_a_stop_does_not_wait_for_a_lane_that_another_has(
    ctx: Context, contexts: Any, db: Any, sites: FakeSites
) -> None:
    await add_member(ctx, db, sites, "Ann", "lichess")
    other = await contexts()
    runner = replace(ctx.config.runner, grace_s=3600.0)
    patient = replace(ctx, config=replace(ctx.config, runner=runner))
    stop = ShutdownRequest()
    async with other.lichess.client.lane.acquire({}), other.leases.renewing():
        asyncio.get_running_loop().call_later(0.3, stop.request, 15)
        async with asyncio.timeout(60):
            ending = await run_once(patient, stop)

    assert ending.record["outcome"] == "cancelled"
    assert sites.lichess.requests == []


async def test_unfinished_games_that_could_not_be_asked_about_fail_no_account_and_are_kept(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    await add_member(ctx, db, sites, "Ann", "lichess")
    await add_member(ctx, db, sites, "Bob", "lichess")
    slow = sites.world.add_game(
        "lichess", "Ann", None, started_at=before_now(hours=5), speed="correspondence"
    )
    later = sites.world.add_game("lichess", "Ann", before_now(hours=1))
    await run_sync(ctx)
    slow.ended_at, slow.status = before_now(minutes=1), "resign"
    for _ in range(3):
        sites.lichess.faults.append("500")
        record = await run_sync(ctx, all=True)
        assert record["done"] == 2
        assert stored_urls(db, "ann") == [later.url]

    await run_sync(ctx, all=True)

    assert stored_urls(db, "ann") == expected_urls(sites, "Ann", "lichess")
