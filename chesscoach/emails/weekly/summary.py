"""The rules of the weekly summary: a player's week in numbers."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, time, timedelta
from typing import Literal, TypeAlias

from chesscoach.emails.weekly.values import (
    AnalysedGame,
    Highlight,
    PlayerWeek,
    ResultsBySpeed,
    Summary,
    Trend,
    WeekAccuracy,
)
from chesscoach.players.game import PlayedGame

BETTER_RATIO, WORSE_RATIO = 0.8, 1.2
"""Blunders per game against the week before: the application's own thresholds."""

MANY_BLUNDERS_PER_GAME, MANY_MISTAKES_PER_GAME = 1.0, 2.0
"""From this number per game on, they are what to work on first."""

Focus: TypeAlias = Literal["weakness", "blunders", "mistakes", "analyse", "reflect", "keep_going"]


def summarise(player_week: PlayerWeek, now: datetime) -> Summary:
    """Summarise a week; `now` is in the player's own time zone."""
    this_week, before = (
        _week_accuracy(player_week.analysed),
        _week_accuracy(player_week.analysed_before),
    )
    return Summary(
        user_id=player_week.user_id,
        week=player_week.week,
        results_by_speed=_results_by_speed(player_week.played),
        accuracy=this_week,
        before=before,
        trend=_trend(this_week, before),
        weakness=player_week.weakness,
        strength=player_week.strength,
        reflections=player_week.reflections,
        reflections_right=player_week.reflections_right,
        streak=_current_streak(player_week, now),
        longest_streak=player_week.longest_streak,
        points=player_week.points,
        level=player_week.level,
        extras=player_week.extras,
        best_game=_best_game(player_week.analysed),
        critical=_critical_game(player_week.analysed),
        focus=_focus(player_week, this_week),
    )


def _current_streak(player_week: PlayerWeek, now: datetime) -> int | None:
    """The streak; None if the player's last activity was before yesterday.

    The application keeps a broken streak until the next activity.
    """
    yesterday = datetime.combine(now.date() - timedelta(days=1), time.min, now.tzinfo)
    last = player_week.last_activity
    return player_week.streak if last is None or last >= yesterday else None


def _results_by_speed(played: Iterable[PlayedGame]) -> tuple[ResultsBySpeed, ...]:
    """Group games by platform and speed, the most played first."""
    groups: defaultdict[tuple[str, str], list[PlayedGame]] = defaultdict(list)
    for game in sorted(played, key=lambda game: (game.ended_at, game.game_id)):
        groups[game.platform, game.speed].append(game)
    results = [_results_of(*key, games) for key, games in groups.items()]
    return tuple(sorted(results, key=lambda row: (-row.played, row.platform, row.speed)))


def _results_of(platform: str, speed: str, games: Sequence[PlayedGame]) -> ResultsBySpeed:
    points = [_points(game) for game in games]
    # Lichess has the ratings before a game, Chess.com those after it.
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
    """The player's score; None if the result or the player's colour is not known."""
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


def _trend(this_week: WeekAccuracy, before: WeekAccuracy) -> Trend:
    """The trend by blunders per game, as in the application; stable if the week before is empty.

    As in the application, a week without analysed games counts as a week without blunders.
    """
    if not before.games:
        return "stable"
    now, then = this_week.per_game(this_week.blunders), before.per_game(before.blunders)
    if now < then * BETTER_RATIO:
        return "improving"
    return "declining" if now > then * WORSE_RATIO else "stable"


def _best_game(analysed: Iterable[AnalysedGame]) -> Highlight | None:
    """The most accurate game; of equal ones the last analysed."""
    game = max(
        analysed, key=lambda game: (game.accuracy, game.analysed_at, game.game_id), default=None
    )
    return _highlight(game) if game else None


def _critical_game(analysed: Iterable[AnalysedGame]) -> Highlight | None:
    """The game with the largest swing; of equal ones the last analysed."""
    swings = [
        (game.swing.cp_loss, game.analysed_at, game.game_id, place, game)
        for place, game in enumerate(analysed)
        if game.swing is not None
    ]
    return _highlight(max(swings)[-1]) if swings else None


def _highlight(game: AnalysedGame) -> Highlight:
    return Highlight(game_id=game.game_id, accuracy=game.accuracy, swing=game.swing, game=game.game)


def _focus(player_week: PlayerWeek, this_week: WeekAccuracy) -> Focus:
    if player_week.weakness is not None:
        return "weakness"
    if this_week.per_game(this_week.blunders) >= MANY_BLUNDERS_PER_GAME:
        return "blunders"
    if this_week.per_game(this_week.mistakes) >= MANY_MISTAKES_PER_GAME:
        return "mistakes"
    if player_week.played and not player_week.analysed:
        return "analyse"
    return "keep_going" if player_week.reflections else "reflect"
