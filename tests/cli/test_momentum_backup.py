"""`momentum rollback --backup`, `--purge` and `restore`."""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bson
import pytest
from bson import Decimal128, Int64

from tests.cli.conftest import RunCli
from tests.support.momentum.admin_data import (
    COUNTERS,
    EMPTY_ON_PURGE,
    digest,
    insert_event,
    insert_momentum,
    only_backup,
)
from tests.support.processes import run

RunCliJson = Callable[..., Any]


ODD_PROGRESS: list[dict[str, Any]] = [
    {"user_id": "odd1", "xp": Int64(5), "level": 2.0, "weekly_key": None},
    {"level": 1, "user_id": "odd2", "xp": 5, "nested": {"b": 1, "a": {"z": [1, 2.5, None]}}},
    {"user_id": "odd3", "xp": Decimal128("1.10"), "last_activity_date": "2026-10-20T10:00:00Z"},
    {"user_id": "odd4", "xp": float("nan"), "last_activity_date": datetime(1, 1, 1, tzinfo=UTC)},
    {"user_id": "odd4", "xp": None, "blob": bson.Binary(b"\x00\xff", 5), "code": bson.Code("x")},
    {"user_id": "odd5", "re": bson.Regex("a.b", "i"), "at": bson.Timestamp(5, 6)},
    {"user_id": "odd6", "pretends": {"$date": "soon"}, "key$": {"$oid": 5}},
    {"user_id": "odd7", "far": bson.DatetimeMS(1 << 60), "min": bson.MinKey()},
    {"_id": 7, "user_id": "odd8", "text": 'a\u2028b\n"c\\ \U0001f600'},
    {"_id": {"a": 1, "b": 2}, "user_id": "odd8"},
    {"_id": "text", "user_id": "odd8", "ref": bson.DBRef("users", 1), "list": []},
    {"user_id": "odd9", "xp": 5, "$set": {"xp": 7}, "": 1, "a.b": 2},
]


def test_example_43_a_purge_is_undone_by_its_backup_byte_for_byte(run_cli: RunCli, db: Any) -> None:
    run_cli("momentum", "init")
    for user_id in ("ann", "bob"):
        insert_momentum(db, user_id)
    db.user_progress.insert_many(ODD_PROGRESS)
    before = digest(db)

    purged = run_cli("momentum", "rollback", "--backup", "--purge", "--keep-structure", stdin="y\n")

    for name in EMPTY_ON_PURGE:
        assert db[name].count_documents({}) == 0
    for document in db.user_progress.find({"user_id": {"$in": ["ann", "odd2"]}}):
        assert [document[name] for name in COUNTERS] == [0, 0, 0, 0]
        assert "level" not in document
        assert "weekly_key" not in document
    assert "user_achievements: 2 documents (belongs to the application)" in purged.stderr
    assert "user_progress: points, level and streak of 14 documents" in purged.stderr
    assert "momentum_events: 2 documents\n" in purged.stderr
    db.user_achievements.insert_one({"user_id": "ann", "achievement_id": "since_then"})
    db.user_progress.delete_one({"user_id": "odd5"})
    db.user_progress.insert_one({"_id": 6, "user_id": "since_then"})

    path = only_backup(Path())
    run_cli("momentum", "restore", str(path))
    run_cli("momentum", "restore", str(path))

    assert digest(db) == before
    assert path.stat().st_mode & 0o777 == 0o600
    logged = [(each["command"], each["backup_file"]) for each in db.admin_log.find()]
    assert logged[1] == ("rollback", str(path.absolute()))
    assert [command for command, _ in logged] == ["init", "rollback", "restore", "restore"]


def test_a_backup_is_one_json_object_of_canonical_documents(run_cli: RunCli, db: Any) -> None:
    insert_momentum(db)

    run_cli("momentum", "rollback", "--backup")

    backup = json.loads(only_backup(Path()).read_text())
    assert list(backup) == [
        "format_version", "created_at", "scope", "table_data", "column_data", "counts",
    ]  # fmt: skip
    assert backup["scope"]["user_id"] is None
    assert backup["created_at"] == "2026-10-21T12:00:00+00:00"
    (event,) = backup["table_data"]["momentum_events"]
    assert event["points"] == {"$numberInt": "15"}
    assert event["ts"] == {"$date": {"$numberLong": "1792584000000"}}
    assert list(event) == backup["column_data"]["momentum_events"]
    assert backup["counts"]["user_progress"] == 1
    assert list(Path().glob(".*tmp")) == []


def test_a_second_backup_of_the_same_second_replaces_none(run_cli: RunCli, db: Any) -> None:
    insert_momentum(db)
    for _ in range(2):
        run_cli("momentum", "rollback", "--backup")

    assert sorted(path.name for path in Path().glob("*.json")) == [
        "momentum_backup_20261021_120000.json",
        "momentum_backup_20261021_120000_2.json",
    ]


def test_the_backup_of_one_user_has_that_user_alone_and_restores_no_other(
    run_cli: RunCli, db: Any
) -> None:
    for user_id in ("ann", "bob"):
        insert_momentum(db, user_id)
    db.user_progress.insert_one({"user_id": "ann", "games_imported": 1})
    of_ann = [list(db[name].find({"user_id": "ann"})) for name in EMPTY_ON_PURGE[2:6]]
    progress = list(db.user_progress.find({"user_id": "ann"}))

    run_cli("momentum", "rollback", "--backup", "--user-id", "ann", "--reset-all-users")
    path = only_backup(Path())
    db.user_progress.update_one({"user_id": "bob"}, {"$set": {"xp": 301}})
    insert_event(db, "ann", "later", 5)
    of_bob = list(db.user_progress.find({"user_id": "bob"}))
    run_cli("momentum", "restore", str(path))

    assert "bob" not in path.read_text()
    assert list(db.user_progress.find({"user_id": "ann"})) == progress
    assert [list(db[name].find({"user_id": "ann"})) for name in EMPTY_ON_PURGE[2:6]] == of_ann
    assert list(db.user_progress.find({"user_id": "bob"})) == of_bob
    assert db.momentum_events.count_documents({"user_id": "bob"}) == 1


def test_restoring_streams_more_documents_than_a_page(run_cli: RunCli, db: Any) -> None:
    insert_momentum(db)
    db.momentum_events.insert_many(
        [{"_id": f"puzzle_solved|ann|{n:04}", "user_id": "ann", "points": n} for n in range(2500)]
    )
    before = digest(db)
    run_cli("momentum", "rollback", "--backup")
    db.momentum_events.delete_many({"points": {"$lt": 1200}})
    db.momentum_events.insert_many(
        [{"_id": key} for key in ("a", "puzzle_solved|ann|1500b", "z", *range(1100))]
    )

    run_cli("momentum", "restore", str(only_backup(Path())))

    assert digest(db) == before


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text.rsplit('"counts"', 1)[0],
        lambda text: text.replace('"user_id": "ann"', '"user_id": "ann', 1),
        lambda text: text.replace('{"_id": "ann|week|2026-W42"', '{"id": "ann|week|2026-W42"'),
        lambda text: text.replace('"format_version": 2', '"format_version": 1'),
        lambda text: text.replace("momentum_events", "users"),
        lambda text: '{"column_data": {}, "table_data": {}}',
        lambda text: "",
    ],
)
def test_a_damaged_file_changes_nothing(
    run_cli: RunCli, db: Any, damage: Callable[[str], str]
) -> None:
    insert_momentum(db)
    run_cli("momentum", "rollback", "--backup")
    path = only_backup(Path())
    text = path.read_text()
    path.write_text(damage(text))
    assert path.read_text() != text
    db.momentum_events.delete_many({})
    before = digest(db)

    error = run_cli("momentum", "restore", str(path), code=1).stderr

    assert "cannot be restored" in error
    assert digest(db) == before


def test_a_file_that_does_not_exist_is_wrong_usage(run_cli: RunCli) -> None:
    assert "does not exist" in run_cli("momentum", "restore", "no.json", code=2).stderr


@pytest.mark.parametrize("answer", ["n\n", "", "yes\n", "\n", "yy\n"])
def test_example_42_a_refused_purge_changes_nothing(run_cli: RunCli, db: Any, answer: str) -> None:
    insert_momentum(db)
    before = digest(db)

    refused = run_cli(
        "momentum", "rollback", "--backup", "--reset-points", "--purge", code=1, stdin=answer
    )

    assert "cancelled: nothing was changed" in refused.stderr
    assert digest(db) == before
    assert list(Path().glob("*backup*")) == []
    assert db.admin_log.count_documents({}) == 0


async def test_example_42_without_a_terminal_a_purge_is_refused(
    environment: dict[str, str], db: Any
) -> None:
    insert_momentum(db)
    before = digest(db)

    refused = await run(environment, "chesscoach.cli", "momentum", "rollback", "--purge")

    assert refused.code == 1
    assert "cancelled: nothing was changed" in refused.err
    assert digest(db) == before


@pytest.mark.new_database
def test_a_purge_without_structure_drops_collections_and_counters(run_cli: RunCli, db: Any) -> None:
    run_cli("db", "init")
    insert_momentum(db)
    run_cli("momentum", "rollback", "--backup")
    before = digest(db)

    output = run_cli("momentum", "rollback", "--purge", "--yes").stdout

    assert set(EMPTY_ON_PURGE) & set(db.list_collection_names()) == {"user_achievements"}
    assert "user_id_1_achievement_id_1" in db.user_achievements.index_information()
    assert db.user_achievements.count_documents({}) == 0
    assert set(db.user_progress.find_one()) == {"_id", "user_id"}
    assert "run `chesscoach db init` before the next check" in output
    run_cli("momentum", "restore", str(only_backup(Path())))
    assert digest(db) == before


def test_a_backup_that_cannot_be_written_stops_the_command(run_cli: RunCli, db: Any) -> None:
    insert_momentum(db)
    before = digest(db)
    Path(f".momentum_backup_20261021_120000.json.{os.getpid()}.tmp").mkdir()

    error = run_cli("momentum", "rollback", "--backup", "--reset-points", code=1).stderr

    assert "the backup cannot be written" in error
    assert digest(db) == before
    assert [each["outcome"] for each in db.admin_log.find()] == ["failed"]
