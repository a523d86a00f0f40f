"""The figures of one local day, by the rules of the booking system that they come from.

A lesson is a game that was properly analysed that day; a quiz is a puzzle whose result is known.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Literal

from msgspec import Struct

from chesscoach.players.game import PlayedGame
from chesscoach.sources.source import SOURCES, Source
from chesscoach.sources.speed import OTHER_SPEED
from chesscoach.training import days
from chesscoach.training.activity import Activity, Analysis, Attempt

Pace = Literal["ACCELERATED", "FAST", "MEDIUM", "SLOW"]
Ratings = Mapping[str, Mapping[str, int]]
"""A rating by source and speed."""

WINDOW_DAYS = 30
QUIZ_WEIGHTS = (0.4, 0.25, 0.2, 0.1, 0.05, 0.04, 0.03, 0.02, 0.01, 0.01)
"""The weights of the last quizzes, the newest first."""

_FULL_LESSONS, _FULL_DAYS = 30, 20
"""Lessons and active days in the window that earn the full share of the pace."""

_IDLE_SCORE = 50.0
_SOURCES: dict[str, Source] = {str(name): source for name, source in SOURCES.items()}
_LABELS: tuple[tuple[float, Pace], ...] = ((80, "ACCELERATED"), (60, "FAST"), (40, "MEDIUM"))


class Figures(Struct, frozen=True, kw_only=True):
    """The figures of a day; the accuracy and the blunders are None without an analysed game."""

    pace_score: float
    pace: Pace
    quiz_average: float
    lessons: int
    minutes: float
    accuracy: float | None
    blunders_per_game: float | None
    rating: Ratings


def figures_of(activity: Activity, day: date, known: Ratings) -> Figures:
    """The figures of a day; `known` are the ratings at the end of the day before."""
    score = _pace_score(activity, day)
    lessons = _by_game(item for item in activity.analyses if item.day == day)
    minutes = sum(item.minutes for item in activity.attempts if item.day == day)
    return Figures(
        pace_score=score,
        pace=next((label for limit, label in _LABELS if score >= limit), "SLOW"),
        quiz_average=_quiz_average(activity.attempts, day),
        lessons=len(lessons),
        minutes=round(minutes + activity.session_minutes.get(day, 0.0), 2),
        accuracy=_mean([item.accuracy for item in lessons]),
        blunders_per_game=_mean([item.blunders for item in lessons]),
        rating=ratings_after(known, activity.games_of(day)),
    )


def ratings_after(known: Ratings, games: Iterable[PlayedGame]) -> Ratings:
    """The ratings after some games."""
    games = list(games)
    if not games:
        return known
    ratings = {source: dict(speeds) for source, speeds in known.items()}
    for game in sorted(games, key=lambda game: (game.ended_at, game.game_id)):
        source = _SOURCES.get(game.platform)
        rating = game.rating_after if game.rating_after is not None else game.rating_before
        if source is not None and rating is not None and game.speed != OTHER_SPEED:
            ratings.setdefault(source.key, {})[game.speed] = rating
    return ratings


def _pace_score(activity: Activity, day: date) -> float:
    """The pace of the last 30 days, 0 to 100."""
    first = days.first_of(WINDOW_DAYS, day)
    lessons = [item for item in activity.analyses if first <= item.day <= day]
    if not lessons:
        return _IDLE_SCORE
    games = len({item.game_id for item in lessons})
    active_days = len({item.day for item in lessons})
    score = 0.4 * min(100 * games / _FULL_LESSONS, 100)
    score += 0.3 * min(100 * active_days / _FULL_DAYS, 100)
    score += 0.3 * _performance(activity, lessons, first, day)
    return round(min(max(score, 0), 100), 2)


def _performance(activity: Activity, lessons: list[Analysis], first: date, last: date) -> float:
    """The mean result of puzzles, else the mean accuracy of games."""
    results = [
        100.0 * item.solved
        for item in activity.attempts
        if item.solved is not None and first <= item.day <= last
    ]
    return _mean(results or [item.accuracy for item in _by_game(lessons)], places=6) or 0.0


def _quiz_average(attempts: Iterable[Attempt], day: date) -> float:
    """The weighted mean of the last quizzes up to a day; `attempts` are in the order of time."""
    quizzes = [item.solved for item in attempts if item.solved is not None and item.day <= day]
    newest = list(zip(reversed(quizzes), QUIZ_WEIGHTS, strict=False))
    total = sum(weight for _, weight in newest)
    right = sum(weight for solved, weight in newest if solved)
    return round(100 * right / total, 2) if total else 0.0


def _by_game(analyses: Iterable[Analysis]) -> list[Analysis]:
    """The last analysis of each game, of analyses in the order of time."""
    return list({item.game_id: item for item in analyses}.values())


def _mean(numbers: list[float] | list[int], places: int = 2) -> float | None:
    return round(sum(numbers) / len(numbers), places) if numbers else None
