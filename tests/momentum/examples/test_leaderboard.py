"""Worked examples: the board of a week, ranked once it has closed everywhere."""

from tests.support.momentum.scenario import MomentumScenario

RUNS = ("2026-03-09T17:05:00Z", "2026-03-09T18:00:00Z", "2026-03-09T18:00:00Z")


async def with_four_players(momentum: MomentumScenario) -> None:
    await momentum.begin("2026-03-01T00:00:00Z")
    for user_id, points in {"p": 180, "q": 180, "a": 120, "r": 99}.items():
        momentum.add_player(user_id, xp=900, level=5)
        momentum.add_points(user_id, points, "2026-03-04")


async def test_example_18_all_who_share_the_first_rank_become_legends_once(
    momentum: MomentumScenario,
) -> None:
    await with_four_players(momentum)

    for now in RUNS:
        await momentum.check(now)

    assert momentum.ranks("2026-W10") == {"p": 1, "q": 1, "a": 3, "r": 4}
    legends = [user for user in "pqar" if momentum.achievements(user) == ["leaderboard_legend"]]
    assert legends == ["p", "q"]
    assert [momentum.fields("xp", user_id=user)[0] for user in "pqar"] == [1100, 1100, 900, 900]
    # The reward belongs to no week and no month.
    assert momentum.week("p") == (0, "2026-W11")
    assert [len(momentum.notices("leaderboard_legend", user)) for user in "pqar"] == [1, 1, 0, 0]


async def test_example_18_before_six_in_the_evening_of_monday_no_week_is_ranked(
    momentum: MomentumScenario,
) -> None:
    await with_four_players(momentum)

    await momentum.check("2026-03-09T17:59:00Z")
    await momentum.check("2026-03-09T17:59:00Z", "leaderboard")

    assert momentum.ranks("2026-W10") == {}
    assert momentum.achievements("p") == []


async def test_example_19_the_first_rank_with_less_than_a_hundred_points_is_not_a_legend(
    momentum: MomentumScenario,
) -> None:
    await momentum.begin("2026-03-08T00:00:00Z")
    momentum.add_player("r", xp=1000)
    momentum.add_points("r", 99, "2026-03-11")

    await momentum.check("2026-03-16T18:00:00Z")

    assert momentum.ranks("2026-W11") == {"r": 1}
    assert momentum.achievements("r") == []
    assert momentum.fields("xp", user_id="r") == (1000,)


async def test_example_20_a_legend_stays_one_and_the_second_does_not_inherit(
    momentum: MomentumScenario,
) -> None:
    await with_four_players(momentum)
    await momentum.check("2026-03-09T18:00:00Z")
    momentum.add_points("p", 300, "2026-03-18")
    momentum.add_points("q", 150, "2026-03-18")
    momentum.add_points("a", 140, "2026-03-18")

    await momentum.check("2026-03-23T18:00:00Z")

    assert momentum.ranks("2026-W12") == {"p": 1, "q": 2, "a": 3}
    assert [momentum.achievements(user) for user in "pqa"] == [
        ["leaderboard_legend"],
        ["leaderboard_legend"],
        [],
    ]
    assert momentum.fields("xp", user_id="p") == (1100,)


async def test_example_21_a_week_that_runs_is_not_touched(momentum: MomentumScenario) -> None:
    await with_four_players(momentum)

    await momentum.check("2026-03-08T23:59:00Z", "leaderboard")

    assert momentum.ranks("2026-W10") == {}
    assert momentum.db.momentum_periods.count_documents({"key": "2026-W10"}) == 0
