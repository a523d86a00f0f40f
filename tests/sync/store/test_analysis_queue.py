from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chesscoach.context import Context
from tests.conftest import NOON
from tests.support.user_games import make_user_game

MIDNIGHT = datetime(2026, 11, 21, tzinfo=UTC)


async def test_an_item_has_the_applications_shape_and_is_there_once(ctx: Context, db: Any) -> None:
    first, second = make_user_game(1), make_user_game(2)
    await ctx.sync.analysis_queue.add({"q1": first}, NOON)
    db.analysis_queue.update_one({}, {"$set": {"status": "processing"}})
    await ctx.sync.analysis_queue.add({"q1": first, "q2": second}, NOON)
    await ctx.sync.analysis_queue.add({}, NOON)

    assert await ctx.sync.analysis_queue.find_queued(["q1", "q2", "q3"]) == {"q1", "q2"}
    items = {item.pop("queue_id"): item for item in db.analysis_queue.find({}, {"_id": 0})}
    assert items["q1"]["status"] == "processing"
    assert items["q2"] == {
        "user_id": "ann",
        "game_id": second.game_id,
        "pgn": second.game.pgn,
        "user_color": "white",
        "auto_synced": True,
        "status": "pending",
        "priority": 0,
        "created_at": NOON.isoformat(),
        "queued_at": (NOON + timedelta(microseconds=1)).isoformat(),
        "started_at": None,
        "completed_at": None,
        "error": None,
    }


async def test_the_allowance_is_of_the_utc_day_and_of_the_user(ctx: Context, db: Any) -> None:
    just_before, last = MIDNIGHT - timedelta(microseconds=1), MIDNIGHT + timedelta(hours=23.99)
    queue = ctx.sync.analysis_queue
    await queue.add({"q1": make_user_game(1)}, just_before)
    await queue.add({"q2": make_user_game(2)}, MIDNIGHT)
    await queue.add({"q3": make_user_game(3)}, last)
    await queue.add({"q4": make_user_game(4, "bob")}, MIDNIGHT)
    db.analysis_queue.update_many({}, {"$set": {"status": "completed"}})

    assert await queue.remaining_today("ann", MIDNIGHT, 3) == 1
    assert await queue.remaining_today("ann", just_before, 3) == 2
    assert await queue.remaining_today("ann", last, 2) == 0
    assert await queue.remaining_today("ann", last + timedelta(hours=1), 0) == 0
    assert await queue.remaining_today("unknown", MIDNIGHT, 15) == 15


@pytest.mark.parametrize("status", ["pending", "processing"])
async def test_what_still_waits_counts_whenever_it_was_queued(
    ctx: Context, db: Any, status: str
) -> None:
    queue = ctx.sync.analysis_queue
    await queue.add({"q1": make_user_game(1)}, MIDNIGHT - timedelta(days=3))
    db.analysis_queue.update_one({}, {"$set": {"status": status}})

    assert await queue.remaining_today("ann", MIDNIGHT, 3) == 2


@pytest.mark.parametrize(
    "times",
    [
        {"queued_at": MIDNIGHT.isoformat()},
        {"queued_at": MIDNIGHT + timedelta(hours=3)},
        {"created_at": MIDNIGHT},
        {"created_at": (MIDNIGHT - timedelta(days=9)).isoformat(), "queued_at": MIDNIGHT},
    ],
)
async def test_the_applications_own_items_of_the_day_count(
    ctx: Context, db: Any, times: dict[str, Any]
) -> None:
    queue = ctx.sync.analysis_queue
    theirs = {"game_id": "g1", "user_id": "ann", "status": "completed", **times}
    db.analysis_queue.insert_one(theirs)

    assert await queue.remaining_today("ann", MIDNIGHT + timedelta(hours=9), 3) == 2
    assert await queue.remaining_today("ann", MIDNIGHT + timedelta(days=1), 3) == 3
