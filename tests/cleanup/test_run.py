"""A run of the cleanup: what each rule deletes, notes and logs."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId

from chesscoach.cleanup.run import RULES
from chesscoach.context import Context
from chesscoach.errors import ConfigError
from chesscoach.jobs import cleanup
from chesscoach.worker.shutdown import ShutdownRequest
from tests.support.cleanup_documents import (
    DAY,
    INVALID_TIMESTAMPS,
    MS,
    RULE_CASES,
    TIMESTAMP_FORMATS,
    US,
    RuleCase,
    queue_item,
)
from tests.support.cleanup_runs import run_cleanup, with_limits

NOW = datetime(2026, 11, 21, 3, 0, 0, 123456, tzinfo=UTC)


def insert_cases(db: Any, kind: RuleCase) -> tuple[set[object], set[object]]:
    """Documents around the limit in every form: the ids of expired ones, and of the others."""
    expired: set[object] = set()
    kept: set[object] = set()
    documents = []
    limit = NOW - kind.age
    near = (-366 * DAY, -DAY, -MS, -US, 0 * US, US, MS, DAY, 366 * DAY)
    for name, form in TIMESTAMP_FORMATS.items():
        for delta in near:
            value = form(limit + delta)
            # A form cuts off what it cannot hold, so a document may seem a little older.
            exact = limit + delta
            if name in ("date", "milliseconds"):
                exact = exact.replace(microsecond=exact.microsecond // 1000 * 1000)
            is_expired = exact < limit or (kind.inclusive and exact == limit)
            (expired if is_expired else kept).add(f"{name} {delta}")
            documents.append({"_id": f"{name} {delta}", **kind.document(value)})
    db[kind.collection].insert_many(documents)
    return expired, kept


def stored_ids(db: Any, kind: RuleCase) -> set[object]:
    return {document["_id"] for document in db[kind.collection].find({}, {"_id": 1})}


@pytest.mark.parametrize("name", RULE_CASES)
async def test_exactly_the_expired_documents_are_deleted_in_every_form(
    fixed_context: Context, db: Any, name: str
) -> None:
    kind = RULE_CASES[name]
    expired, kept = insert_cases(db, kind)
    assert len(expired) >= 40
    assert len(kept) >= 40

    first, _ = await run_cleanup(fixed_context, rule=kind.rule)
    assert stored_ids(db, kind) == kept
    assert first.notes == {f"deleted_{kind.rule}": len(expired)}
    assert (first.candidates, first.done, first.failed) == (1, 1, 0)

    second, _ = await run_cleanup(fixed_context, rule=kind.rule)
    assert stored_ids(db, kind) == kept
    assert second.notes == {f"deleted_{kind.rule}": 0}


@pytest.mark.parametrize("name", RULE_CASES)
async def test_invalid_timestamps_are_never_deleted_and_logged_once(
    fixed_context: Context, db: Any, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    kind = RULE_CASES[name]
    odd = [value for value in INVALID_TIMESTAMPS if kind.field != "started_at" or value is not None]
    db[kind.collection].insert_many([kind.document(value) for value in odd])
    if kind.field != "started_at":
        db[kind.collection].insert_one({**queue_item(), **kind.others})  # without the field
        odd.append(None)
    db[kind.collection].insert_one(kind.document("2020-01-01T00:00:00Z"))
    before = stored_ids(db, kind)

    counts, _ = await run_cleanup(fixed_context, rule=kind.rule)

    assert len(stored_ids(db, kind)) == len(before) - 1
    assert counts.notes == {f"deleted_{kind.rule}": 1, f"invalid_{kind.rule}": len(odd)}
    lines = [
        line
        for line in capsys.readouterr().out.splitlines()
        if "cleanup_invalid_timestamps" in line
    ]
    assert len(lines) == 1


async def test_documents_that_no_rule_is_for_stay(fixed_context: Context, db: Any) -> None:
    old = "2020-01-01T00:00:00Z"
    db.notifications.insert_many(
        [{"read": value, "created_at": old} for value in (False, None, "true", 1)]
    )
    db.analysis_queue.insert_many(
        [queue_item(status=status, created_at=old) for status in ("completed", "failed", None)]
        + [queue_item(status="processing", created_at=old, started_at=NOW.isoformat())]
    )
    db.email_outbox.insert_many(
        [{"_id": state, "state": state, "finished_at": None, "created_at": NOW - 9999 * DAY}
         for state in ("pending", "sending", "unknown")]
    )  # fmt: skip

    counts, _ = await run_cleanup(fixed_context)

    assert counts.notes == {f"deleted_{name}": 0 for name in RULES}
    assert db.notifications.count_documents({}) == 4
    assert db.analysis_queue.count_documents({}) == 4
    assert db.email_outbox.count_documents({}) == 3


async def test_documents_with_ids_of_several_types_are_all_visited(
    fixed_context: Context, db: Any
) -> None:
    keys: list[Any] = [
        ObjectId(), ObjectId(), "a", "$b", "z", 1, 2.5, -7, {"k": 1}, {"k": "$x"}, b"bin", NOW,
        True, None,
    ]  # fmt: skip
    old = {"expires_at": "2020-01-01T00:00:00Z"}
    for spread in range(3):
        more = [f"${spread} {n}" for n in range(12)] + [ObjectId() for _ in range(12)]
        db.user_sessions.insert_many([{"_id": key, **old} for key in more])
    db.user_sessions.insert_many([{"_id": key, **old} for key in keys])
    db.user_sessions.insert_many([{"expires_at": "soon"} for _ in range(25)])

    counts, _ = await run_cleanup(fixed_context, rule="sessions")

    assert counts.notes == {"deleted_sessions": len(keys) + 72, "invalid_sessions": 25}
    assert db.user_sessions.count_documents({}) == 25


async def test_the_limit_leaves_the_rest_to_the_next_run_and_notes_it(
    fixed_context: Context, db: Any
) -> None:
    db.user_sessions.insert_many([{"expires_at": NOW} for _ in range(47)])
    ctx = with_limits(fixed_context, batch=10, max_deletes_per_run=25)
    first, _ = await run_cleanup(ctx, rule="sessions")
    assert first.notes == {"deleted_sessions": 25, "remaining_sessions": 22}
    second, _ = await run_cleanup(ctx, rule="sessions")
    assert second.notes == {"deleted_sessions": 22}


async def test_a_dry_run_shows_what_would_be_deleted_and_changes_nothing(
    fixed_context: Context, db: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    for kind in RULE_CASES.values():
        db[kind.collection].insert_many([kind.document("2020-01-01T00:00:00Z") for _ in range(5)])
    before = {name: list(db[name].find()) for name in db.list_collection_names()}

    counts, _ = await run_cleanup(fixed_context, dry_run=True, repair_dates=True)

    assert {name: list(db[name].find()) for name in db.list_collection_names()} == before
    would = {key: value for key, value in counts.notes.items() if not key.endswith("_samples")}
    assert would == {
        "would_repair_sessions": 5,
        "would_delete_sessions": 5,
        "would_delete_notifications": 5,
        "would_delete_queue": 10,
        "would_delete_runs": 0,
        "would_delete_outbox": 5,
        "would_delete_schedules": 0,
        "would_delete_snapshots": 0,
    }
    assert len(str(counts.notes["would_delete_queue_samples"]).split(", ")) == 3
    lines = [line for line in capsys.readouterr().out.splitlines() if "would_delete" in line]
    assert len(lines) == len(RULES)


async def test_an_id_that_may_be_a_token_is_not_shown(
    fixed_context: Context, db: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    token = "tok_0123456789abcdefghij"
    db.user_sessions.insert_one({"_id": token, "expires_at": "2020-01-01T00:00:00Z"})
    counts, _ = await run_cleanup(fixed_context, dry_run=True, rule="sessions")
    assert counts.notes["would_delete_sessions"] == 1
    assert token not in capsys.readouterr().out + str(counts.notes)


async def test_texts_become_dates_only_on_demand(fixed_context: Context, db: Any) -> None:
    live = NOW + DAY
    for name, form in TIMESTAMP_FORMATS.items():
        db.user_sessions.insert_one({"_id": name, "expires_at": form(live)})
    db.user_sessions.insert_one({"_id": "expired", "expires_at": (NOW - DAY).isoformat()})
    for number, value in enumerate(INVALID_TIMESTAMPS):
        db.user_sessions.insert_one({"_id": number, "expires_at": value})
    garbage = list(db.user_sessions.find({"_id": {"$type": "int"}}))

    without, _ = await run_cleanup(fixed_context, rule="sessions")
    assert without.notes["deleted_sessions"] == 1
    assert db.user_sessions.count_documents({"expires_at": {"$type": "date"}}) == 2

    counts, _ = await run_cleanup(fixed_context, rule="sessions", repair_dates=True)
    assert counts.notes["repaired_sessions"] == len(TIMESTAMP_FORMATS) - 1
    assert counts.notes["deleted_sessions"] == 0
    for session in db.user_sessions.find({"_id": {"$type": "string"}}):
        assert timedelta(milliseconds=-1) < session["expires_at"] - live < MS, session
    assert list(db.user_sessions.find({"_id": {"$type": "int"}})) == garbage


async def test_snapshots_are_deleted_by_their_day(fixed_context: Context, db: Any) -> None:
    first_kept = NOW.date() - 730 * DAY
    days: Mapping[str, object] = {
        "kept": first_kept.isoformat(),
        "over": (first_kept - DAY).isoformat(),
        "long over": "2001-02-03",
        "no day": "2001-02-30",
        "an instant": "2001-02-03T00:00:00Z",
        "a date": datetime(2001, 2, 3, tzinfo=UTC),
        "nothing": None,
    }
    db.performance_snapshots.insert_many([{"_id": k, "local_date": v} for k, v in days.items()])
    counts, _ = await run_cleanup(fixed_context, rule="snapshots")
    assert counts.notes == {"deleted_snapshots": 2, "invalid_snapshots": 4}
    remaining = {snapshot["_id"] for snapshot in db.performance_snapshots.find()}
    assert remaining == {"kept", "no day", "an instant", "a date", "nothing"}


async def test_an_unknown_rule_is_refused_before_the_run(fixed_context: Context) -> None:
    with pytest.raises(ConfigError, match="rule: invalid enum value 'sesions'"):
        cleanup.JOB.check({"rule": "sesions"})
    with pytest.raises(ConfigError, match="--repair-dates"):
        await run_cleanup(fixed_context, rule="queue", repair_dates=True)


async def test_a_stop_request_takes_effect_between_two_batches(
    fixed_context: Context, db: Any
) -> None:
    stop = ShutdownRequest()
    stop.request()
    db.user_sessions.insert_many([{"expires_at": NOW} for _ in range(30)])
    _, run = await run_cleanup(fixed_context, stop=stop)
    assert run.incomplete
    assert db.user_sessions.count_documents({}) == 30
