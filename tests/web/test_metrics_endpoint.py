import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import Timestamp
from msgspec.structs import replace
from prometheus_client import Metric
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from chesscoach.context import Context
from chesscoach.emails.store.outbox_values import STATES
from chesscoach.jobs.catalog import JOBS
from chesscoach.schedules.schedule import Every, Schedule, Slot
from chesscoach.worker.scheduler.scheduler import Scheduler
from chesscoach.worker.shutdown import ShutdownRequest
from chesscoach.worker.store.schedules import StoredSchedule
from tests.conftest import NOON, Clock, FakeSites
from tests.support.processes import run
from tests.support.sync.sync_members import add_member, before_now
from tests.web.conftest import (
    HttpClient,
    OpenWeb,
)

JOB = {"job_name": "sync_games"}
SIX_HOURLY = Schedule(job="sync_games", cron="0 */6 * * *")


class Scrape:
    """What one answer holds."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self.samples = [sample for family in families for sample in family.samples]

    def value(self, name: str, **labels: str) -> float | None:
        """The value of that series, if it is there."""
        found = [s.value for s in self.samples if (s.name, s.labels) == (name, labels)]
        assert len(found) < 2, name
        return found[0] if found else None


async def scrape(ask: HttpClient) -> Scrape:
    """Scrapes until MongoDB has answered, which on a busy machine may take over two seconds."""
    async with asyncio.timeout(30):
        while True:
            answer = await ask("/metrics")
            assert answer.status == 200
            found = Scrape(text_string_to_metric_families(answer.text))
            if found.value("chesscoach_store_up") != 0:
                return found


async def test_what_a_one_shot_did_is_read_from_its_record(
    environment: dict[str, str], ctx: Context, db: Any, sites: FakeSites, open_web_server: OpenWeb
) -> None:
    ask = await open_web_server(ctx)
    assert (await scrape(ask)).value("chesscoach_job_last_success_timestamp_seconds", **JOB) is None
    await add_member(ctx, db, sites, "Zoe17", "lichess")
    sites.world.add_game("lichess", "Zoe17", before_now(days=1))

    done = await run(environment, "chesscoach.jobs.sync_games", "--json")
    found = await scrape(ask)

    assert done.record["outcome"] == "succeeded"
    ended = datetime.fromisoformat(done.record["finished_at"]).timestamp()
    last = found.value("chesscoach_job_last_success_timestamp_seconds", **JOB)
    assert last == pytest.approx(ended, abs=1)
    recent = "chesscoach_job_recent_runs"
    assert found.value(recent, **JOB, outcome="succeeded") == 1
    assert found.value(recent, **JOB, outcome="failed") == 0
    assert found.value("chesscoach_job_runs_total", **JOB, outcome="succeeded") == 0, "not ours"
    assert found.value("chesscoach_store_up") == 1

    await ask("/healthz?user=Zoe17")
    await ask("/users/Zoe17")
    answer = await ask("/metrics")
    assert "zoe17" not in answer.text.lower(), "no label holds a user"
    samples = Scrape(text_string_to_metric_families(answer.text)).samples
    assert not any("job" in sample.labels for sample in samples)


async def test_a_slot_run_here_is_counted_here_and_recorded_for_all(
    contexts: Any, db: Any, open_web_server: OpenWeb
) -> None:
    clock = Clock(NOON - timedelta(seconds=2))
    ctx = await contexts(clock)
    ctx = replace(ctx, config=replace(ctx.config, schedules={"sync_games": SIX_HOURLY}))
    ask, other = await open_web_server(ctx), await open_web_server(await contexts(clock))
    async with Scheduler(ctx.worker, ShutdownRequest(), JOBS) as scheduler:
        clock.move(hours=12, seconds=5)
        await scheduler.tick()
        for task in list(scheduler.running.values()):
            await task

    here, there = await scrape(ask), await scrape(other)

    assert here.value("chesscoach_job_runs_total", **JOB, outcome="succeeded") == 1
    assert here.value("chesscoach_job_skipped_total", **JOB, reason="coalesced") == 2
    assert here.value("chesscoach_slot_lateness_seconds_count", **JOB) == 1
    assert here.value("chesscoach_slot_lateness_seconds_sum", **JOB) == 3
    assert there.value("chesscoach_job_runs_total", **JOB, outcome="succeeded") == 0
    assert there.value("chesscoach_job_skipped_total", **JOB, reason="coalesced") == 0
    assert there.value("chesscoach_slot_lateness_seconds_count", **JOB) is None
    for found in (here, there):
        assert found.value("chesscoach_job_recent_runs", **JOB, outcome="succeeded") == 1
        assert found.value("chesscoach_job_recent_runs", **JOB, outcome="coalesced") == 2
        assert found.value("chesscoach_job_period_seconds", **JOB) == 6 * 3600
        assert found.value("chesscoach_schedules", state="active") == 1
        assert found.value("chesscoach_schedules", state="paused") == 0


async def test_runs_are_recent_for_a_day_and_looked_up_by_an_index(
    contexts: Any, db: Any, open_web_server: OpenWeb
) -> None:
    """Of 90 days' records they would take longer than there is time for."""
    ask = await open_web_server(await contexts(Clock(NOON)))
    for hours, outcome in ((1, "failed"), (23, "failed"), (25, "failed"), (2, "succeeded")):
        ended = NOON - timedelta(hours=hours)
        db.job_runs.insert_one({"job": "sync_games", "outcome": outcome, "finished_at": ended})

    found = await scrape(ask)

    assert found.value("chesscoach_job_recent_runs", **JOB, outcome="failed") == 2
    assert found.value("chesscoach_job_recent_runs", **JOB, outcome="succeeded") == 1
    stats = db.job_runs.aggregate([{"$indexStats": {}}])
    used = {index["name"]: int(index["accesses"]["ops"]) for index in stats}
    assert used["job_1_outcome_1_finished_at_-1"] > 0


async def test_emails_are_counted_by_state_for_three_weeks(
    contexts: Any, db: Any, open_web_server: OpenWeb
) -> None:
    ask = await open_web_server(await contexts(Clock(NOON)))  # in 2026-W43
    for number, (week, state) in enumerate(
        [("2026-W42", "sent"), ("2026-W42", "sent"), ("2026-W41", "unknown"), ("2026-W40", "sent")]
    ):
        row = {"_id": f"weekly_summary:u{number}:{week}", "week": week, "state": state}
        db.email_outbox.insert_one(row)
    db.email_outbox.insert_one({"_id": "odd", "week": "2026-W42", "state": {"sent": True}})

    found = await scrape(ask)

    assert {state: found.value("chesscoach_outbox_rows", state=state) for state in STATES} == {
        "pending": 0, "sending": 0, "sent": 2, "skipped": 0, "failed": 0, "unknown": 1,
    }  # fmt: skip


async def test_a_success_is_a_run_with_exit_code_0(
    ctx: Context, db: Any, open_web_server: OpenWeb
) -> None:
    for hour, outcome, code in (
        (1, "succeeded", 0), (3, "partial", 0), (2, "succeeded", 0),
        (4, "partial", 1), (5, "coalesced", 0), (6, "failed", 1),
    ):  # fmt: skip
        at = datetime(2026, 10, 21, hour, tzinfo=UTC)
        run = {"job": "sync_games", "outcome": outcome, "finished_at": at, "exit_code": code}
        db.job_runs.insert_one(run)

    found = await scrape(await open_web_server(ctx))

    last = found.value("chesscoach_job_last_success_timestamp_seconds", **JOB)
    assert last == datetime(2026, 10, 21, 3, tzinfo=UTC).timestamp()


async def test_the_age_in_progress_is_that_of_the_oldest_live_run(
    ctx: Context, db: Any, open_web_server: OpenWeb
) -> None:
    """Two live, an older one is dead: its lease has run out."""
    await ctx.leases.ensure_many(["sync_games", "sync_games#1", "sync_games#2"])
    for number, key in enumerate(["sync_games", "sync_games#1", "sync_games#2"]):
        lease = await ctx.leases.acquire(key, {})
        assert lease is not None
        db.job_runs.insert_one(
            {
                "_id": f"sync_games:{number}", "job": "sync_games", "outcome": "running",
                "started_at": NOON + timedelta(minutes=number), "claim": lease.owner,
                "lease": key, "claimed_at": Timestamp(1, 1),
            }
        )  # fmt: skip
    db.job_leases.update_one({"_id": "sync_games"}, {"$set": {"expires_at": NOON}})
    db.job_leases.update_many(
        {"_id": {"$ne": "sync_games"}}, {"$set": {"expires_at": datetime(2100, 1, 1, tzinfo=UTC)}}
    )

    found = await scrape(await open_web_server(ctx))

    since = found.value("chesscoach_job_running_since_timestamp_seconds", **JOB)
    assert since == (NOON + timedelta(minutes=1)).timestamp()


async def test_the_period_of_a_job_is_that_of_its_busiest_active_schedule(
    ctx: Context, open_web_server: OpenWeb
) -> None:
    async def add(name: str, **given: Any) -> None:
        schedule = Schedule(job="sync_games", **given)
        stored = StoredSchedule(
            id=name, schedule=schedule, origin="user", revision=1, effective_since=NOON
        )
        await ctx.worker.schedules.add(stored)

    ask = await open_web_server(ctx)
    await add("once", at=NOON)
    assert (await scrape(ask)).value("chesscoach_job_period_seconds", **JOB) is None
    await add("weekly", cron="0 9 * * 1")
    await add("workdays", cron="0 9 * * 1-5")
    await add("hourly", every=Every(hours=1), enabled=False)

    found = await scrape(ask)

    assert found.value("chesscoach_job_period_seconds", **JOB) == 3 * 86_400, "over the weekend"
    assert found.value("chesscoach_schedules", state="active") == 3
    assert found.value("chesscoach_schedules", state="disabled") == 1


async def test_openmetrics_is_served_on_request(ctx: Context, open_web_server: OpenWeb) -> None:
    ask = await open_web_server(ctx)
    await scrape(ask)

    answer = await ask("/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"})

    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    families = openmetrics.text_string_to_metric_families(answer.text)  # type: ignore[no-untyped-call]  # the library's
    found = Scrape(families)
    assert found.value("chesscoach_store_up") is not None
    plain = await ask("/metrics")
    assert plain.headers["Content-Type"].startswith("text/plain; version=")


async def test_the_lag_of_the_event_loop_is_measured(
    ctx: Context, open_web_server: OpenWeb
) -> None:
    ask = await open_web_server(ctx)
    count = "chesscoach_loop_lag_seconds_count"
    while not ctx.metrics.registry.get_sample_value(count):
        await ask("/healthz")

    assert (await scrape(ask)).value(count)


async def test_a_run_whose_process_died_is_counted_by_the_process_that_finds_it(
    ctx: Context, db: Any, open_web_server: OpenWeb
) -> None:
    slot = Slot(schedule="sync_games", at=NOON)
    db.job_runs.insert_one(
        {
            "_id": slot.key, "job": "sync_games", "schedule": "sync_games", "slot": NOON,
            "outcome": "running", "attempt": 1, "source": "kubernetes", "claim": "gone",
            "owner": {}, "lease": "sync_games", "started_at": NOON, "claimed_at": Timestamp(1, 1),
        }
    )  # fmt: skip
    clock = Clock(NOON + timedelta(minutes=10))
    own = replace(ctx, now=clock, config=replace(ctx.config, schedules={"sync_games": SIX_HOURLY}))
    async with Scheduler(own.worker, ShutdownRequest(), JOBS) as scheduler:
        for task in list(scheduler.running.values()):
            await task

    found = await scrape(await open_web_server(own))

    assert found.value("chesscoach_job_runs_total", **JOB, outcome="abandoned") == 1
    assert found.value("chesscoach_job_runs_total", **JOB, outcome="succeeded") == 1
    assert found.value("chesscoach_slot_lateness_seconds_count", **JOB) is None, "a second attempt"
