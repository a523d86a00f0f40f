"""Cases at the edge of a rule: levels of a day, late completions, odd keys, amounts of 0."""

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from tests.support.momentum.scenario import MomentumScenario
from tests.support.training.session_documents import insert_session


def march(day: int, hour: int = 12) -> datetime:
    """An instant of March 2026 in UTC."""
    return datetime(2026, 3, day, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    "checks", [["2026-03-04T00:05:00Z"], ["2026-03-02T13:05:00Z", "2026-03-04T00:05:00Z"]]
)
async def test_a_day_has_one_notification_of_the_level_however_often_checks_run(
    momentum: MomentumScenario, checks: list[str]
) -> None:
    await momentum.begin("2026-03-01T00:00:00Z")
    momentum.add_player("u1", xp=95)
    for at in (march(2, 12), march(2, 20), march(3, 12)):
        momentum.application.analyse_by_worker("u1", at, accuracy=91.0)

    for now in checks:
        await momentum.check(now)

    assert [notice["data"]["level"] for notice in momentum.notices("level_up")] == [4]
    assert momentum.fields("xp", "level") == (650, 4)


@pytest.mark.parametrize("now", ["2026-03-09T08:05:00Z", "2026-04-05T08:05:00Z"])
async def test_a_session_that_is_completed_after_the_close_does_not_make_a_week_perfect(
    momentum: MomentumScenario, now: str
) -> None:
    await momentum.begin("2026-03-01T00:00:00Z")
    in_time, late = march(9, 5), march(9, 7)
    completed: dict[str, Any] = {
        "in-time": in_time,
        "in-time-as-text": in_time.isoformat(),
        "late": late,
        "late-as-text": late.isoformat(),
    }
    for user_id, at in completed.items():
        momentum.add_player(user_id)
        insert_session(momentum.db, user_id, "2026-03-08", "completed", completed_at=at)

    await momentum.check(now)

    for user_id in completed:
        is_perfect = user_id.startswith("in-time")
        period = momentum.period("2026-W10", user_id)
        assert period is not None, user_id
        assert (period["perfect"], period["done"]) == (is_perfect, int(is_perfect)), user_id
        assert len(momentum.events(user_id, "perfect_week")) == int(is_perfect), user_id


async def test_a_counter_with_an_odd_key_begins_the_current_period(
    momentum: MomentumScenario,
) -> None:
    await momentum.begin("2026-03-01T00:00:00Z")
    keys: tuple[object, ...] = ("zzz", "2026-W1", 7, ["2026-W99"], {"$gt": ""}, None)
    users = {f"u{number}": key for number, key in enumerate(keys)}
    for user_id, key in users.items():
        momentum.add_player(user_id, weekly_xp="many", weekly_key=key, weekly_prev_key=key)
        momentum.application.reflect(user_id, march(10))

    await momentum.check("2026-03-10T18:05:00Z")

    for user_id, key in users.items():
        assert momentum.week(user_id) == (10, "2026-W11"), key


async def test_an_amount_of_0_still_counts_what_it_is_for(momentum: MomentumScenario) -> None:
    amounts = replace(momentum.settings.config.momentum.amounts, game_analyzed=0)
    momentum.change_settings(amounts=amounts)
    await momentum.begin("2026-03-01T00:00:00Z")
    momentum.add_player("u1")
    momentum.application.analyse_by_worker("u1", march(2), accuracy=70.0, blunders=1)

    await momentum.check("2026-03-02T18:05:00Z")

    assert momentum.fields("games_analyzed", "xp") == (1, 50)
    assert momentum.achievements() == ["curious_mind"]
