"""The weeks of players in plain Python: the expected analyses, and the application's numbers."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from chesscoach.emails.weekly.values import PlayerWeek
from chesscoach.mongo.client import Document
from tests.emails.store.malformed_week import MalformedWeek


def proper_moves(document: Document) -> list[Document]:
    """The move evaluations of an analysis; empty if it is not valid."""
    engine = document["stockfish_analysis"]
    if document.get("stockfish_failed") is True or not isinstance(engine, dict):
        return []
    accuracy, moves = engine["accuracy"], engine["move_evaluations"]
    if type(accuracy) not in (int, float) or not 0 < accuracy <= 100 or not isinstance(moves, list):
        return []
    moves = [move for move in moves if isinstance(move, dict)]
    return moves if len(moves) >= 3 else []


def expected_week(made: MalformedWeek, user_id: str, start: datetime, end: datetime) -> list[Any]:
    """The analyses between two instants, in plain Python, one document after another."""
    player_week = []
    for document, at in made.documents_of("game_analyses", user_id):
        moves = proper_moves(document)
        if not moves or at is None or not start <= at < end:
            continue
        worst, swing = 0.0, None
        for move in moves:
            loss: Any = move.get("cp_loss")
            if type(loss) in (int, float) and worst < loss < math.inf:
                worst, swing = loss, move
        number = swing.get("move_number") if swing else None
        text = swing.get("move") if swing else None
        player_week.append(
            (
                at,
                document["game_id"] if isinstance(document["game_id"], str) else "",
                float(document["stockfish_analysis"]["accuracy"]),
                sum(move.get("evaluation") == "blunder" for move in moves),
                sum(move.get("evaluation") == "mistake" for move in moves),
                sum(
                    bool(move.get("is_best")) or move.get("evaluation") == "best" for move in moves
                ),
                worst,
                number if type(number) is int and number >= 0 else None,
                text if isinstance(text, str) else "",
            )
        )
    return sorted(player_week, key=str)


def read_weeks(week: PlayerWeek, analysed: str) -> list[Any]:
    return sorted(
        (
            (
                game.analysed_at,
                game.game_id,
                game.accuracy,
                game.blunders,
                game.mistakes,
                game.best_moves,
                game.swing.cp_loss if game.swing else 0.0,
                game.swing.move_number if game.swing else None,
                game.swing.move if game.swing else "",
            )
            for game in getattr(week, analysed)
        ),
        key=str,
    )


def applications_summary(
    analyses: Sequence[Document], reflections: Sequence[Document], now: datetime
) -> Document:
    """The application's weekly numbers at an instant, by its own rule: seven days back."""
    week_ago, two_weeks_ago = (now - timedelta(days=days) for days in (7, 14))

    def between(documents: Sequence[Document], start: datetime, end: datetime) -> list[Document]:
        return [d for d in documents if start.isoformat() <= d["created_at"] < end.isoformat()]

    def evaluations(analyses: Sequence[Document]) -> list[Document]:
        return [
            move
            for analysis in analyses
            for move in analysis["stockfish_analysis"]["move_evaluations"]
        ]

    def count(moves: Sequence[Document], word: str) -> int:
        return sum(move.get("evaluation") == word for move in moves)

    this_week = between(analyses, week_ago, now)
    last_week = between(analyses, two_weeks_ago, week_ago)
    moves = evaluations(this_week)
    average = count(moves, "blunder") / len(this_week)
    previous = count(evaluations(last_week), "blunder") / len(last_week) if last_week else average
    trend = "stable"
    if average < previous * 0.8:
        trend = "improving"
    elif average > previous * 1.2:
        trend = "declining"
    answered = between(reflections, week_ago, now)
    return {
        "games": len(this_week),
        "blunders": count(moves, "blunder"),
        "mistakes": count(moves, "mistake"),
        "best": sum(bool(m.get("is_best")) or m.get("evaluation") == "best" for m in moves),
        "average": average,
        "trend": trend,
        "reflections": len(answered),
        "right": sum(bool(answer["move_correct"]) for answer in answered),
    }
