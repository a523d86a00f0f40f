"""The explanation of an instant at which the schedule has no slot to run."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from chesscoach.errors import ConfigError
from chesscoach.worker.scheduler import schedule_admin
from chesscoach.worker.scheduler.explanation import explain_slot
from tests.conftest import NOON, Clock
from tests.support.scheduling import load_schedule
from tests.worker.scheduler.explanation.conftest import (
    HOUR,
    HOURLY,
    NIGHTLY,
    ONE_O_CLOCK,
    NewContext,
    edit,
    explain_at,
    sentences,
)


async def test_an_instant_that_is_not_a_slot(new_context: NewContext, clock: Clock) -> None:
    ctx = await new_context(replace(HOURLY, job="sync_games"))
    found = await explain_at(ctx, NOON + timedelta(minutes=20))

    assert (found.verdict, found.before, found.after) == ("not_a_slot", NOON, ONE_O_CLOCK)
    assert found.sentences == (
        "2026-10-21T12:20:00Z is not a slot of s, 0 * * * * (UTC).",
        "The nearest slots: 2026-10-21T12:00:00Z and 2026-10-21T13:00:00Z.",
    )

    clock.move(hours=5)
    await edit(ctx, NIGHTLY)
    assert "Its trigger was different then: 0 * * * * (UTC)." in sentences(await explain_at(ctx))


async def test_a_slot_that_is_not_due_yet(new_context: NewContext, clock: Clock) -> None:
    ctx = await new_context(replace(HOURLY, jitter_s=3000.0))
    found = await explain_at(ctx, NOON + 26 * HOUR)
    assert (found.verdict, sentences(found)) == (
        "not_due_yet",
        "It is not due yet: it comes in 1 d 2 h.",
    )

    clock.move(hours=1)
    found = await explain_at(ctx)
    assert found.verdict == "not_due_yet"
    assert "its jitter delays the run until 2026-10-21T13:" in sentences(found)

    await schedule_admin.pause_schedule(ctx.worker, await load_schedule(ctx))
    assert "does not run while the schedule is paused" in sentences(
        await explain_at(ctx, ONE_O_CLOCK + HOUR)
    )


async def test_a_slot_of_a_schedule_that_is_out_of_use(
    new_context: NewContext, clock: Clock
) -> None:
    ctx = await new_context(replace(HOURLY, job="sync_games"))
    clock.move(minutes=30)
    await schedule_admin.pause_schedule(ctx.worker, await load_schedule(ctx))
    clock.move(hours=1)
    await edit(ctx, replace(HOURLY, job="sync_games", jitter_s=1.0))

    now = await explain_at(ctx)
    assert (now.verdict, now.state) == ("inactive", "paused")
    assert now.sentences[0] == (
        "The schedule is paused since 2026-10-21T12:30:00Z: its slots do not run."
    )

    clock.move(hours=1)
    await schedule_admin.resume_schedule(ctx.worker, await load_schedule(ctx))
    then = await explain_at(ctx)
    assert (then.verdict, then.state) == ("inactive", "paused")
    assert then.sentences == ("It came while the schedule was paused, until 2026-10-21T14:30:00Z.",)


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"quarantined": "its arguments are refused"}, "quarantined"),
        ({"schedule": replace(HOURLY, enabled=False)}, "disabled"),
    ],
)
async def test_a_slot_of_a_schedule_in_each_state(
    new_context: NewContext, clock: Clock, db: Any, fields: dict[str, Any], state: str
) -> None:
    ctx = await new_context()
    clock.move(hours=2)
    await ctx.worker.schedules.change("s", 1, **fields)

    found = await explain_at(ctx)

    assert (found.verdict, found.state) == ("inactive", state)
    assert f"The schedule is {state}" in sentences(found)
    assert ("its arguments are refused" in sentences(found)) == (state == "quarantined")
    db.schedules.update_one({"_id": "s"}, {"$set": {"spec.cron": "99 * * * *"}})
    assert "cannot be read" in sentences(await explain_at(ctx))


async def test_a_slot_of_before_the_schedule_counted(new_context: NewContext, clock: Clock) -> None:
    ctx = await new_context(replace(HOURLY, job="sync_games"))
    found = await explain_at(ctx, NOON - HOUR)
    assert (found.verdict, found.sentences) == (
        "before_since",
        ("The schedule was added at 2026-10-21T12:00:00Z and counts from then.",),
    )

    clock.move(hours=2, minutes=30)
    await edit(ctx, replace(NIGHTLY, cron="30 * * * *"))
    found = await explain_at(ctx, ONE_O_CLOCK + HOUR / 2)
    assert found.verdict == "before_since"
    assert "was edited at 2026-10-21T14:30:00Z" in sentences(found)


async def test_a_slot_of_a_schedule_that_is_only_configured(new_context: NewContext) -> None:
    ctx = await new_context()
    await ctx.worker.schedules.remove("s")

    found = await explain_at(ctx, NOON - HOUR)

    assert found.verdict == "before_since"
    assert "no daemon has stored the schedule yet" in sentences(found)


async def test_neither_a_schedule_nor_a_record_is_an_error(new_context: NewContext) -> None:
    ctx = await new_context()

    with pytest.raises(ConfigError, match="schedule 't' does not exist; there are: s"):
        await explain_slot(ctx.worker, "t", datetime.fromisoformat("2026-10-21T12:00:00Z"))
