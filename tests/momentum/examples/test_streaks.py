"""Worked examples: streaks of local days, of players in one series of checks."""

from datetime import UTC, datetime

import pytest

from tests.support.momentum.check_series import CheckSeries, RunSeries
from tests.support.momentum.scenario import MomentumScenario
from tests.support.training.session_documents import insert_session

LOS_ANGELES = "America/Los_Angeles"
ONLY_IN_PROGRESS = ("by-local-day", "by-instant")
LAST = datetime(2026, 3, 10, 20, tzinfo=UTC)


def at(text: str) -> datetime:
    """An instant of March 2026, such as `10 20:00`, in UTC."""
    return datetime.fromisoformat(f"2026-03-{text}:00").replace(tzinfo=UTC)


@pytest.fixture(scope="module")
def series(run_series: RunSeries) -> CheckSeries:
    """The checks of all examples; the first run is on 7 March."""
    return run_series(_run_checks)


async def _run_checks(series: CheckSeries) -> None:
    await series.check("03-07T00:00")
    _add_players(series)
    for now in ("07T09:05", "07T21:05", "08T09:05", "09T03:35", "10T09:05", "11T05:00"):
        await series.check(f"03-{now}")
    for user_id, local in zip(ONLY_IN_PROGRESS, ("2026-03-10", ...), strict=True):
        fields = {"last_activity_date": LAST, "last_activity_local": local}
        series.scenario.add_player(
            user_id, LOS_ANGELES, current_streak=4, longest_streak=9, **fields
        )
    for now in ("12T02:00", "12T06:59", "12T07:00", "12T08:00"):
        await series.check(f"03-{now}", "streaks")
    await series.check("03-12T20:05")


def _add_players(series: CheckSeries) -> None:
    add_player, application = series.scenario.add_player, series.application
    add_player("four-days", LOS_ANGELES, longest_streak=9)
    for day in ("07 20:00", "08 20:00", "09 20:00", "10 20:00", "12 20:00"):
        application.analyse_by_worker("four-days", at(day))
    add_player("from-the-first-day")
    for day in ("07 09:00", "07 21:00", "08 09:00", "10 09:00"):
        application.reflect("from-the-first-day", at(day))
    add_player("change-of-clocks", "America/New_York")
    for day in ("08 04:30", "09 03:30"):
        application.reflect("change-of-clocks", at(day))


def test_example_22_a_streak_lives_while_the_player_can_still_play_today(
    series: CheckSeries,
) -> None:
    for now in ("11T05:00", "12T02:00", "12T06:59"):
        assert series.after[f"03-{now}"].streak("four-days") == (4, 9), now


def test_examples_23_and_24_a_lost_streak_is_zero_and_the_next_day_begins_one(
    series: CheckSeries,
) -> None:
    lost, later = series.after["03-12T07:00"], series.after["03-12T08:00"]

    assert lost.streak("four-days") == (0, 9)
    kept = lost.fields("last_activity_local", "streak_lost", user_id="four-days")
    assert kept == ("2026-03-10", 4)
    (last,) = lost.fields("last_activity_date", user_id="four-days")
    assert last.date().isoformat() == "2026-03-10"
    before, after = lost.progress("four-days"), later.progress("four-days")
    assert after | {"updated_at": None} == before | {"updated_at": None}
    assert len(later.notices("streak_lost", "four-days")) == 1

    assert series.after["03-12T20:05"].streak("four-days") == (1, 9)


@pytest.mark.parametrize("user_id", ONLY_IN_PROGRESS)
def test_examples_22_and_23_hold_for_a_streak_that_is_only_in_the_progress(
    series: CheckSeries, user_id: str
) -> None:
    """The document alone says it, as the application or an earlier system has left it."""
    shown = {"02:00": (4, 9), "06:59": (4, 9), "07:00": (0, 9), "08:00": (0, 9)}
    for now, streak in shown.items():
        assert series.after[f"03-12T{now}"].streak(user_id) == streak, now
    fields = ("streak_lost", "last_activity_date")
    assert series.after["03-12T08:00"].fields(*fields, user_id=user_id) == (4, LAST)


def test_example_25_the_day_of_the_first_run_counts(series: CheckSeries) -> None:
    checks = ("03-07T09:05", "03-07T21:05", "03-08T09:05", "03-10T09:05")
    streaks = [series.after[now].streak("from-the-first-day") for now in checks]

    assert streaks == [(1, 1), (1, 1), (2, 2), (1, 2)]


def test_example_26_two_local_days_over_the_change_of_the_clocks_are_a_streak(
    series: CheckSeries,
) -> None:
    after = series.after["03-09T03:35"]

    days = [event for event in after.events("change-of-clocks") if event["points"] == 10]
    assert sorted(event["local_date"] for event in days) == ["2026-03-07", "2026-03-08"]
    assert after.streak("change-of-clocks") == (2, 2)


async def test_only_the_check_of_streaks_ends_a_streak_however_late_another_check_comes(
    momentum: MomentumScenario,
) -> None:
    await momentum.begin("2026-03-07T00:00:00Z")
    momentum.add_player("u1")
    for day in ("07 12:00", "08 12:00", "09 12:00"):
        momentum.application.reflect("u1", at(day))

    await momentum.check("2026-03-20T12:05:00Z", "weekly")

    assert momentum.streak() == (3, 3)  # as after weekly checks of each hour
    await momentum.check("2026-03-20T12:35:00Z", "streaks")
    assert momentum.streak() == (0, 3)
    assert len(momentum.notices("streak_lost")) == 1


async def test_a_day_that_joins_a_streak_late_shows_no_streak_that_is_over(
    momentum: MomentumScenario,
) -> None:
    await momentum.begin("2026-03-01T00:00:00Z")
    momentum.add_player("u1")
    momentum.application.reflect("u1", at("03 12:00"))
    await momentum.check("2026-03-06T12:05:00Z")
    insert_session(momentum.db, "u1", "2026-03-02")

    await momentum.check("2026-03-07T12:05:00Z", "weekly")

    assert momentum.streak() == (0, 2)
