"""Worked examples: streaks of local days."""

from datetime import UTC, datetime

from tests.support.momentum.scenario import MomentumScenario


def at(text: str) -> datetime:
    """An instant of March 2026, such as `10 20:00`, in UTC."""
    return datetime.fromisoformat(f"2026-03-{text}:00").replace(tzinfo=UTC)


def streak(momentum: MomentumScenario, user_id: str = "u1") -> tuple[int, int]:
    """The current and the longest streak, as the application shows them."""
    current, longest = momentum.fields("current_streak", "longest_streak", user_id=user_id)
    return current, longest


async def with_a_streak_of_four(momentum: MomentumScenario) -> None:
    """A player in Los Angeles, active there from 7 to 10 March; nine is the record."""
    await momentum.begin("2026-03-01T00:00:00Z")
    momentum.add_player("u1", "America/Los_Angeles", longest_streak=9)
    for day in ("07 20:00", "08 20:00", "09 20:00", "10 20:00"):
        momentum.application.analyse_by_worker("u1", at(day))
    await momentum.check("2026-03-11T05:00:00Z")
    assert streak(momentum) == (4, 9)


async def test_example_22_a_streak_lives_while_the_player_can_still_play_today(
    momentum: MomentumScenario,
) -> None:
    await with_a_streak_of_four(momentum)

    for now in ("2026-03-12T02:00:00Z", "2026-03-12T06:59:00Z"):
        await momentum.check(now, "streaks")
        assert streak(momentum) == (4, 9), now


async def test_examples_23_and_24_a_lost_streak_is_zero_and_the_next_day_begins_one(
    momentum: MomentumScenario,
) -> None:
    await with_a_streak_of_four(momentum)

    await momentum.check("2026-03-12T07:00:00Z", "streaks")
    lost = momentum.progress()
    await momentum.check("2026-03-12T08:00:00Z", "streaks")

    assert streak(momentum) == (0, 9)
    assert momentum.fields("last_activity_local", "streak_lost") == ("2026-03-10", 4)
    assert momentum.fields("last_activity_date")[0].date().isoformat() == "2026-03-10"
    unchanged = {key: value for key, value in momentum.progress().items() if key != "updated_at"}
    assert unchanged == {key: value for key, value in lost.items() if key != "updated_at"}
    assert len(momentum.notices("streak_lost")) == 1

    momentum.application.analyse_by_worker("u1", at("12 20:00"))
    await momentum.check("2026-03-12T20:05:00Z")

    assert streak(momentum) == (1, 9)


async def test_examples_22_and_23_hold_for_a_streak_that_is_only_in_the_progress(
    momentum: MomentumScenario,
) -> None:
    """The document alone says it, as the application or an earlier system has left it."""
    await momentum.begin("2026-03-09T00:00:00Z")
    last = datetime(2026, 3, 10, 20, tzinfo=UTC)
    for user_id, local in (("by-local-day", "2026-03-10"), ("by-instant", ...)):
        fields = {"last_activity_date": last, "last_activity_local": local}
        momentum.add_player(
            user_id, "America/Los_Angeles", current_streak=4, longest_streak=9, **fields
        )

    for now, shown in {"02:00": (4, 9), "06:59": (4, 9), "07:00": (0, 9), "08:00": (0, 9)}.items():
        await momentum.check(f"2026-03-12T{now}:00Z", "streaks")
        for user_id in ("by-local-day", "by-instant"):
            assert streak(momentum, user_id) == shown, (user_id, now)
    for user_id in ("by-local-day", "by-instant"):
        lost = momentum.fields("streak_lost", "last_activity_date", user_id=user_id)
        assert lost == (4, last), user_id


async def test_example_25_the_day_of_the_first_run_counts(momentum: MomentumScenario) -> None:
    await momentum.begin("2026-03-10T00:00:00Z")
    momentum.add_player("u1")
    found = []
    for day in ("10 09:00", "10 21:00", "11 09:00", "13 09:00"):
        momentum.application.reflect("u1", at(day))
        await momentum.check(f"{at(day):%Y-%m-%dT%H:05:00Z}")
        found.append(streak(momentum)[0])

    assert found == [1, 1, 2, 1]
    assert streak(momentum) == (1, 2)


async def test_example_26_two_local_days_over_the_change_of_the_clocks_are_a_streak(
    momentum: MomentumScenario,
) -> None:
    await momentum.begin("2026-03-07T00:00:00Z")
    momentum.add_player("u1", "America/New_York")
    momentum.application.reflect("u1", at("08 04:30"))
    momentum.application.reflect("u1", at("09 03:30"))

    await momentum.check("2026-03-09T03:35:00Z")

    days = [event["local_date"] for event in momentum.events() if event["points"] == 10]
    assert sorted(days) == ["2026-03-07", "2026-03-08"]
    assert streak(momentum) == (2, 2)
