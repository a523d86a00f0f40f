"""Whose day is closed when, again, late, on short and long days, and by more than one process."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from chesscoach.context import Context
from chesscoach.jobs import snapshots
from chesscoach.worker.runner import one_shot, runner
from chesscoach.worker.shard import Shard
from chesscoach.worker.shutdown import ShutdownRequest
from tests.conftest import Clock, scaled_rounds
from tests.support.momentum.killed_run import run_counting_writes
from tests.support.processes import run, start, wait_for_end
from tests.support.training.scenario import TrainingScenario, utc

JOB = "chesscoach.jobs.snapshots"
FIELDS = ("local_date", "final", "lessons_completed_count", "time_spent_minutes_today")


def stored(training: TrainingScenario, *names: str) -> list[tuple[Any, ...]]:
    """Fields of all snapshots, in the order of their ids."""
    found = training.db.performance_snapshots.find().sort("_id", 1)
    return [tuple(item[name] for name in names) for item in found]


def all_documents(training: TrainingScenario) -> list[dict[str, Any]]:
    return list(training.db.performance_snapshots.find().sort("_id", 1))


async def test_a_first_run_closes_three_days_and_a_second_one_changes_nothing(
    training: TrainingScenario,
) -> None:
    training.add_player()
    training.analyse("u1", "2026-03-14")

    first = await training.snap("2026-03-16T00:05:00Z")
    documents = all_documents(training)
    second = await training.snap("2026-03-16T09:05:00Z")

    assert stored(training, *FIELDS) == [
        ("2026-03-13", True, 0, 0),
        ("2026-03-14", True, 1, 0),
        ("2026-03-15", True, 0, 0),
    ]
    assert first.record["notes"]["snapshots_added"] == 3
    assert "snapshots_added" not in second.record["notes"]
    assert all_documents(training) == documents


async def test_one_user_gets_today_so_far_and_it_is_closed_after_midnight(
    training: TrainingScenario,
) -> None:
    training.add_player(xp=10)
    training.add_player("u2")
    training.analyse("u1", "2026-03-16 08:00:00")

    await training.snap("2026-03-16T09:00:00Z", user="u1")
    so_far = training.snapshot("2026-03-16")
    training.db.user_progress.update_many({}, {"$set": {"xp": 70}})
    await training.snap("2026-03-17T00:05:00Z")

    assert (so_far["final"], so_far["lessons_completed_count"], so_far["xp"]) == (False, 1, 10)
    closed = training.snapshot("2026-03-16")
    assert (closed["final"], closed["lessons_completed_count"], closed["xp"]) == (True, 1, 70)
    assert training.db.performance_snapshots.count_documents({"user_id": "u2"}) == 3


async def test_a_user_who_does_not_exist_is_refused(training: TrainingScenario) -> None:
    result = await training.try_run_snapshots("2026-03-16T09:00:00Z", user="nobody")

    assert result.exit_code != 0
    assert "there is no player 'nobody'" in str(result.record["errors"])


async def test_a_dry_run_writes_nothing(
    environment: dict[str, str], training: TrainingScenario
) -> None:
    training.add_player()
    training.analyse("u1", "2026-03-15", 40)

    done = await run(environment, JOB, "--now", "2026-03-16T09:00Z", "--dry-run", "--json")

    assert done.code == 0
    assert done.record["notes"] == {"snapshots_would_be_added": 3, "would_refresh_reviews": 1}
    assert all_documents(training) == []
    assert training.active() == {}


async def test_a_scheduled_run_closes_each_day_once_after_the_players_own_midnight(
    contexts: Any, training: TrainingScenario
) -> None:
    training.add_player("east", "Pacific/Auckland")
    training.add_player("west", "Pacific/Honolulu")
    clock = Clock(utc("2026-03-15 11:30:00"))
    ctx: Context = await contexts(clock)
    done = []
    hours = (0, 1, 21, 22, 23, 24)
    for hour in hours:
        clock.now = utc("2026-03-15 12:30:00") + timedelta(hours=hour)
        result = await one_shot.run_scheduled(
            ctx.worker, snapshots.JOB, "snapshots", ShutdownRequest()
        )
        done.append(result.record["done"])

    # Everyone is due at first; then Honolulu's midnight is at 10:00, and Auckland's at 11:00.
    assert [hour for hour, count in zip(hours, done, strict=True) if count] == [0, 22, 23]
    assert sum(done) == 4
    assert training.db.performance_snapshots.count_documents({"final": True}) == 8


async def test_days_of_other_lengths_begin_and_end_at_local_midnight(
    training: TrainingScenario,
) -> None:
    second = timedelta(seconds=1)
    for zone, day, begins, ends in (
        ("America/New_York", "2026-03-08", "2026-03-08 05:00:00", "2026-03-09 04:00:00"),  # 23 h
        ("Australia/Lord_Howe", "2026-04-05", "2026-04-04 13:00:00", "2026-04-05 13:30:00"),
        ("Africa/Cairo", "2026-04-24", "2026-04-23 22:00:00", "2026-04-24 21:00:00"),  # no midnight
        ("America/New_York", "2026-11-01", "2026-11-01 04:00:00", "2026-11-02 05:00:00"),  # 25 h
    ):
        training.add_player(day, timezone=zone)
        first, after = utc(begins), utc(ends)
        for at in (first - second, first, after - second, after):
            training.application.analyse_by_worker(day, at)
            training.application.attempt_puzzle(day, at, seconds=60)

        await training.snap((after + timedelta(hours=1)).isoformat(), user=day)

        assert training.figures(day, day)[3:] == (2, 2.0), day


async def test_a_zone_that_changed_adds_no_second_snapshot_of_a_day(
    training: TrainingScenario,
) -> None:
    training.add_player(timezone="Pacific/Auckland")
    await training.snap("2026-03-15T12:00:00Z")
    training.db.users.update_one({}, {"$set": {"timezone": "Pacific/Honolulu"}})

    await training.snap("2026-03-15T13:00:00Z")
    await training.snap("2026-03-17T10:05:00Z")

    days = [day for (day,) in stored(training, "local_date")]
    assert days == sorted(set(days))
    assert days[-1] == "2026-03-16"
    assert training.snapshot("2026-03-15")["tz"] == "Pacific/Auckland"


async def test_two_processes_at_once_leave_what_one_leaves(
    environment: dict[str, str], training: TrainingScenario
) -> None:
    for number in range(30):
        training.add_player(f"u{number:02}")
        training.analyse(f"u{number:02}", "2026-03-15", 40 + number)
    flags = (JOB, "--now", "2026-03-16T00:05:00Z", "--json")

    ended = await asyncio.gather(
        *(wait_for_end(process) for process in [await start(environment, *flags) for _ in "12"])
    )

    assert sorted(done.code for done in ended) in ([0, 0], [0, 75])
    assert len(all_documents(training)) == 90
    assert {item["final"] for item in all_documents(training)} == {True}


@pytest.mark.soak
async def test_a_run_that_was_killed_before_any_write_is_completed_by_the_next(
    environment: dict[str, str], training: TrainingScenario
) -> None:
    for number in range(130):
        training.add_player(f"u{number:03}")
        training.analyse(f"u{number:03}", "2026-03-15", 40)
    environment |= {"CHESSCOACH_TRAINING__BATCH": "100"}
    flags = (JOB, "--now", "2026-03-16T09:05:00Z", "--json")
    done, writes = await run_counting_writes(environment, *flags)
    assert done.code == 0
    expected = [item["_id"] for item in all_documents(training)]
    reviews = training.db.adaptive_recommendations.count_documents({"is_active": True})
    assert (len(expected), reviews) == (390, 130)

    for place in range(1, writes + 1) if scaled_rounds(1, 0) else (writes // 2,):
        training.db.performance_snapshots.delete_many({})
        training.db.adaptive_recommendations.delete_many({})
        await run_counting_writes(environment, *flags, kill_before=place)
        training.db.job_leases.update_many({}, {"$set": {"expires_at": utc("2026-03-01")}})
        again = await run(environment, *flags)
        assert again.code == 0, (place, again)
        assert [item["_id"] for item in all_documents(training)] == expected
        active = training.db.adaptive_recommendations.count_documents({"is_active": True})
        assert active == reviews


async def test_ratings_are_carried_forward_and_late_games_change_their_day(
    training: TrainingScenario,
) -> None:
    training.add_player()
    sync = training.application.sync_game
    old = {"ended_at": "2026-02-01T10:00:00+00:00", "user_rating": 1400, "time_control": "rapid"}
    sync("u1", utc("2026-02-02"), **old)
    sync("u1", utc("2026-03-14"), ended_at="2026-03-14T10:00:00+00:00", user_rating=1510)
    sync("u1", utc("2026-03-14"), ended_at="2026-03-14T12:00:00+00:00", user_rating=1500)
    imported = (
        '[White "x"]\n[UTCDate "2026.03.15"]\n[UTCTime "09:00:00"]\n[BlackElo "1222"]\n\n1. e4'
    )
    training.application.import_game("u1", utc("2026-03-15"), pgn=imported)

    await training.snap("2026-03-16T00:05:00Z")

    ratings = {day: training.snapshot(f"2026-03-{day}")["rating"] for day in (13, 14, 15)}
    assert ratings[13] == {"lichess": {"rapid": 1400}}
    assert ratings[14] == {"lichess": {"rapid": 1400, "blitz": 1500}}
    assert ratings[15] == {**ratings[14], "chesscom": {"rapid": 1222}}
    late = {"ended_at": "2026-03-14T20:00:00+00:00", "user_rating": 1492}
    sync("u1", utc("2026-03-16"), **late)
    await training.snap("2026-03-17T00:05:00Z")
    assert training.snapshot("2026-03-14")["rating"]["lichess"]["blitz"] == 1492
    assert training.snapshot("2026-03-16")["rating"]["lichess"] == {"rapid": 1400, "blitz": 1492}


async def test_two_shards_take_every_player_once(contexts: Any, training: TrainingScenario) -> None:
    for number in range(12):
        training.add_player(f"u{number:02}")
        training.analyse(f"u{number:02}", "2026-03-15", 40)
    ctx: Context = await contexts(Clock(utc("2026-03-16 09:05:00")))
    done = []
    for index in (0, 1):
        result = await runner.run_manually(
            ctx.worker,
            snapshots.JOB,
            snapshots.Args(),
            ShutdownRequest(),
            shard=Shard(index=index, of=2),
        )
        done.append((result.record["done"], result.record["notes"]["reviews_refreshed"]))

    assert sum(count for count, _ in done) == 12
    assert all(0 < count < 12 and count == reviews for count, reviews in done)
    assert len(all_documents(training)) == 36
