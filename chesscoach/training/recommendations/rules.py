"""The rules of recommendations: condition, thresholds and priority of each type.

A number of local days ends with today: the last three days are today and the two days before.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any

from msgspec import Struct

from chesscoach.training.activity import Analysis
from chesscoach.training.days import first_of
from chesscoach.training.recommendations.situation import RecentGame, Situation

MAX_ACTIVE = 5
REVIEW_GAME = "REVIEW_GAME"

_BREAK_MINUTES, _BREAK_DAYS = 600, 3
_IDLE_DAYS = 7
_LOW_ACCURACY, _REVIEW_DAYS, _REVIEW_GAMES = 70, 30, 3
_PRACTICE_GAMES, _PRACTICE_ATTEMPTS, _PRACTICE_DAYS = 5, 2, 14
_MIN_WEAKNESS_SCORE, _DECAY_DAYS = 2.0, 30
_OPENING_GAMES, _OPENING_SCORE, _OPENING_DAYS = 5, 0.4, 90
_TIME_LOSSES, _TIME_DAYS = 3, 30
_DUE_CARDS = 5
_GAMES_SHOWN = 10
SPAN_DAYS = max(_REVIEW_DAYS, _PRACTICE_DAYS, _BREAK_DAYS, _TIME_DAYS)
GAME_DAYS = _OPENING_DAYS


class Recommendation(Struct, frozen=True, kw_only=True):
    """A recommendation; `metadata` is its evidence: `game_ids` and numbers."""

    type: str
    priority: int
    title: str
    message: str
    metadata: Mapping[str, Any]


def recommend(situation: Situation) -> list[Recommendation]:
    """All that apply, the most important first. There may be more than `MAX_ACTIVE`."""
    found = (rule(situation) for rule in _RULES)
    applicable = [item for item in found if item is not None]
    return sorted(applicable, key=lambda item: -item.priority)


def low_accuracy_review(analyses: Iterable[Analysis], today: date) -> Recommendation | None:
    """The last month's games with a low accuracy; `analyses` are in the order of time."""
    first = first_of(_REVIEW_DAYS, today)
    last: dict[str, Analysis] = {}
    for item in analyses:
        if first <= item.day <= today:
            last[item.game_id] = item
    low = [item for item in last.values() if item.accuracy < _LOW_ACCURACY]
    if not low:
        return None
    low.sort(key=lambda item: (item.accuracy, -item.at.timestamp(), item.game_id))
    shown = low[:_REVIEW_GAMES]
    return Recommendation(
        type=REVIEW_GAME,
        priority=85,
        title="Review your least accurate games",
        message=f"Your accuracy was below {_LOW_ACCURACY}% in {_count(len(low), 'game')} of the "
        f"last {_REVIEW_DAYS} days. Look at the worst of them again.",
        metadata={
            "game_ids": [item.game_id for item in shown],
            "accuracies": [item.accuracy for item in shown],
            "games_below": len(low),
            "newest_at": max(item.at for item in low),
        },
    )


def decayed_score(occurrences: float, days_since: int) -> float:
    """A weakness's score as the application has it, with two decimals."""
    return round(occurrences * math.exp(-max(days_since, 0) / _DECAY_DAYS), 2)


def _take_break(situation: Situation) -> Recommendation | None:
    first, activity = first_of(_BREAK_DAYS, situation.today), situation.activity
    minutes = sum(
        item.minutes for item in activity.attempts if first <= item.day <= situation.today
    )
    minutes += sum(
        spent for day, spent in activity.session_minutes.items() if first <= day <= situation.today
    )
    if minutes < _BREAK_MINUTES:
        return None
    return Recommendation(
        type="TAKE_BREAK",
        priority=95,
        title="Take a break",
        message=f"You trained {minutes / 60:.0f} hours in {_BREAK_DAYS} days. Rest helps memory.",
        metadata={"minutes": round(minutes, 2), "days": _BREAK_DAYS},
    )


def _resume(situation: Situation) -> Recommendation | None:
    last = situation.last_activity
    if last is None or (idle := (situation.today - last).days) < _IDLE_DAYS:
        return None
    return Recommendation(
        type="RESUME_LEARNING",
        priority=90,
        title="Pick up your training again",
        message=f"Your last game or puzzle here was {idle} days ago.",
        metadata={"idle_days": idle, "last_activity": last.isoformat()},
    )


def _focus(situation: Situation) -> Recommendation | None:
    scored = [
        (decayed_score(item.occurrences, (situation.today - item.last_seen).days), item)
        for item in situation.weaknesses
    ]
    best = max(scored, key=lambda pair: (pair[0], len(pair[1].game_ids)), default=None)
    if best is None or best[0] < _MIN_WEAKNESS_SCORE:
        return None
    score, weakness = best
    name = weakness.name.replace("_", " ")
    return Recommendation(
        type="FOCUS_ON_WEAKNESS",
        priority=88,
        title=f"Focus on your weakness: {name}",
        message=f"It cost you games more often than anything else, last on {weakness.last_seen}.",
        metadata={
            "weakness": weakness.name,
            "category": weakness.category,
            "decayed_score": score,
            "occurrences": weakness.occurrences,
            "last_occurrence": weakness.last_seen.isoformat(),
            "game_ids": list(weakness.game_ids[:_GAMES_SHOWN]),
        },
    )


def _review(situation: Situation) -> Recommendation | None:
    return low_accuracy_review(situation.activity.analyses, situation.today)


def _fix_opening(situation: Situation) -> Recommendation | None:
    first = first_of(_OPENING_DAYS, situation.today)
    scores: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for item in _between(situation.games, first, situation.today):
        if item.opening and item.score is not None:
            scores[item.opening].append((item.score, item.game.game_id))
    means = [
        (sum(score for score, _ in games) / len(games), -len(games), opening)
        for opening, games in scores.items()
        if len(games) >= _OPENING_GAMES
    ]
    worst = min(means, default=None)
    if worst is None or worst[0] > _OPENING_SCORE:
        return None
    score, _, opening = worst
    games = scores[opening]
    lost = [game_id for points, game_id in games if points == 0]
    return Recommendation(
        type="FIX_OPENING",
        priority=83,
        title=f"Repair your opening: {opening[:80]}",
        message=f"You scored {score:.0%} in {len(games)} games of the last {_OPENING_DAYS} days.",
        metadata={
            "opening": opening,
            "games": len(games),
            "score": round(100 * score, 2),
            "game_ids": lost[:_GAMES_SHOWN],
        },
    )


def _start(situation: Situation) -> Recommendation | None:
    if situation.has_started:
        return None
    return Recommendation(
        type="START_LEARNING",
        priority=80,
        title="Start your training",
        message="Import or play a game, or solve a first puzzle: your coach learns from them.",
        metadata={},
    )


def _manage_time(situation: Situation) -> Recommendation | None:
    first = first_of(_TIME_DAYS, situation.today)
    losses: dict[str, list[str]] = defaultdict(list)
    for item in _between(situation.games, first, situation.today):
        if item.ended_on_time and item.score == 0:
            losses[item.game.speed].append(item.game.game_id)
    speed = min(losses, key=lambda name: (-len(losses[name]), name), default="")
    if len(losses.get(speed, ())) < _TIME_LOSSES:
        return None
    games = losses[speed]
    return Recommendation(
        type="MANAGE_TIME",
        priority=78,
        title=f"Manage your time in {speed} games",
        message=f"You lost {len(games)} {speed} games on time in the last {_TIME_DAYS} days.",
        metadata={
            "time_control": speed,
            "losses_on_time": len(games),
            "game_ids": games[:_GAMES_SHOWN],
        },
    )


def _practise(situation: Situation) -> Recommendation | None:
    first = first_of(_PRACTICE_DAYS, situation.today)
    games = {
        item.game_id for item in situation.activity.analyses if first <= item.day <= situation.today
    }
    attempts = sum(first <= item.day <= situation.today for item in situation.activity.attempts)
    if len(games) < _PRACTICE_GAMES or attempts >= _PRACTICE_ATTEMPTS:
        return None
    return Recommendation(
        type="PRACTICE_MORE",
        priority=75,
        title="Practise with puzzles",
        message=f"You analysed {len(games)} games in {_PRACTICE_DAYS} days, and tried "
        f"{_count(attempts, 'puzzle')}.",
        metadata={"analysed_games": len(games), "puzzle_attempts": attempts},
    )


def _review_cards(situation: Situation) -> Recommendation | None:
    due = situation.due_cards
    if len(due) < _DUE_CARDS:
        return None
    return Recommendation(
        type="REVIEW_CARDS",
        priority=72,
        title="Review your mistake cards",
        message=f"{len(due)} cards of your own mistakes are due.",
        metadata={"cards_due": len(due), "card_ids": due[:_GAMES_SHOWN]},
    )


def _continue(situation: Situation) -> Recommendation | None:
    if situation.unanalysed is not None:
        message = "Your oldest imported game without an analysis waits for you."
        metadata: dict[str, Any] = {"game_ids": [situation.unanalysed]}
    elif situation.unsolved is not None:
        message = "There is a puzzle that you have not solved yet."
        metadata = {"puzzle": situation.unsolved}
    else:
        return None
    return Recommendation(
        type="CONTINUE_LEARNING",
        priority=70,
        title="Continue where you left off",
        message=message,
        metadata=metadata,
    )


def _between(games: Iterable[RecentGame], first: date, last: date) -> Iterable[RecentGame]:
    return (item for item in games if first <= item.day <= last)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


_RULES: tuple[Callable[[Situation], Recommendation | None], ...] = (
    _take_break,
    _resume,
    _focus,
    _review,
    _fix_opening,
    _start,
    _manage_time,
    _practise,
    _review_cards,
    _continue,
)
