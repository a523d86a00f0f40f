"""The application's twenty-seven achievements and the leaderboard's, as data, and what unlocks."""

from collections.abc import Collection
from typing import Literal, get_args

from msgspec import Struct

from chesscoach.momentum.levels import level_for

Condition = Literal[
    "games_imported",
    "games_analyzed",
    "puzzles_solved",
    "fast_puzzles",
    "no_blunders_games",
    "best_accuracy",
    "streak",
    "level",
    "special",
]
CONDITIONS: tuple[Condition, ...] = get_args(Condition)
Category = Literal[
    "beginner", "streak", "analysis", "accuracy", "quality", "puzzles", "level", "special"
]


class Achievement(Struct, frozen=True, kw_only=True):
    """An achievement: it unlocks when the value of its condition reaches the threshold.

    No value belongs to the condition `special`. The application has no rule for these three, and
    the leaderboard decides about `leaderboard_legend`.
    """

    id: str
    name: str
    category: Category
    condition: Condition
    threshold: float
    reward: int


class PlayerStats(Struct, frozen=True, kw_only=True):
    """The values of a player that conditions compare."""

    xp: int = 0
    streak: int = 0
    games_imported: int = 0
    games_analyzed: int = 0
    puzzles_solved: int = 0
    fast_puzzles: int = 0
    no_blunders_games: int = 0
    best_accuracy: float = 0

    def value_of(self, condition: Condition, xp: int) -> float | None:
        """The value that a condition compares, at that number of points; None if it has none."""
        if condition == "special":
            return None
        if condition == "level":
            return level_for(xp)
        value: float = getattr(self, condition)
        return value


def _achievement(
    achievement_id: str,
    name: str,
    category: Category,
    condition: Condition,
    threshold: float,
    reward: int,
) -> Achievement:
    return Achievement(
        id=achievement_id,
        name=name,
        category=category,
        condition=condition,
        threshold=threshold,
        reward=reward,
    )


LEADERBOARD_LEGEND = _achievement(
    "leaderboard_legend", "Leaderboard Legend", "special", "special", 1, 200
)

ACHIEVEMENTS = (
    _achievement("first_steps", "First Steps", "beginner", "games_imported", 1, 50),
    _achievement("curious_mind", "Curious Mind", "beginner", "games_analyzed", 1, 50),
    _achievement("puzzle_starter", "Puzzle Starter", "beginner", "puzzles_solved", 1, 50),
    _achievement("on_fire", "On Fire", "streak", "streak", 3, 75),
    _achievement("dedicated_student", "Dedicated Student", "streak", "streak", 7, 150),
    _achievement("vishys_apprentice", "Vishy's Apprentice", "streak", "streak", 14, 300),
    _achievement("chess_warrior", "Chess Warrior", "streak", "streak", 30, 500),
    _achievement("analyst", "Analyst", "analysis", "games_analyzed", 5, 100),
    _achievement("deep_thinker", "Deep Thinker", "analysis", "games_analyzed", 25, 250),
    _achievement("game_scholar", "Game Scholar", "analysis", "games_analyzed", 100, 500),
    _achievement("sharp_player", "Sharp Player", "accuracy", "best_accuracy", 80, 100),
    _achievement("precision_master", "Precision Master", "accuracy", "best_accuracy", 90, 200),
    _achievement("computer_like", "Computer-Like", "accuracy", "best_accuracy", 95, 350),
    _achievement("careful_player", "Careful Player", "quality", "no_blunders_games", 1, 75),
    _achievement(
        "blunder_free_warrior", "Blunder-Free Warrior", "quality", "no_blunders_games", 5, 200
    ),
    _achievement("fortress", "Fortress", "quality", "no_blunders_games", 10, 400),
    _achievement("tactical_eye", "Tactical Eye", "puzzles", "puzzles_solved", 10, 100),
    _achievement("tactical_tiger", "Tactical Tiger", "puzzles", "puzzles_solved", 50, 250),
    _achievement("puzzle_master", "Puzzle Master", "puzzles", "puzzles_solved", 200, 500),
    _achievement("speed_demon", "Speed Demon", "puzzles", "fast_puzzles", 10, 200),
    _achievement("rising_star", "Rising Star", "level", "level", 5, 100),
    _achievement("climbing_ranks", "Climbing Ranks", "level", "level", 10, 200),
    _achievement("elite_player", "Elite Player", "level", "level", 15, 350),
    _achievement("grandmaster_material", "Grandmaster Material", "level", "level", 20, 1_000),
    _achievement("early_bird", "Early Bird", "special", "special", 1, 50),
    _achievement("night_owl", "Night Owl", "special", "special", 1, 50),
    _achievement("weekend_warrior", "Weekend Warrior", "special", "special", 1, 150),
    LEADERBOARD_LEGEND,
)


def unlock(
    stats: PlayerStats, owned: Collection[str], before: PlayerStats | None = None
) -> tuple[Achievement, ...]:
    """The achievements that a player does not own and whose conditions hold.

    Only conditions whose values have changed since `before` are judged, as the application does.
    Each reward adds to the points, so one may unlock achievements of levels, and their rewards more
    of them. The result is complete: with its rewards paid, nothing else unlocks.
    """
    before = before or PlayerStats()
    xp = stats.xp
    unlocked: dict[str, Achievement] = {}
    while True:
        values = _changed_values(before, stats, xp)
        reached = [
            achievement
            for achievement in ACHIEVEMENTS
            if achievement.id not in owned
            and achievement.id not in unlocked
            and values.get(achievement.condition, 0) >= achievement.threshold
        ]
        if not reached:
            return tuple(unlocked.values())
        unlocked |= {achievement.id: achievement for achievement in reached}
        xp += sum(achievement.reward for achievement in reached)


def _changed_values(before: PlayerStats, stats: PlayerStats, xp: int) -> dict[Condition, float]:
    """The conditions whose values have changed, with their values."""
    changed: dict[Condition, float] = {}
    for condition in CONDITIONS:
        old, new = before.value_of(condition, before.xp), stats.value_of(condition, xp)
        if old is not None and new is not None and old != new:
            changed[condition] = new
    return changed
