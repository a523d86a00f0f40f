"""The overview: each schedule's state in words, its last and next slot, and the timeline."""

from datetime import UTC, datetime, timedelta
from typing import Any

from chesscoach.context import Context
from chesscoach.worker.scheduler import schedule_admin
from tests.conftest import NOON, Clock
from tests.web.dashboard.conftest import OpenDashboard, add_schedule, insert_run, words_of

HOUR = timedelta(hours=1)


async def test_each_schedule_has_its_state_in_words(
    board: Context, open_dashboard: OpenDashboard, db: Any
) -> None:
    for schedule in ("fine", "failing_one", "late_one", "busy"):
        await add_schedule(board, schedule)
    stopped = await add_schedule(board, "stopped")
    await schedule_admin.pause_schedule(board.worker, stopped, "moving house")
    insert_run(db, "fine", NOON)
    error = {"user_id": "bob", "error": "Chess.com answered 429"}
    insert_run(db, "failing_one", NOON, outcome="failed", failed=3, errors=[error])
    lane = {"$set": {"closed_until": datetime(2031, 5, 1, tzinfo=UTC)}}
    db.job_leases.update_one({"_id": "lane:chess.com"}, lane, upsert=True)
    week = {"user_id": "bob", "week": "2026-W42", "state": "unknown"}
    db.email_outbox.insert_one(
        {"_id": "weekly_summary:bob:2026-W42", "kind": "weekly_summary", **week}
    )
    insert_run(db, "late_one", NOON - 2 * HOUR)
    insert_run(db, "busy", NOON, outcome="running", finished_at=None, done=3)
    words = words_of(await (await open_dashboard())("/"))
    assert "5 schedules: 1 late, 1 failing, 1 paused; 1 run in progress." in words
    assert "fine ✓ active" in words
    assert "failing_one ✕ failing" in words
    assert "late_one ✕ late by 1 h" in words
    assert "busy ▶ running" in words
    assert "stopped ❚❚ paused moving house" in words
    for matter in (
        "Look at Chess.com breaker open : no request is sent before 2031-05-01 00:00:00 UTC",
        "1 email unknown : may or may not have arrived",
        "late_one late : due since 2026-10-21 11:00:00 UTC, 1 h ago",
        "failing_one failing : 3 of 10 failed; bob: Chess.com answered 429",
    ):
        assert matter in words, words
    assert "3 done of 10" in words


async def test_the_next_slot_is_in_utc_and_in_the_zone_of_its_schedule(
    board: Context, open_dashboard: OpenDashboard, db: Any
) -> None:
    await add_schedule(board, "morning", cron="30 6 * * *", timezone="America/New_York")
    words = words_of(await (await open_dashboard())("/"))
    assert "2026-10-22 10:30:00 UTC Thu 06:30:00 America/New_York" in words


async def test_lateness_is_shown(board: Context, open_dashboard: OpenDashboard, db: Any) -> None:
    await add_schedule(board, "slow")
    insert_run(db, "slow", NOON, started_at=NOON + timedelta(seconds=75), lateness_s=75.0)
    assert "2026-10-21 12:01:15 UTC, 1 min 15 s late" in words_of(
        await (await open_dashboard())("/")
    )


async def test_the_timeline_has_runs_overlaps_misses_and_coming_slots(
    board: Context, open_dashboard: OpenDashboard, db: Any
) -> None:
    await add_schedule(board, "twice", max_instances=2)
    insert_run(db, "twice", NOON)
    insert_run(db, "twice", NOON - HOUR, finished_at=NOON + HOUR / 2)
    insert_run(db, "twice", NOON - 2 * HOUR, outcome="missed", reason="its grace had passed")
    insert_run(db, None, NOON - HOUR / 2)
    page = (await (await open_dashboard())("/")).text
    assert 'aria-label="twice: 2 succeeded, 1 missed, 1 overlapping, 6 coming"' in page
    assert 'aria-label="manual runs: 1 succeeded"' in page


async def test_a_record_that_cannot_be_read_is_counted_and_hides_no_other(
    board: Context, open_dashboard: OpenDashboard, db: Any
) -> None:
    await add_schedule(board, "odd")
    insert_run(db, "odd", NOON, done="many")
    odd = insert_run(db, "odd", NOON - HOUR)
    db.job_runs.update_one({"_id": odd}, {"$set": {"slot": "yesterday"}})
    insert_run(db, "odd", NOON - 2 * HOUR)
    words = words_of(await (await open_dashboard())("/"))
    assert "1 record cannot be read" in words
    assert "2026-10-21 10:00:00 UTC" in words


async def test_what_an_operator_changes_is_there_after_the_redirect(
    board: Context, open_dashboard: OpenDashboard, clock: Clock
) -> None:
    await add_schedule(board, "mine")
    ask = await open_dashboard()
    assert "mine ✕ late" in words_of(await ask("/"))
    unusable = {"revision": "9" * 5000, "reason": "maintenance"}
    assert (await ask("/schedules/mine/pause", method="POST", data=unusable)).status == 428
    form = {"revision": "1", "reason": "maintenance"}
    answer = await ask("/schedules/mine/pause", method="POST", data=form, allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (303, "/schedules/mine?done=paused")
    assert "mine ❚❚ paused maintenance" in words_of(await ask("/"))
