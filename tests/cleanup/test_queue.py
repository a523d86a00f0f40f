"""The rule for the analysis queue: which items are stale, and whose they were."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from chesscoach.context import Context
from tests.conftest import Clock
from tests.support.cleanup_documents import DAY, MS, queue_item
from tests.support.cleanup_runs import run_cleanup, with_limits

NOW = datetime(2026, 11, 21, 3, 0, 0, 123456, tzinfo=UTC)


QUEUE_DATES = ("created_at", "queued_at", "started_at", "last_heartbeat", "last_reset_at")


@pytest.mark.parametrize("status", ["pending", "processing"])
async def test_the_newest_instant_of_a_queue_item_decides(
    fixed_context: Context, db: Any, status: str
) -> None:
    limit = NOW - timedelta(hours=24)
    recent, old = limit + MS, limit - MS
    texts = [limit - 300 * DAY, limit - DAY]
    for name in QUEUE_DATES:
        for number, newest in enumerate((recent, old, recent, old)):
            others = {
                other: texts[number % 2].isoformat() for other in QUEUE_DATES if other != name
            }
            value = newest.isoformat() if number < 2 else newest
            for alone in (1, 0):
                fields = {name: value} if alone else {**others, name: value}
                key = f"{name} {number} {alone}"
                db.analysis_queue.insert_one({"_id": key, "status": status, **fields})
    counts, _ = await run_cleanup(fixed_context, rule="queue")
    kept = {f"{name} {n} {alone}" for name in QUEUE_DATES for n in (0, 2) for alone in (1, 0)}
    assert {item["_id"] for item in db.analysis_queue.find()} == kept
    assert counts.notes == {"deleted_queue": 20, "deleted_queue_of_application": 20}


async def test_queue_items_that_go_are_counted_by_whose_they_were(
    fixed_context: Context, db: Any
) -> None:
    old = (NOW - 2 * DAY).isoformat()
    theirs = [{"status": "pending", "queued_at": old, "auto_synced": True} for _ in range(2)]
    ours = [queue_item(status="pending", created_at=old, queued_at=old) for _ in range(3)]
    db.analysis_queue.insert_many([*theirs, *ours])
    planned, _ = await run_cleanup(fixed_context, rule="queue", dry_run=True)
    assert planned.notes["would_delete_queue"] == 5
    assert planned.notes["would_delete_queue_of_application"] == 2
    counts, _ = await run_cleanup(fixed_context, rule="queue")
    assert counts.notes == {"deleted_queue": 5, "deleted_queue_of_application": 2}


async def test_a_queue_item_stays_while_one_of_its_instants_cannot_be_read(
    fixed_context: Context, db: Any
) -> None:
    old = (NOW - 2 * DAY).isoformat()
    db.analysis_queue.insert_many(
        [
            {"_id": 1, "status": "pending", "created_at": old, "queued_at": "soon"},
            {"_id": 2, "status": "pending", "created_at": old, "last_reset_at": [NOW]},
            {"_id": 3, "status": ["pending"], "created_at": old},
            {"_id": 4, "status": "pending", "created_at": "soon", "queued_at": NOW},
            {"_id": 5, "status": "pending", "created_at": old, "started_at": None},
        ]
    )
    counts, _ = await run_cleanup(fixed_context, rule="queue")
    assert counts.notes == {
        "deleted_queue": 1,
        "deleted_queue_of_application": 1,
        "invalid_queue": 3,
    }
    assert [item["_id"] for item in db.analysis_queue.find()] == [1, 2, 3, 4]


async def test_a_stale_item_is_put_back_once_and_the_next_time_deleted(
    fixed_context: Context, db: Any
) -> None:
    ctx = with_limits(fixed_context, requeue_stale=True)
    db.games.insert_one({"game_id": "g", "user_id": "u", "url": "x", "is_analyzed": False})
    stale = {
        **{"queue_id": "q", "user_id": "u", "game_id": "g", "priority": 0, "error": None},
        **{"status": "processing", "created_at": "2020-01-01T00:00:00+00:00"},
        **{"started_at": "2020-01-01T01:00:00+00:00", "completed_at": None},
    }
    db.analysis_queue.insert_one(dict(stale))
    planned, _ = await run_cleanup(ctx, rule="queue", dry_run=True)
    assert planned.notes["would_requeue_queue"] == 1

    first, _ = await run_cleanup(ctx, rule="queue")
    assert first.notes == {"requeued_queue": 1, "deleted_queue": 0}
    waiting = {"status": "pending", "created_at": NOW.isoformat(), "started_at": None}
    item = db.analysis_queue.find_one({}, {"_id": 0})
    assert item == {**stale, **waiting, "requeued": 1}
    assert (await run_cleanup(ctx, rule="queue"))[0].notes == {"deleted_queue": 0}

    later = replace(ctx, now=Clock(NOW + DAY + MS))
    assert (await run_cleanup(later, rule="queue"))[0].notes == {"deleted_queue": 1}
    assert db.analysis_queue.count_documents({}) == 0
    assert db.games.find_one()["is_analyzed"] is False
