"""Which achievements unlock."""

from typing import Any

import pytest

from chesscoach.momentum.achievements import ACHIEVEMENTS, PlayerStats, unlock


def _unlocked(owned: tuple[str, ...] = (), **stats: Any) -> list[str]:
    return [achievement.id for achievement in unlock(PlayerStats(**stats), owned)]


def test_there_are_the_application_s_twenty_seven_and_the_leaderboard_s() -> None:
    rewards = {achievement.id: achievement.reward for achievement in ACHIEVEMENTS}
    assert len(rewards) == len(ACHIEVEMENTS) == 28
    assert sum(rewards.values()) - rewards["leaderboard_legend"] == 6_300
    assert rewards["leaderboard_legend"] == 200


@pytest.mark.parametrize(
    ("stat", "value", "achievement"),
    [
        ("games_imported", 1, "first_steps"),
        ("games_analyzed", 1, "curious_mind"),
        ("games_analyzed", 5, "analyst"),
        ("games_analyzed", 25, "deep_thinker"),
        ("games_analyzed", 100, "game_scholar"),
        ("puzzles_solved", 1, "puzzle_starter"),
        ("puzzles_solved", 10, "tactical_eye"),
        ("puzzles_solved", 50, "tactical_tiger"),
        ("puzzles_solved", 200, "puzzle_master"),
        ("fast_puzzles", 10, "speed_demon"),
        ("streak", 3, "on_fire"),
        ("streak", 7, "dedicated_student"),
        ("streak", 14, "vishys_apprentice"),
        ("streak", 30, "chess_warrior"),
        ("best_accuracy", 80, "sharp_player"),
        ("best_accuracy", 90, "precision_master"),
        ("best_accuracy", 95, "computer_like"),
        ("no_blunders_games", 1, "careful_player"),
        ("no_blunders_games", 5, "blunder_free_warrior"),
        ("no_blunders_games", 10, "fortress"),
    ],
)
def test_a_value_unlocks_at_its_threshold_and_not_below(
    stat: str, value: int, achievement: str
) -> None:
    below: dict[str, Any] = {stat: value - 0.1}
    reached: dict[str, Any] = {stat: value}
    assert achievement in _unlocked(**reached)
    assert achievement not in _unlocked(**below)


@pytest.mark.parametrize(
    ("xp", "achievement"),
    [
        (800, "rising_star"),
        (4_000, "climbing_ranks"),
        (12_500, "elite_player"),
        (35_000, "grandmaster_material"),
    ],
)
def test_a_level_unlocks_at_its_points(xp: int, achievement: str) -> None:
    assert achievement in _unlocked(xp=xp)
    levels = tuple(each.id for each in ACHIEVEMENTS if each.condition == "level")
    others = tuple(owned for owned in levels if owned != achievement)
    assert achievement not in _unlocked(others, xp=xp - 1)


def test_what_a_player_owns_does_not_unlock_again() -> None:
    assert _unlocked(owned=("first_steps",), games_imported=3) == []


def test_one_value_may_unlock_several_at_once() -> None:
    assert _unlocked(games_analyzed=30) == ["curious_mind", "analyst", "deep_thinker"]


def test_a_reward_that_lifts_the_level_unlocks_the_level_s_achievement() -> None:
    assert _unlocked(xp=750, games_imported=1) == ["first_steps", "rising_star"]


def test_the_reward_of_a_level_may_unlock_the_next_level() -> None:
    assert _unlocked(xp=3_900) == ["rising_star", "climbing_ranks"]


def test_with_the_rewards_paid_nothing_else_unlocks() -> None:
    stats = PlayerStats(xp=3_000, games_analyzed=100, best_accuracy=96, streak=30)
    unlocked = unlock(stats, ())
    paid = stats.xp + sum(achievement.reward for achievement in unlocked)
    owned = {achievement.id for achievement in unlocked}
    later = PlayerStats(xp=paid, games_analyzed=100, best_accuracy=96, streak=30)
    assert unlock(later, owned) == ()


def test_special_achievements_never_unlock_by_values() -> None:
    special = {each.id for each in ACHIEVEMENTS if each.condition == "special"}
    everything = _unlocked(
        xp=10**6,
        streak=999,
        games_imported=999,
        games_analyzed=999,
        puzzles_solved=999,
        fast_puzzles=999,
        no_blunders_games=999,
        best_accuracy=100,
    )
    assert special == {"early_bird", "night_owl", "weekend_warrior", "leaderboard_legend"}
    assert set(everything) == {each.id for each in ACHIEVEMENTS} - special
