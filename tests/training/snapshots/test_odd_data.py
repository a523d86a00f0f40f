"""Documents of odd types and forms: they are no lesson and no minute, and end no run."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from bson import BSON, Decimal128
from bson.raw_bson import RawBSONDocument

from tests.support.processes import run
from tests.support.training.scenario import TrainingScenario, utc

JOB = "chesscoach.jobs.snapshots"
NOW = "2026-03-16T00:05:00Z"
DAY = "2026-03-15"
NAN = float("nan")
MOVE = {"move_number": 1, "evaluation": "blunder", "cp_loss": 300}


def add_lesson_and_puzzle(training: TrainingScenario, user_id: str) -> None:
    """One good analysis and one solved puzzle of a minute, on the day."""
    training.analyse(user_id, DAY, 80, blunders=2)
    training.attempt(user_id, DAY, solved=True, seconds=60)


def insert_bytes(collection: Any, document: dict[str, Any], old: bytes, new: bytes) -> None:
    """Inserts a document with some of its bytes replaced by as many others."""
    assert len(old) == len(new)
    collection.insert_one(RawBSONDocument(bytes(BSON.encode(document)).replace(old, new)))


async def test_odd_documents_of_a_player_count_as_nothing(
    environment: dict[str, str], training: TrainingScenario
) -> None:
    training.add_player("odd")
    training.add_player("well")
    add_lesson_and_puzzle(training, "odd")
    add_lesson_and_puzzle(training, "well")
    at, db = utc(DAY), training.db
    accuracies: list[Any] = [-5, 0, NAN, float("inf"), "80", [80], {"of": 80}, None, True, 180]
    for accuracy in accuracies:
        training.analyse("odd", DAY, accuracy)
    for moves in ([], [MOVE] * 2, {"0": MOVE, "1": MOVE, "2": MOVE}, "moves", None, [1, "x", None]):
        engine = {"accuracy": 90, "move_evaluations": moves}
        training.analyse("odd", DAY, stockfish_analysis=engine)
    theirs = {**MOVE, "is_opponent_move": True}
    engine = {"accuracy": 99, "move_evaluations": [theirs] * 5 + [MOVE]}
    training.analyse("odd", DAY, stockfish_analysis=engine)
    training.analyse("odd", DAY, stockfish_failed=True)
    training.analyse("odd", DAY, stockfish_analysis=[engine])
    for created in ("yesterday", "", 20260315, [at], {"at": at}, "2026-15-03T00:00:00"):
        training.analyse("odd", DAY, created_at=created, analyzed_at=created)
    oddities: list[Any] = [[60_000], "60000", NAN, -60_000, True, {}]
    for spent in oddities:
        training.application.attempt_puzzle("odd", at, time_taken_ms=spent, time_taken_seconds=[1])
    db.puzzle_attempts.insert_many(
        {"user_id": user, "created_at": when, "success": "yes", "time_taken_ms": 60_000}
        for user, when in (("odd", "noon"), ("odd", [at]), (["odd"], at), (7, at), (None, at))
    )
    for minutes in ("30", [30], NAN, -30, True, None):
        db.training_sessions.insert_one(
            {"user_id": "odd", "local_date": DAY, "status": "completed", "actual_min": minutes}
        )
    db.games.insert_many(
        [
            {"user_id": "odd", "game_id": 7, "pgn": [1], "imported_at": at, "platform": "lichess"},
            {"user_id": "odd", "game_id": "g", "pgn": {"a": 1}, "imported_at": {}, "ended_at": []},
            {"user_id": "odd", "game_id": "h", "user_rating": [9], "ended_at": at, "result": NAN},
            {"user_id": "odd", "game_id": "i", "ended_at": datetime.max.replace(tzinfo=UTC)},
        ]
    )

    done = await run(environment, JOB, "--now", NOW, "--json")

    assert (done.code, done.record["done"], done.record["failed"]) == (0, 2, 0), done
    figures = training.figures(DAY, "odd")
    assert figures == training.figures(DAY, "well")
    assert training.snapshot(DAY, "odd")["accuracy_avg"] == 80
    assert training.snapshot(DAY, "odd")["blunders_per_game"] == 2
    assert "documents_unreadable" in done.err


async def test_an_impossible_zone_is_the_default_one(training: TrainingScenario) -> None:
    training.change_settings(timezone="Asia/Kolkata")
    invalid: list[Any] = ["Mars/Phobos", "../../etc/passwd", "europe/berlin", ["UTC"], 7, NAN]
    for number, timezone in enumerate(invalid):
        training.add_player(f"u{number}", timezone)
    training.add_player("empty", "")
    training.add_player("none", None)
    training.add_player("berlin", "Europe/Berlin")

    result = await training.snap("2026-03-15T19:00:00Z")  # the 16th in Kolkata

    zones = {
        item["user_id"]: (item["tz"], item["tz_source"], item["local_date"])
        for item in training.db.performance_snapshots.find().sort("local_date", 1)
    }
    assert zones == {
        **{f"u{number}": ("Asia/Kolkata", "invalid", DAY) for number in range(len(invalid))},
        "empty": ("Asia/Kolkata", "default", DAY),
        "none": ("Asia/Kolkata", "default", DAY),
        "berlin": ("Europe/Berlin", "user", "2026-03-14"),
    }
    assert result.record["notes"]["invalid_timezones"] == len(invalid)


async def test_odd_progress_is_that_of_a_beginner(training: TrainingScenario) -> None:
    oddities: list[Any] = [[5], "5", NAN, -5, {}, None, 2**62, Decimal128("5"), True]
    for number, value in enumerate(oddities):
        training.add_player(f"u{number}", xp=value, level=value, current_streak=value)

    await training.snap(NOW)

    for number in range(len(oddities)):
        snapshot = training.snapshot(DAY, f"u{number}")
        assert (snapshot["xp"], snapshot["level"], snapshot["streak"]) == (0, 1, 0)


async def test_of_two_progress_documents_the_oldest_counts(training: TrainingScenario) -> None:
    training.add_player("u1", xp=700, level=4)
    training.application.start_progress("u1", xp=5)
    training.application.start_progress("u0", xp=9)  # no user

    await training.snap(NOW)

    assert training.snapshot(DAY, "u1")["xp"] == 700
    assert training.snapshot(DAY, "u0")["xp"] == 9


async def test_a_linked_account_in_either_spelling_makes_a_player(
    training: TrainingScenario,
) -> None:
    register = training.application.register
    register("newer", chess_com_username="x")
    register("older", chesscom_username="x")
    register("lichess", lichess_username="x")
    register("blank", lichess_username=" ", chess_com_username="")
    register("nobody")

    result = await training.snap(NOW)

    assert result.record["done"] == 3
    assert set(training.db.performance_snapshots.distinct("user_id")) == {
        "newer", "older", "lichess",
    }  # fmt: skip


async def test_texts_and_dates_in_every_form_are_the_same_instant(
    training: TrainingScenario,
) -> None:
    training.add_player(timezone="America/New_York")
    forms: list[Any] = [
        datetime(2026, 3, 15, 4, 0, tzinfo=UTC),
        "2026-03-15T04:00:00.000000+00:00",
        "2026-03-15T04:00:00Z",
        "2026-03-15T04:00:00",
        "2026-03-15 04:00:00",
        "2026-03-15T00:00:00-04:00",
        "2026-03-15T09:30:00+05:30",
    ]
    for form in forms:
        training.analyse("u1", DAY, created_at=form)
        training.application.attempt_puzzle("u1", utc(DAY), attempted_at=form, seconds=60)

    await training.snap("2026-03-16T04:05:00Z")

    assert training.figures(DAY)[3:] == (len(forms), float(len(forms)))
    assert training.figures("2026-03-14")[3:] == (0, 0)


async def test_texts_that_are_not_utf_8_do_not_end_a_run(training: TrainingScenario) -> None:
    training.add_player("u1")
    add_lesson_and_puzzle(training, "u1")
    analysis = training.db.game_analyses.find_one({}, {"_id": 0})
    insert_bytes(training.db.game_analyses, {**analysis, "game_id": "XX"}, b"XX", b"\xff\xfe")
    insert_bytes(training.db.users, {"user_id": "u2", "timezone": "XX"}, b"XX", b"\xff\xfe")
    insert_bytes(training.db.user_progress, {"user_id": "uXX"}, b"XX", b"\xff\xfe")
    training.application.start_progress("u2")

    result = await training.try_run_snapshots(NOW)

    assert training.figures(DAY, "u1")[3] == 2
    assert training.snapshot(DAY, "u2")["tz_source"] == "invalid"
    assert result.record["done"] >= 2


async def test_only_the_player_whose_snapshot_cannot_be_written_fails(
    environment: dict[str, str], training: TrainingScenario
) -> None:
    for number in range(9):
        training.add_player(f"u{number}")
    training.db.performance_snapshots.create_index("legacy", unique=True, sparse=True, name="old")
    training.db.command("collMod", "performance_snapshots", validator={"user_id": {"$ne": "u4"}})

    done = await run(environment, JOB, "--now", NOW, "--json")

    record = done.record
    assert (record["outcome"], record["done"], record["failed"]) == ("partial", 8, 1), done
    assert [error["user_id"] for error in record["errors"]] == ["u4"]
    training.db.command("collMod", "performance_snapshots", validator={})
    training.db.performance_snapshots.drop_index("old")
    assert sorted(training.db.performance_snapshots.distinct("user_id")) == [
        f"u{number}" for number in range(9) if number != 4
    ]


async def test_a_player_with_more_attempts_than_a_document_holds_is_named(
    training: TrainingScenario,
) -> None:
    training.add_player("u1")
    training.add_player("u2")
    at = utc(DAY) - timedelta(hours=3)
    training.db.puzzle_attempts.insert_many(
        {"user_id": "u1", "created_at": at, "time_taken_ms": "x" * 9000} for _ in range(1900)
    )

    result = await training.try_run_snapshots(NOW)

    assert (result.record["done"], result.record["failed"]) == (1, 1)
    assert [error["user_id"] for error in result.record["errors"]] == ["u1"]


async def test_players_with_an_array_in_place_of_a_number_are_named(
    environment: dict[str, str], training: TrainingScenario
) -> None:
    users = ("accuracy", "engine", "moves", "progress", "puzzle", "session", "well")
    for user_id in users:
        training.add_player(user_id)
        add_lesson_and_puzzle(training, user_id)
    array: Any = [80]
    training.analyse("accuracy", DAY, array)
    training.analyse("accuracy", DAY, -5)
    training.analyse("engine", DAY, stockfish_analysis="deep")
    training.analyse("moves", DAY, stockfish_analysis={"accuracy": 80, "move_evaluations": "e4"})
    training.db.training_sessions.insert_one(
        {"user_id": "session", "local_date": DAY, "status": "completed", "actual_min": [30]}
    )
    training.application.attempt_puzzle("puzzle", utc(DAY), time_taken_ms=[1, 2])
    training.db.user_progress.update_one({"user_id": "progress"}, {"$set": {"xp": [1, 2]}})

    done = await run(environment, JOB, "--now", NOW, "--json")

    logged = [json.loads(line) for line in done.err.splitlines() if line.startswith("{")]
    named = {
        event["collection"]: sorted(event["users"])
        for event in logged
        if event["event"] == "documents_unreadable"
    }
    assert (done.code, done.record["done"], done.record["failed"]) == (0, len(users), 0)
    assert named == {
        "game_analyses": ["accuracy", "engine", "moves"], "puzzle_attempts": ["puzzle"],
        "training_sessions": ["session"], "user_progress": ["progress"],
    }  # fmt: skip
    assert {error["user_id"]: error["error"] for error in done.record["errors"]} == {
        user: f"documents that cannot be read: {collection}"
        for collection, named_users in named.items()
        for user in named_users
    }
    assert [training.figures(DAY, user)[3] for user in users] == [1] * len(users)
