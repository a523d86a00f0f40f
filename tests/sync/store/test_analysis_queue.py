from datetime import UTC, datetime, timedelta
from typing import Any

from chesscoach.context import Context
from tests.conftest import NOON


async def test_an_item_has_the_applications_shape_and_is_there_once(ctx: Context, db: Any) -> None:
    await ctx.sync.analysis_queue.add("ann", {"q1": "g1"}, NOON)
    db.analysis_queue.update_one({}, {"$set": {"status": "processing"}})
    await ctx.sync.analysis_queue.add("ann", {"q1": "g1", "q2": "g2"}, NOON)
    await ctx.sync.analysis_queue.add("ann", {}, NOON)

    assert await ctx.sync.analysis_queue.find_queued(["q1", "q2", "q3"]) == {"q1", "q2"}
    rows = {row.pop("queue_id"): row for row in db.analysis_queue.find({}, {"_id": 0})}
    assert rows["q1"]["status"] == "processing"
    assert rows["q2"] == {
        "user_id": "ann",
        "game_id": "g2",
        "status": "pending",
        "priority": 0,
        "created_at": NOON.isoformat(),
        "started_at": None,
        "completed_at": None,
        "error": None,
    }


async def test_the_allowance_is_of_the_utc_day_and_of_the_user(ctx: Context) -> None:
    midnight = datetime(2026, 11, 21, tzinfo=UTC)
    just_before, last = midnight - timedelta(microseconds=1), midnight + timedelta(hours=23.99)
    queue = ctx.sync.analysis_queue
    await queue.add("ann", {"q1": "g1"}, just_before)
    await queue.add("ann", {"q2": "g2"}, midnight)
    await queue.add("ann", {"q3": "g3"}, last)
    await queue.add("bob", {"q4": "g4"}, midnight)

    assert await queue.remaining_today("ann", midnight, 3) == 1
    assert await queue.remaining_today("ann", just_before, 3) == 2
    assert await queue.remaining_today("ann", last, 2) == 0
    assert await queue.remaining_today("ann", last + timedelta(hours=1), 0) == 0
    assert await queue.remaining_today("nobody", midnight, 15) == 15
