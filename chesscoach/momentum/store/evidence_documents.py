"""Reads single documents of evidence into values; what cannot be read of one counts as missing."""

from datetime import datetime

from chesscoach.momentum.booking.evidence import (
    AnalysedGame,
    DailyClaim,
    ImportedGame,
    PuzzleAttempt,
    Reflection,
)
from chesscoach.momentum.points import MIN_MOVES
from chesscoach.mongo import values
from chesscoach.mongo.client import Document


def to_game(document: Document, at: datetime) -> ImportedGame | None:
    """An imported game; a game against the application's coach is none."""
    if document.get("platform") == "coach":
        return None
    return ImportedGame(
        ref=_ref(document, "game_id"),
        user_id=document["user_id"],
        at=at,
        synced=document.get("auto_synced") is True,
    )


def to_analysis(document: Document, at: datetime) -> AnalysedGame:
    """An analysed game."""
    accuracy, moves = _number(document.get("accuracy")), document["moves"]
    return AnalysedGame(
        ref=_ref(document, "game_id"),
        user_id=document["user_id"],
        at=at,
        accuracy=accuracy or 0.0,
        blunders=document["blunders"],
        paid=document.get("analysis_id") is not None or not moves,
        counts=document.get("stockfish_failed") is not True
        and accuracy is not None
        and accuracy > 0
        and (moves or 0) >= MIN_MOVES,
    )


def to_puzzle(document: Document, at: datetime) -> PuzzleAttempt:
    """An attempt at a puzzle."""
    outcomes = [document.get("success"), document.get("correct")]
    milliseconds = _number(document.get("time_taken_ms"))
    return PuzzleAttempt(
        ref=_ref(document, "attempt_id"),
        user_id=document["user_id"],
        at=at,
        solved=next((outcome for outcome in outcomes if isinstance(outcome, bool)), None),
        seconds=milliseconds / 1000
        if milliseconds is not None
        else _number(document.get("time_taken_seconds")),
    )


def to_reflection(document: Document, at: datetime) -> Reflection:
    """A reflection."""
    return Reflection(ref=_ref(document, "reflection_id"), user_id=document["user_id"], at=at)


def to_claim(document: Document, at: datetime) -> DailyClaim:
    """A daily reward."""
    return DailyClaim(ref=str(document["_id"]), user_id=document["user_id"], at=at)


def _ref(document: Document, field: str) -> str:
    """What names a document: the application's id, else its `_id`."""
    value = document.get(field)
    return value if values.is_text(value) and value else str(document["_id"])


def _number(value: object) -> float | None:
    """A number that is neither a truth value nor beyond all measure."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 1e12 else None
