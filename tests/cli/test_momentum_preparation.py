"""`momentum init`, `init-levels` and `recompute`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.cli.conftest import RunCli
from tests.conftest import Clock
from tests.support.momentum.admin_data import (
    digest,
    insert_event,
    insert_momentum,
    insert_player,
)

RunCliJson = Callable[..., Any]


def test_example_45_a_second_init_changes_nothing(
    run_cli: RunCli, run_cli_json: RunCliJson, db: Any, clock: Clock
) -> None:
    db.users.insert_many([{"user_id": name, "email": name} for name in ("ann", "bob")])
    db.user_progress.insert_one({"user_id": "bob", "games_analyzed": 3})

    output = run_cli("momentum", "init").stdout
    first = digest(db)
    clock.move(hours=5)
    again = run_cli_json("momentum", "init")

    assert output.startswith("Initialized momentum data for 2 users.\n")
    assert again == {
        "started_at": "2026-10-21T12:00:00Z", "book_since": "2026-10-21T12:00:00Z", "users": 2,
        "created": 0, "filled": 0, "levels": 0, "achievements": 0, "streaks": 0, "changes": 0,
    }  # fmt: skip
    assert digest(db) == first
    progress = {document["user_id"]: document for document in db.user_progress.find()}
    assert progress["ann"]["xp"] == progress["bob"]["xp"] == 0
    assert (progress["bob"]["games_analyzed"], progress["bob"]["level"]) == (3, 1)
    assert db.momentum_streaks.count_documents({"current": 0, "last_period": None}) == 2
    assert db.momentum_levels.count_documents({}) == 20
    assert db.momentum_achievements.count_documents({}) == 28


def test_init_keeps_what_is_there_and_finds_the_level_of_points(run_cli: RunCli, db: Any) -> None:
    oldest = insert_player(db, "ann", xp=850, level=None)
    db.user_progress.insert_one({"user_id": "ann", "games_imported": 1})

    run_cli("momentum", "init")

    document = db.user_progress.find_one({"_id": oldest})
    assert (document["xp"], document["level"], document["weekly_xp"]) == (850, 5, 50)
    assert "xp" not in db.user_progress.find_one({"games_imported": 1})


def test_history_is_booked_from_the_date_that_init_gets(
    run_cli: RunCli, run_cli_json: RunCliJson, db: Any
) -> None:
    run_cli("momentum", "init", "--now", "2026-03-09T00:00:00Z")
    report = run_cli_json("momentum", "init", "--book-since", "2026-01-01")

    assert report["started_at"] == "2026-03-09T00:00:00Z"
    assert report["book_since"] == "2026-01-01T00:00:00Z"
    assert db.momentum_state.count_documents({}) == 1
    assert "not a date" in run_cli("momentum", "init", "--book-since", "soon", code=2).stderr


def test_in_production_init_refuses_another_instant(run_cli: RunCli, db: Any) -> None:
    Path("config.toml").write_text("[database]\nproduction = true\n[schedules]\n")

    error = run_cli("momentum", "init", "--now", "2026-03-09", code=2).stderr

    assert "[database] production is true" in error
    assert db.momentum_state.count_documents({}) == 0


def test_example_45_a_changed_threshold_is_updated_and_surplus_levels_are_named(
    run_cli: RunCli, db: Any
) -> None:
    created = run_cli("momentum", "init-levels").stdout
    db.momentum_levels.update_one({"_id": 5}, {"$set": {"xp": 801}})
    db.momentum_levels.insert_one({"_id": 21, "level": 21, "name": "Deity", "xp": 90_000})

    lines = run_cli("momentum", "init-levels").stdout.splitlines()

    assert created == "Created 20 new levels, updated 0 existing levels\n"
    assert lines == [
        "Created 0 new levels, updated 1 existing levels",
        "surplus levels, which stay: 21",
    ]
    assert db.momentum_levels.find_one({"_id": 5}) == {
        "_id": 5, "level": 5, "name": "Knight II", "xp": 800,
    }  # fmt: skip
    assert run_cli("momentum", "init-levels").stdout.startswith("Created 0 new levels, updated 0 ")
    logged = [document["command"] for document in db.admin_log.find()]
    assert logged == ["init-levels"] * 3


def test_recompute_makes_counters_equal_to_the_ledger_and_moves_xp_alike(
    run_cli: RunCli, run_cli_json: RunCliJson, db: Any
) -> None:
    insert_player(
        db, "ann", xp=480, level=3, momentum_xp=10, weekly_xp=1, weekly_prev_xp=3,
        weekly_prev_key="2026-W42",
    )  # fmt: skip
    insert_event(db, "ann", "p1", 25)
    insert_event(db, "ann", "p0", 20, week_key="2026-W42")
    insert_event(db, "ann", "legend", 200, week_key=None, month_key=None)
    db.user_progress.insert_one({"user_id": "ann", "xp": 7})

    report = run_cli_json("momentum", "recompute")

    assert report == {"players": 1, "mended": 1, "doubled_documents": 1}
    document = db.user_progress.find_one({"level": {"$exists": True}})
    assert (document["momentum_xp"], document["xp"], document["level"]) == (245, 715, 4)
    assert (document["weekly_xp"], document["weekly_prev_xp"]) == (25, 20)
    assert document["monthly_xp"] == 45
    assert run_cli("momentum", "recompute").stdout.startswith("0 of 1 players had wrong counters")


def test_recompute_of_one_user_leaves_the_others(run_cli: RunCli, db: Any) -> None:
    for user_id in ("ann", "bob"):
        insert_momentum(db, user_id)

    run_cli("momentum", "recompute", "--user-id", "ann")

    weekly = {each["user_id"]: each["weekly_xp"] for each in db.user_progress.find()}
    assert weekly == {"ann": 15, "bob": 50}
    assert (
        "User ID eve not found"
        in run_cli("momentum", "recompute", "--user-id", "eve", code=1).stderr
    )


def test_recompute_leaves_a_batch_that_a_stopped_check_has_begun(run_cli: RunCli, db: Any) -> None:
    db.momentum_state.insert_one({"_id": "momentum", "batch": 2, "applied": 1})
    insert_player(db, "ann", momentum_xp=0)
    insert_player(db, "bob", momentum_xp=0, momentum_batch=2)
    for user_id in ("ann", "bob"):
        insert_event(db, user_id, "p1", 15)
        insert_event(db, user_id, "p2", 25, batch=2)

    run_cli("momentum", "recompute")

    sums = {each["user_id"]: each["momentum_xp"] for each in db.user_progress.find()}
    assert sums == {"ann": 15, "bob": 40}
