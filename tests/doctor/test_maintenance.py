from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from chesscoach.context import Context, utc_now
from chesscoach.doctor import maintenance
from chesscoach.mongo.timestamps import format_instant
from chesscoach.schedules.schedule import Schedule
from chesscoach.worker.scheduler import schedule_admin
from tests.conftest import Clock

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def instant_at(ctx: Context, now: datetime = NOW) -> Context:
    return replace(ctx, now=Clock(now))


@pytest.mark.parametrize(
    ("ahead_s", "level"), [(0, "ok"), (1, "ok"), (60, "warn"), (-60, "warn"), (400, "fail")]
)
async def test_clocks_that_differ_are_a_warning_or_a_failure(
    ctx: Context, ahead_s: int, level: str
) -> None:
    ours = replace(ctx, now=lambda: utc_now() + timedelta(seconds=ahead_s))
    finding = await maintenance.clock(ours)
    assert finding.level == level
    assert (
        finding.what.startswith(
            "the server's clock differs from ours by " + ("-" if ahead_s > 0 else "+")
        )
        or not ahead_s
    )


async def test_an_empty_database_has_no_problem(ctx: Context) -> None:
    for check in (maintenance.timestamps, maintenance.queue, maintenance.jobs):
        assert (await check(ctx)).level == "ok"


async def test_invalid_timestamps_are_counted_with_their_ids(ctx: Context, db: Any) -> None:
    db.user_sessions.insert_many(
        [{"_id": "s1", "expires_at": "soon"}, {"_id": "s2"}, {"_id": "s3", "expires_at": NOW}]
    )
    db.notifications.insert_one({"_id": "n1", "read": True, "created_at": 20261121})
    finding = await maintenance.timestamps(instant_at(ctx))
    assert finding.level == "warn"
    assert "user_sessions 2 (s1, s2)" in finding.what
    assert "notifications 1 (n1)" in finding.what


async def test_sessions_whose_expiry_is_a_text_are_a_warning_with_the_command(
    ctx: Context, db: Any
) -> None:
    db.user_sessions.insert_one({"expires_at": format_instant(NOW + timedelta(days=1))})
    finding = await maintenance.timestamps(instant_at(ctx))
    assert (finding.level, "--repair-dates" in finding.do) == ("warn", True)


async def test_users_with_several_progress_documents_are_a_warning(ctx: Context, db: Any) -> None:
    db.user_progress.insert_many([{"user_id": user} for user in ("ann", "bob", "ann", "cid")])
    finding = await maintenance.progress(ctx)
    assert (finding.level, "user_progress: 1 (ann)" in finding.what) == ("warn", True)

    db.user_progress.delete_one({"user_id": "ann"})
    assert (await maintenance.progress(ctx)).level == "ok"


@pytest.mark.parametrize("form", [format_instant, lambda instant: instant])
async def test_an_item_that_is_pending_for_more_than_a_day_is_a_warning(
    ctx: Context, db: Any, form: Any
) -> None:
    db.analysis_queue.insert_many(
        [
            {"queue_id": "q1", "status": "pending", "created_at": format_instant(NOW)},
            {"queue_id": "q2", "status": "pending", "created_at": form(NOW - timedelta(hours=25))},
            {"queue_id": "q3", "status": "completed", "created_at": "2020-01-01T00:00:00+00:00"},
            {"queue_id": "q4", "status": "pending", "created_at": None},
        ]
    )
    finding = await maintenance.queue(instant_at(ctx))
    assert finding.level == "warn"
    assert "items that have been waiting for more than 24 h: 1, the oldest" in finding.what
    assert "since 2026-11-20T11:00:00Z; the application itself queued 0 of them" in finding.what
    db.analysis_queue.update_one({"queue_id": "q2"}, {"$set": {"last_reset_at": NOW}})
    assert (await maintenance.queue(instant_at(ctx))).level == "ok"


async def test_a_job_without_a_success_for_two_slots_is_a_warning(ctx: Context, db: Any) -> None:
    hourly = Schedule(job="sync_games", cron="0 * * * *")
    config = replace(ctx.config, schedules={"sync_games": hourly})
    began = instant_at(replace(ctx, config=config), NOW - timedelta(hours=5))
    await schedule_admin.sync_from_config(began.worker)
    finding = await maintenance.jobs(instant_at(ctx))
    assert finding.level == "warn"
    assert finding.what.startswith("no success for two slots or more: sync_games;")
    assert "cleanup never" in finding.what
    success = {
        "job": "sync_games",
        "outcome": "succeeded",
        "exit_code": 0,
        "finished_at": NOW - timedelta(minutes=50),
    }
    db.job_runs.insert_one(success)
    finding = await maintenance.jobs(instant_at(ctx))
    assert (finding.level, "sync_games 2026-11-21T11:10:00Z" in finding.what) == ("ok", True)


async def test_users_with_two_different_names_on_chesscom_are_counted(
    ctx: Context, db: Any
) -> None:
    pairs: list[tuple[Any, Any]] = [
        ("Ann", " aNN "),
        ("", "bob"),
        (None, "cid"),
        (7, "dan"),
        (["x"], "eve"),
        ("  ", "fay"),
    ]
    db.users.insert_many(
        {"user_id": f"u{n}", "chess_com_username": newer, "chesscom_username": older}
        for n, (newer, older) in enumerate(pairs)
    )
    assert (await maintenance.usernames(ctx)).level == "ok"
    names = {"chess_com_username": "new", "chesscom_username": "old"}
    db.users.insert_one({"user_id": "two", **names})

    finding = await maintenance.usernames(ctx)

    assert finding.level == "warn"
    assert "chess_com_username and chesscom_username: 1;" in finding.what
