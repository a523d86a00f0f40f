"""Scenarios 8 to 12 of scheduling: clocks that change or jump, and downtime."""

from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from chesscoach.schedules import slots
from chesscoach.schedules.schedule import Every, Schedule
from chesscoach.worker.scheduler.scheduler import Scheduler
from chesscoach.worker.shutdown import ShutdownRequest
from tests.conftest import NOON, Clock
from tests.support.recording_job import RecordingJob
from tests.support.scheduling import (
    hourly_schedule,
    make_scheduler,
    outcomes_by_hour,
    refresh_until,
    tick_after,
    wait_until,
    wait_until_idle,
)

NEW_YORK, SANTIAGO = "America/New_York", "America/Santiago"


ZONES = [ZoneInfo(name) for name in (NEW_YORK, SANTIAGO)]  # read here, and so never in a loop


HOUR, QUARTER = timedelta(hours=1), timedelta(minutes=15)


SPRING = {
    "daily": ("30 2 * * *", NEW_YORK, ["03-08 03:00", "03-09 02:30"]),
    "twice": ("15,45 2 * * *", NEW_YORK, ["03-08 03:00", "03-09 02:15", "03-09 02:45"]),
    "six_fields": ("0 30 2 * * *", NEW_YORK, ["03-09 02:30"]),
    "monday_mail": ("0 9 * * 1", NEW_YORK, ["03-09 09:00"]),
    "hourly": ("0 */6 * * *", NEW_YORK,
               ["03-08 00:00", "03-08 06:00", "03-08 12:00", "03-08 18:00",
                "03-09 00:00", "03-09 06:00", "03-09 12:00"]),
}  # fmt: skip


MIDNIGHT = {"midnight": ("0 0 * * *", SANTIAGO, ["09-06 01:00", "09-07 00:00"])}


@pytest.mark.parametrize(
    ("begin", "table"),
    [(datetime(2026, 3, 8, 4, 45, tzinfo=UTC), SPRING),
     (datetime(2026, 9, 6, 3, 45, tzinfo=UTC), MIDNIGHT)],
    ids=["new york", "santiago"],
)  # fmt: skip
async def test_scenario_08_dst_spring_runs_are_those_of_the_table_and_of_the_preview(
    contexts: Any, db: Any, begin: datetime, table: dict[str, tuple[str, str, list[str]]]
) -> None:
    clock, chore, end = Clock(begin), RecordingJob(), begin + 36 * HOUR
    schedules = {
        key: Schedule(job="chore", cron=cron, timezone=zone, lock=key)
        for key, (cron, zone, _) in table.items()
    }
    async with await make_scheduler(contexts, clock, chore, schedules) as scheduler:
        while clock() < end:
            clock.now += QUARTER
            await tick_after(scheduler, clock)

    for key, (_, zone, expected) in table.items():
        rows = db.job_runs.find({"schedule": key, "outcome": "succeeded"}).sort("slot")
        ran = [row["slot"] for row in rows]
        preview = slots.slots_after(key, schedules[key], begin)
        assert ran == [next(preview).at for _ in ran]
        assert [f"{at.astimezone(ZoneInfo(zone)):%m-%d %H:%M}" for at in ran] == expected


async def test_scenario_09_dst_fall_daily_once_hourly_twice_and_a_restart_repeats_nothing(
    contexts: Any, db: Any
) -> None:
    begin = datetime(2026, 11, 1, 4, 45, tzinfo=UTC)  # 00:45 EDT
    clock, chore = Clock(begin), RecordingJob()
    schedules = {
        "daily": Schedule(job="chore", cron="30 1 * * *", timezone=NEW_YORK, lock="daily"),
        "hourly": Schedule(job="chore", cron="0 * * * *", timezone=NEW_YORK, lock="hourly"),
        "every": Schedule(job="chore", every=Every(minutes=90), anchor=begin, lock="every"),
    }
    for stop in (datetime(2026, 11, 1, 6, 10, tzinfo=UTC), begin + 4 * HOUR):  # 01:10 EST
        async with await make_scheduler(contexts, clock, chore, schedules) as scheduler:
            while clock() < stop:
                clock.now += timedelta(minutes=5)
                await tick_after(scheduler, clock)

    def ran(schedule: str) -> list[str]:
        return [f"{row['slot']:%H:%M}" for row in db.job_runs.find({"schedule": schedule})]

    assert sorted(ran("daily")) == ["05:30"]
    assert sorted(ran("hourly")) == ["05:00", "06:00", "07:00", "08:00"]
    assert sorted(ran("every")) == ["06:15", "07:45"]
    assert db.job_runs.count_documents({"outcome": {"$ne": "succeeded"}}) == 0


async def test_scenario_10_clock_jump_forward_coalesces_and_back_repeats_nothing(
    contexts: Any, db: Any
) -> None:
    clock, chore = Clock(NOON + timedelta(minutes=30)), RecordingJob()
    async with await make_scheduler(contexts, clock, chore, {"s": hourly_schedule()}) as scheduler:
        for jump in (3, -2, 0):
            clock.move(hours=jump)
            for _ in range(2):
                await tick_after(scheduler, clock)
        clock.move(hours=2, minutes=30)  # 16:00 comes, as it would have
        await tick_after(scheduler, clock)

    assert outcomes_by_hour(db) == {"14": "coalesced x2", "15": "succeeded", "16": "succeeded"}
    assert chore.started == [f"2026-10-21T{hour}:00:00Z" for hour in (15, 16)]


@pytest.mark.parametrize("hours", [-2, 8])
async def test_scenario_10_clock_jump_in_a_run_loses_no_lease(
    contexts: Any, db: Any, hours: int
) -> None:
    clock, chore = Clock(NOON), RecordingJob(held=True)
    one = await make_scheduler(contexts, clock, chore, {"s": hourly_schedule()})
    two = await make_scheduler(contexts, clock, chore, {"s": hourly_schedule()})
    async with one, two:
        clock.move(hours=1)
        await one.tick()
        await wait_until(lambda: chore.started)
        before = db.job_leases.find_one({"_id": "chore"})
        clock.move(hours=hours)
        for each in (one, two):
            await each.tick()
            await each.refresh()
        await wait_until(
            lambda: db.job_leases.find_one({"_id": "chore"})["expires_at"] > before["expires_at"]
        )
        assert db.job_leases.find_one({"_id": "chore"})["fence"] == before["fence"]
        chore.release.set()
        await wait_until_idle(one, two)

    first = db.job_runs.find_one({"slot": NOON + HOUR})
    assert (first["outcome"], first["attempt"]) == ("succeeded", 1)
    assert chore.max_running == 1


async def test_scenario_10_clock_jump_back_does_not_put_off_a_second_attempt(
    contexts: Any, db: Any
) -> None:
    clock, chore = Clock(NOON), RecordingJob()
    chore.fail = OSError()
    async with await make_scheduler(contexts, clock, chore, {"s": hourly_schedule()}) as scheduler:
        await tick_after(scheduler, clock, hours=1)
        chore.fail = None
        clock.move(hours=-2)
        await refresh_until(scheduler, lambda: len(chore.ended) == 2)

    row = db.job_runs.find_one()
    assert (row["outcome"], row["attempt"]) == ("succeeded", 2)


@pytest.mark.parametrize("daemons", [1, 3])
async def test_scenario_11_three_days_down_leave_one_run_each_and_missed_emails(
    contexts: Any, db: Any, daemons: int
) -> None:
    clock, chore = Clock(NOON), RecordingJob()  # a Wednesday
    crons = {
        "hourly": "0 * * * *",
        "sixhourly": "0 */6 * * *",
        "daily": "0 3 * * *",
        "late_email": "0 9 * * 4",
        "email": "0 9 * * 5",
        "monthly": "0 0 23 * *",
    }
    schedules = {
        key: Schedule(
            job="chore", cron=cron, lock=key, misfire_grace_s=36 * 3600 if "email" in key else None
        )
        for key, cron in crons.items()
    }
    async with await make_scheduler(contexts, clock, chore, schedules):
        pass
    clock.move(days=3, minutes=30)
    async with AsyncExitStack() as stack:
        started = [
            await stack.enter_async_context(await make_scheduler(contexts, clock, chore, schedules))
            for _ in range(daemons)
        ]
        await wait_until_idle(*started)

    outcomes = {
        f"{row['schedule']} {row['slot']:%d.%H}": (row["outcome"], row.get("count", 1))
        for row in db.job_runs.find()
    }
    assert outcomes == {
        "hourly 24.11": ("coalesced", 71),
        "hourly 24.12": ("succeeded", 1),
        "sixhourly 24.06": ("coalesced", 11),
        "sixhourly 24.12": ("succeeded", 1),
        "daily 23.03": ("coalesced", 2),
        "daily 24.03": ("succeeded", 1),
        "late_email 22.09": ("missed", 1),
        "email 23.09": ("succeeded", 1),
        "monthly 23.00": ("succeeded", 1),
    }
    assert "2026-10-23T00:00:00Z" in chore.started, "the job gets its period's slot"


@pytest.mark.parametrize("restarts", [1, 3], ids=["deploy", "restarts in the slot's minute"])
async def test_scenario_12_deploy_gap_the_slot_runs_once(
    contexts: Any, db: Any, restarts: int
) -> None:
    clock, chore = Clock(NOON), RecordingJob()
    async with await make_scheduler(contexts, clock, chore, {"s": hourly_schedule()}) as old:
        clock.now = NOON + timedelta(minutes=59, seconds=59)
        await old.tick()
    clock.move(seconds=4)
    for _ in range(restarts):
        async with await make_scheduler(contexts, clock, chore, {"s": hourly_schedule()}) as new:
            await wait_until_idle(new)
        clock.move(seconds=15)

    assert chore.started == ["2026-10-21T13:00:00Z"]
    assert outcomes_by_hour(db) == {"13": "succeeded"}


async def test_scenario_12_deploy_gap_a_run_that_was_broken_off_is_finished_under_a_new_schedule(
    contexts: Any, db: Any
) -> None:
    """The deploy that cancels the run changes its schedule too: the slot stays a slot."""
    clock, chore = Clock(NOON), RecordingJob(held=True)
    ctx, stop = await contexts(clock), ShutdownRequest()
    ctx = replace(ctx, config=replace(ctx.config, schedules={"s": hourly_schedule()}))
    async with Scheduler(ctx.worker, stop, {"chore": chore.job}) as old:
        clock.move(hours=1)
        await old.tick()
        await wait_until(lambda: chore.started)
        stop.request()
        stop.request()
    assert outcomes_by_hour(db) == {"13": "cancelled"}
    chore.release.set()
    changed = {"s": replace(hourly_schedule(), cron="45 * * * *", timezone=NEW_YORK)}
    clock.move(seconds=5)
    async with await make_scheduler(contexts, clock, chore, changed) as new:
        await wait_until_idle(new)
        clock.move(minutes=45)
        await new.tick()
        await wait_until_idle(new)

    rows = {f"{row['slot']:%H:%M}": row for row in db.job_runs.find()}
    assert {key: row["outcome"] for key, row in rows.items()} == {
        "13:00": "succeeded",
        "13:45": "succeeded",
    }
    assert rows["13:00"]["attempt"] == 2


async def test_jitter_longer_than_the_grace_misses_nothing(contexts: Any, db: Any) -> None:
    """The grace is counted from when work was to begin."""
    clock, chore = Clock(NOON), RecordingJob()
    late = {"s": hourly_schedule(jitter_s=3000.0, misfire_grace_s=60.0)}
    async with await make_scheduler(contexts, clock, chore, late) as scheduler:
        for _ in range(4 * 120):
            await tick_after(scheduler, clock, seconds=30)

    done = [row["slot"] for row in db.job_runs.find({"outcome": "succeeded"}).sort("slot")]
    assert done[:3] == [NOON + n * HOUR for n in (1, 2, 3)]
    assert db.job_runs.count_documents({"outcome": "missed"}) == 0
