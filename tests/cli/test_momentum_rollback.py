"""`momentum rollback`: resets, usage, and the lease."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import RunCli
from tests.conftest import Clock
from tests.support.momentum.admin_data import (
    COUNTERS,
    digest,
    insert_event,
    insert_momentum,
    only_backup,
    renewed_lease,
)

RunCliJson = Callable[..., Any]


def test_example_41_points_of_one_user_are_reset(run_cli: RunCli, db: Any, clock: Clock) -> None:
    for user_id in ("u1", "u2"):
        insert_momentum(db, user_id)
    others = {"user_id": {"$ne": "u1"}}
    before = list(db.user_progress.find(others))
    levels_of_u1 = db.user_progress.find_one({"user_id": "u1"})["level"]

    run_cli("momentum", "rollback", "--user-id", "u1", "--reset-points")

    document = db.user_progress.find_one({"user_id": "u1"})
    assert [document[name] for name in COUNTERS] == [0, 0, 0, 0]
    assert (document["level"], document["ledger_from"]) == (levels_of_u1, clock.now)
    assert list(db.user_progress.find(others)) == before
    sums = list(
        db.momentum_events.aggregate([{"$group": {"_id": "$user_id", "sum": {"$sum": "$points"}}}])
    )
    assert {row["_id"]: row["sum"] for row in sums} == {"u1": 0, "u2": 15}
    assert db.momentum_events.find_one({"_id": "puzzle_solved|u1|p1"})["points"] == 15
    (logged,) = db.admin_log.find()
    assert (logged["command"], logged["user_id"], logged["outcome"]) == ("rollback", "u1", "done")
    assert (logged["flags"], logged["counts"]) == ({"reset_points": True}, {"points": 1})


def test_points_reset_twice_stay_zero_and_the_ledger_with_them(
    run_cli: RunCli, run_cli_json: RunCliJson, db: Any
) -> None:
    insert_momentum(db)
    run_cli("momentum", "rollback", "--reset-points")
    first = digest(db, "momentum_events")
    run_cli("momentum", "rollback", "--reset-points")

    assert digest(db, "momentum_events") == first
    assert run_cli_json("momentum", "recompute")["mended"] == 0


@pytest.mark.parametrize("together", [False, True])
def test_rewards_can_be_paid_again_only_after_both_resets(
    run_cli: RunCli, db: Any, together: bool
) -> None:
    insert_momentum(db)
    insert_event(db, "ann", "first_steps", 50, action="achievement_unlocked")
    insert_event(db, "ann", "2026-W42", 30, action="perfect_week")

    flags = ["--reset-points", *(["--reset-achievements"] if together else [])]
    run_cli("momentum", "rollback", *flags)

    keys = {document["_id"] for document in db.momentum_events.find()}
    once = {"achievement_unlocked|ann|first_steps", "perfect_week|ann|2026-W42"}
    assert keys & once == (set() if together else once)
    assert "puzzle_solved|ann|p1" in keys
    assert sum(document["points"] for document in db.momentum_events.find()) == 0
    assert db.user_achievements.count_documents({}) == (0 if together else 1)


def test_streaks_are_reset_as_if_there_had_been_no_activity(run_cli: RunCli, db: Any) -> None:
    insert_momentum(db)

    run_cli("momentum", "rollback", "--reset-streaks")

    streak, progress = db.momentum_streaks.find_one(), db.user_progress.find_one()
    assert (streak["current"], streak["longest"], streak["last_period"]) == (0, 0, None)
    assert (progress["current_streak"], progress["longest_streak"]) == (0, 0)
    assert progress["last_activity_date"] is None
    assert (progress["xp"], progress["weekly_xp"]) == (300, 50)


def test_levels_alone_are_reset_with_a_warning(run_cli: RunCli, db: Any) -> None:
    insert_momentum(db)

    output = run_cli("momentum", "rollback", "--reset-levels").stdout

    assert db.user_progress.find_one()["level"] == 1
    assert db.user_progress.find_one()["xp"] == 300
    assert "the next award sets a level by the points again" in output


def test_all_four_resets_honour_the_user(run_cli: RunCli, db: Any) -> None:
    for user_id in ("u1", "u2"):
        insert_momentum(db, user_id)

    run_cli("momentum", "rollback", "--reset-all-users", "--user-id", "u1")

    progress = {document["user_id"]: document for document in db.user_progress.find()}
    assert [progress["u1"][name] for name in ("xp", "level", "current_streak")] == [0, 1, 0]
    assert [progress["u2"][name] for name in ("xp", "level", "current_streak")] == [300, 3, 4]
    assert [document["user_id"] for document in db.user_achievements.find()] == ["u2"]


def test_the_table_of_levels_is_replaced_after_it_was_saved(run_cli: RunCli, db: Any) -> None:
    run_cli("momentum", "init-levels")
    db.momentum_levels.update_one({"_id": 5}, {"$set": {"xp": 1}})
    db.momentum_levels.insert_one({"_id": 21, "xp": 90_000})
    changed = digest(db, "momentum_levels")

    run_cli("momentum", "rollback", "--reset-default-levels")

    assert db.momentum_levels.count_documents({}) == 20
    assert db.momentum_levels.find_one({"_id": 5})["xp"] == 800
    (path,) = Path().glob("levels_backup_*.json")
    run_cli("momentum", "restore", str(path))
    assert digest(db, "momentum_levels") == changed


def test_example_44_keep_structure_or_a_user_alone_is_not_an_operation(
    run_cli: RunCli, db: Any
) -> None:
    insert_momentum(db, "u1")
    before = digest(db)
    for flags in ((), ("--keep-structure",), ("--user-id", "u1"), ("--yes",)):
        output = run_cli("momentum", "rollback", *flags, code=2).stdout
        assert "Usage: chesscoach momentum rollback" in output
        assert output.endswith(
            "No operations specified. Please specify at least one operation to perform.\n"
        )
    assert digest(db) == before


def test_an_unknown_user_is_refused_before_the_backup(run_cli: RunCli, db: Any) -> None:
    insert_momentum(db)
    before = digest(db)

    error = run_cli(
        "momentum", "rollback", "--backup", "--user-id", "u9", "--reset-points", code=1
    ).stderr

    assert "ERROR: User ID u9 not found in the database." in error
    assert digest(db) == before
    assert list(Path().glob("*backup*")) == []
    assert db.admin_log.count_documents({}) == 0


def test_a_purge_of_one_user_is_wrong_usage(run_cli: RunCli, db: Any) -> None:
    insert_momentum(db)

    error = run_cli("momentum", "rollback", "--purge", "--user-id", "ann", "--yes", code=2).stderr

    assert "--purge concerns all users" in error
    assert db.momentum_events.count_documents({}) == 1


def test_while_the_checks_run_no_command_changes_anything(run_cli: RunCli, db: Any) -> None:
    insert_momentum(db)
    backup = run_cli("momentum", "rollback", "--backup").stdout
    assert "momentum_backup_" in backup
    before = digest(db)
    with renewed_lease(db):
        for arguments in (
            ("rollback", "--reset-points"),
            ("rollback", "--purge", "--yes"),
            ("restore", str(only_backup(Path()))),
        ):
            error = run_cli("momentum", *arguments, code=75).stderr
            assert "momentum is busy: momentum:x on h, pid 1" in error
    assert digest(db) == before
    assert db.admin_log.count_documents({}) == 1
