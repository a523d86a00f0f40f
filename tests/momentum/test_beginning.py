"""How momentum begins beside an application that has been in use."""

from datetime import UTC, datetime
from typing import Any

from chesscoach.context import open_context
from tests.support.momentum.scenario import MomentumScenario
from tests.support.processes import run


async def test_history_that_is_wanted_later_is_booked_in_its_own_week_and_closed(
    momentum: MomentumScenario,
) -> None:
    momentum.add_player("u1")
    momentum.unlock("u1", "first_steps")
    momentum.application.reflect("u1", datetime(2026, 3, 3, 12, tzinfo=UTC))
    await momentum.check("2026-03-09T12:00:00Z")
    before = momentum.events()

    async with open_context(momentum.settings) as ctx:
        since = datetime(2026, 3, 2, tzinfo=UTC)
        await ctx.momentum.state.begin(datetime(2026, 3, 9, 13, tzinfo=UTC), since)
    await momentum.check("2026-03-09T14:00:00Z")

    assert before == []
    assert [event["week_key"] for event in momentum.events()] == ["2026-W10"]
    result = momentum.period("2026-W10")
    assert result is not None
    assert result["points"] == 10


async def test_our_streak_goes_on_where_the_applications_is(momentum: MomentumScenario) -> None:
    """`momentum init` has added an empty streak before the player's first activity."""
    await momentum.begin("2026-03-09T00:00:00Z")
    momentum.add_player(
        "u1",
        current_streak=12,
        longest_streak=20,
        last_activity_date=datetime(2026, 3, 8, 12, tzinfo=UTC),
    )
    momentum.db.momentum_streaks.insert_one(
        {"_id": "u1|days", "user_id": "u1", "current": 0, "longest": 0, "last_period": None}
    )
    momentum.application.reflect("u1", datetime(2026, 3, 9, 8, tzinfo=UTC))

    await momentum.check("2026-03-09T12:00:00Z")

    assert momentum.fields("current_streak", "longest_streak") == (13, 20)
    streak = momentum.db.momentum_streaks.find_one({"_id": "u1|days"})
    assert (streak["current"], streak["started"]) == (13, "2026-02-25")


async def test_a_dry_run_before_the_first_check_reports_what_that_changes(
    environment: dict[str, str], momentum: MomentumScenario
) -> None:
    fields = {"weekly_xp": 50, "weekly_key": "2026-W10", "current_streak": 4}
    for user_id, zone in (("u1", "Pacific/Auckland"), ("u2", "Pacific/Honolulu")):
        last = datetime(2026, 3, 3, 12, tzinfo=UTC)
        momentum.add_player(user_id, zone, **fields, last_activity_date=last)
    before = list(momentum.db.user_progress.find())
    now = "2026-03-09T00:00:00Z"

    command = ("chesscoach.jobs.momentum", "--now", now, "--json", "--dry-run")
    notes = (await run(environment, *command)).record["notes"]

    assert list(momentum.db.user_progress.find()) == before
    done = (await momentum.check(now)).record["notes"]
    assert notes == {f"would_{name}": count for name, count in done.items()}
    assert (done["weeks_reset"], done["streaks_ended"]) == (1, 2)


async def test_a_streak_whose_last_day_is_known_and_not_its_instant_is_lost_with_its_length(
    momentum: MomentumScenario,
) -> None:
    await momentum.begin("2026-03-09T00:00:00Z")
    forms: dict[str, dict[str, Any]] = {
        "day": {"last_activity_local": "2026-03-10"},
        "text": {"last_activity_date": "2026-03-10"},
        "midnight": {"last_activity_date": datetime(2026, 3, 10, tzinfo=UTC)},
    }
    for user_id, fields in forms.items():
        momentum.add_player(user_id, "America/Los_Angeles", current_streak=4, **fields)

    for now, length in (("2026-03-12T06:59:00Z", 4), ("2026-03-12T07:00:00Z", 0)):
        await momentum.check(now, "streaks")
        for user_id in forms:
            assert momentum.fields("current_streak", user_id=user_id) == (length,)

    for user_id in forms:
        assert momentum.fields("streak_lost", user_id=user_id) == (4,)
        assert len(momentum.notices("streak_lost", user_id)) == 1
