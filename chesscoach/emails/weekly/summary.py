"""What a player's week comes to: the numbers of his weekly mail."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

from chesscoach.emails.weekly.values import (
    AnalysedGame,
    Form,
    Highlight,
    PlayedGame,
    PlayerWeek,
    Summary,
    Tally,
    Trend,
)

BETTER, WORSE = 0.8, 1.2
"""Blunders per game against the week before: the application's own thresholds."""

BLUNDERS, MISTAKES = 1.0, 2.0
"""So many per game are what to work on first."""

Focus: TypeAlias = Literal["weakness", "blunders", "mistakes", "analyse", "reflect", "keep_going"]


def summarise(found: PlayerWeek) -> Summary:
    """The summary of a week."""
    form, before = _form(found.analysed), _form(found.analysed_before)
    return Summary(
        user_id=found.user_id,
        week=found.week,
        tallies=_tallies(found.played),
        form=form,
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
        best_game=_best(found.analysed),
        critical=_critical(found.analysed),
        focus=_focus(found, form),
    )


def _tallies(played: Iterable[PlayedGame]) -> tuple[Tally, ...]:
    """One for each platform and speed, the most played first."""
    groups: defaultdict[tuple[str, str], list[PlayedGame]] = defaultdict(list)
    for game in sorted(played, key=lambda game: (game.ended_at, game.game_id)):
        groups[game.platform, game.speed].append(game)
    tallies = [_tally(*key, games) for key, games in groups.items()]
    return tuple(sorted(tallies, key=lambda tally: (-tally.played, tally.platform, tally.speed)))


def _tally(platform: str, speed: str, games: Sequence[PlayedGame]) -> Tally:
    points = [_points(game) for game in games]
    # Lichess tells of ratings before a game and Chess.com of those after it.
    known = [
        rating
        for game in games
        for rating in (game.rating_before, game.rating_after)
        if rating is not None
    ]
    return Tally(
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


def _form(analysed: Sequence[AnalysedGame]) -> Form:
    if not analysed:
        return Form()
    return Form(
        games=len(analysed),
        accuracy=sum(game.accuracy for game in analysed) / len(analysed),
        blunders=sum(game.blunders for game in analysed),
        mistakes=sum(game.mistakes for game in analysed),
        best_moves=sum(game.best_moves for game in analysed),
    )


def _trend(form: Form, before: Form) -> Trend:
    """As the application judges it, by blunders per game; nothing to compare with is stable.

    Like there a week without analysed games has no blunders: whoever tells of it must know that.
    """
    if not before.games:
        return "stable"
    now, then = form.per_game(form.blunders), before.per_game(before.blunders)
    if now < then * BETTER:
        return "improving"
    return "declining" if now > then * WORSE else "stable"


def _best(analysed: Iterable[AnalysedGame]) -> Highlight | None:
    """The most accurate game; of equals the one analysed last."""
    game = max(
        analysed, key=lambda game: (game.accuracy, game.analysed_at, game.game_id), default=None
    )
    return _highlight(game) if game else None


def _critical(analysed: Iterable[AnalysedGame]) -> Highlight | None:
    """The game of the largest swing; of equals the one analysed last."""
    swings = [
        (game.swing.cp_loss, game.analysed_at, game.game_id, place, game)
        for place, game in enumerate(analysed)
        if game.swing is not None
    ]
    return _highlight(max(swings)[-1]) if swings else None


def _highlight(game: AnalysedGame) -> Highlight:
    return Highlight(game_id=game.game_id, accuracy=game.accuracy, swing=game.swing, game=game.game)


def _focus(found: PlayerWeek, form: Form) -> Focus:
    if found.weakness is not None:
        return "weakness"
    if form.per_game(form.blunders) >= BLUNDERS:
        return "blunders"
    if form.per_game(form.mistakes) >= MISTAKES:
        return "mistakes"
    if found.played and not found.analysed:
        return "analyse"
    return "keep_going" if found.reflections else "reflect"
