"""What a player's week comes to: the numbers of his weekly mail."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

from chesscoach.emails.weekly.values import (
    AnalysedGame,
    Highlight,
    PlayedGame,
    PlayerWeek,
    ResultsBySpeed,
    Summary,
    Trend,
    WeekAccuracy,
)

BETTER_RATIO, WORSE_RATIO = 0.8, 1.2
"""Blunders per game against the week before: the application's own thresholds."""

MANY_BLUNDERS_PER_GAME, MANY_MISTAKES_PER_GAME = 1.0, 2.0
"""So many per game are what to work on first."""

Focus: TypeAlias = Literal["weakness", "blunders", "mistakes", "analyse", "reflect", "keep_going"]


def summarise(found: PlayerWeek) -> Summary:
    """The summary of a week."""
    form, before = _week_accuracy(found.analysed), _week_accuracy(found.analysed_before)
    return Summary(
        user_id=found.user_id,
        week=found.week,
        results_by_speed=_results_by_speed(found.played),
        accuracy=form,
        before=before,
        trend=_trend(form, before),
        weakness=found.weakness,
        strength=found.strength,
        reflections=found.reflections,
        reflections_right=found.reflections_right,
        streak=found.streak,
        longest_streak=found.longest_streak,
        points=found.points,
        level=found.level,
        best_game=_best_game(found.analysed),
        critical=_critical_game(found.analysed),
        focus=_focus(found, form),
    )


def _results_by_speed(played: Iterable[PlayedGame]) -> tuple[ResultsBySpeed, ...]:
    """One for each platform and speed, the most played first."""
    groups: defaultdict[tuple[str, str], list[PlayedGame]] = defaultdict(list)
    for game in sorted(played, key=lambda game: (game.ended_at, game.game_id)):
        groups[game.platform, game.speed].append(game)
    tallies = [_results_of(*key, games) for key, games in groups.items()]
    return tuple(sorted(tallies, key=lambda tally: (-tally.played, tally.platform, tally.speed)))


def _results_of(platform: str, speed: str, games: Sequence[PlayedGame]) -> ResultsBySpeed:
    points = [_points(game) for game in games]
    # Lichess tells of ratings before a game and Chess.com of those after it.
    known = [
        rating
        for game in games
        for rating in (game.rating_before, game.rating_after)
        if rating is not None
    ]
    return ResultsBySpeed(
        platform=platform,
        speed=speed,
        played=len(games),
        won=points.count(1.0),
        drawn=points.count(0.5),
        lost=points.count(0.0),
        rating_start=known[0] if known else None,
        rating_end=known[-1] if known else None,
    )


def _points(game: PlayedGame) -> float | None:
    """What the player scored; None if the result is not known, or on which side he was."""
    if game.result == "1/2-1/2":
        return 0.5
    if game.result == "*" or game.colour is None:
        return None
    return 1.0 if (game.result == "1-0") == (game.colour == "white") else 0.0


def _week_accuracy(analysed: Sequence[AnalysedGame]) -> WeekAccuracy:
    if not analysed:
        return WeekAccuracy()
    return WeekAccuracy(
        games=len(analysed),
        accuracy=sum(game.accuracy for game in analysed) / len(analysed),
        blunders=sum(game.blunders for game in analysed),
        mistakes=sum(game.mistakes for game in analysed),
        best_moves=sum(game.best_moves for game in analysed),
    )


def _trend(form: WeekAccuracy, before: WeekAccuracy) -> Trend:
    """As the application judges it, by blunders per game; nothing to compare with is stable.

    Like there a week without analysed games has no blunders: whoever tells of it must know that.
    """
    if not before.games:
        return "stable"
    now, then = form.per_game(form.blunders), before.per_game(before.blunders)
    if now < then * BETTER_RATIO:
        return "improving"
    return "declining" if now > then * WORSE_RATIO else "stable"


def _best_game(analysed: Iterable[AnalysedGame]) -> Highlight | None:
    """The most accurate game; of equals the one analysed last."""
    game = max(
        analysed, key=lambda game: (game.accuracy, game.analysed_at, game.game_id), default=None
    )
    return _highlight(game) if game else None


def _critical_game(analysed: Iterable[AnalysedGame]) -> Highlight | None:
    """The game of the largest swing; of equals the one analysed last."""
    swings = [
        (game.swing.cp_loss, game.analysed_at, game.game_id, place, game)
        for place, game in enumerate(analysed)
        if game.swing is not None
    ]
    return _highlight(max(swings)[-1]) if swings else None


def _highlight(game: AnalysedGame) -> Highlight:
    return Highlight(game_id=game.game_id, accuracy=game.accuracy, swing=game.swing, game=game.game)


def _focus(found: PlayerWeek, form: WeekAccuracy) -> Focus:
    if found.weakness is not None:
        return "weakness"
    if form.per_game(form.blunders) >= MANY_BLUNDERS_PER_GAME:
        return "blunders"
    if form.per_game(form.mistakes) >= MANY_MISTAKES_PER_GAME:
        return "mistakes"
    if found.played and not found.analysed:
        return "analyse"
    return "keep_going" if found.reflections else "reflect"
