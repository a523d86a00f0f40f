"""The sync on a database whose indexes and documents the application has made."""

from typing import Any

import pytest

from chesscoach.context import Context
from chesscoach.jobs import sync_games
from chesscoach.worker.runner import runner
from chesscoach.worker.shutdown import ShutdownRequest
from tests.conftest import FakeSites
from tests.support.application_indexes import create_application_indexes
from tests.support.sync.sync_members import (
    ANALYSABLE_GAME,
    add_member,
    before_now,
    run_once,
    run_sync,
)


@pytest.mark.parametrize("only_usable", [True, False])
async def test_the_applications_indexes_and_items_without_ids_stop_no_run(
    ctx: Context, db: Any, sites: FakeSites, only_usable: bool
) -> None:
    await add_member(ctx, db, sites, "Ann", "lichess")
    for number in range(3):
        sites.world.add_game("lichess", "Ann", before_now(hours=number + 1), famous=ANALYSABLE_GAME)
    item = {"user_id": "ann", "status": "pending", "queued_at": before_now(minutes=1).isoformat()}
    if only_usable:
        db.analysis_queue.insert_many([{"game_id": f"theirs{n}", **item} for n in range(2)])
    create_application_indexes(db, only_usable=only_usable)

    record = await run_sync(ctx)

    assert (record["notes"]["games_stored"], record["notes"]["analyses_queued"]) == (3, 3)
    assert db.analysis_queue.count_documents({"queue_id": {"$type": "string"}}) == 3
    if only_usable:
        for collection in ("analysis_queue", "notifications", "puzzle_attempts"):
            db[collection].insert_many([{"user_id": "ann"}, {"user_id": "ann"}])


async def test_a_game_that_a_unique_index_refuses_fails_its_account_alone(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    for name in ("Ann", "Bob"):
        await add_member(ctx, db, sites, name, "lichess")
        sites.world.add_game("lichess", name, before_now(hours=1))
    game = sites.world.add_game("lichess", "Ann", before_now(hours=2))
    db.games.insert_one({"game_id": "theirs", "user_id": "another", "url": game.url})
    db.games.create_index("url", unique=True)

    for _ in range(2):
        ending = await run_once(ctx, all=True)
        assert (ending.record["done"], ending.record["failed"]) == (1, 1)
        (error,) = ending.record["errors"]
        assert error["account"] == "lichess:ann"
        assert "games: a unique index that is not ours refuses 1 of our documents" in error["error"]
    assert db.games.count_documents({"user_id": {"$in": ["ann", "bob"]}}) == 2
    assert db.sync_accounts.find_one({"_id": "lichess:ann"})["cursor"] is None

    db.games.drop_index("url_1")
    await run_sync(ctx, all=True)
    assert db.games.count_documents({"user_id": "ann"}) == 2


async def test_an_account_that_a_unique_index_refuses_fails_alone(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    db.sync_accounts.create_index("platform", unique=True)
    await add_member(ctx, db, sites, "Ann", "lichess")
    await add_member(ctx, db, sites, "Bob", "lichess")
    ending = await run_once(ctx)
    assert (ending.record["done"], ending.record["failed"]) == (1, 1)
    assert "a unique index that is not ours" in ending.record["errors"][0]["error"]


async def test_a_dry_run_reports_what_would_stop_the_run(
    ctx: Context, db: Any, sites: FakeSites, capsys: pytest.CaptureFixture[str]
) -> None:
    await add_member(ctx, db, sites, "Ann", "lichess")
    db.games.drop_index("chesscoach_game_id")
    ending = await runner.dry_run(ctx.worker, sync_games.JOB, sync_games.Args(), ShutdownRequest())
    obstacle = "games: no unique index on (game_id): run `chesscoach db init`"
    assert (ending.exit_code, ending.record["notes"]["obstacle"]) == (2, obstacle)
    assert ending.record["notes"]["would_check_lichess"] == 1
    assert "dry_run_obstacle" in capsys.readouterr().out
