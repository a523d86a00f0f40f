"""The awards of evidence: what the settings name, and what the application has not paid itself."""

from collections.abc import Callable, Sequence
from datetime import date, datetime

from chesscoach.config import MomentumSettings
from chesscoach.momentum import points
from chesscoach.momentum.booking.evidence import Evidence, EvidenceWindow
from chesscoach.momentum.points import Action, Award

OF_ANALYSES: tuple[Action, ...] = ("game_analyzed", "accuracy_90_plus", "no_blunders")

LocalDay = Callable[[str, datetime], date | None]
"""The local date of a user at an instant; None for a user without progress."""


def awards_of(found: EvidenceWindow, settings: MomentumSettings, day_of: LocalDay) -> list[Award]:
    """The awards of all evidence of a window but its streaks."""
    amounts, booked = settings.amounts, settings.booked
    earned = list[Award]()
    if "games_imported" in booked:
        synced = [game for game in found.games if game.synced]
        earned += _simple("game_imported", amounts.game_imported, synced, day_of)
    if "games_analysed" in booked:
        earned += _of_analyses(found, settings, day_of)
    if "puzzles" in booked:
        for attempt in found.puzzles:
            if attempt.solved:
                action, amount = points.puzzle_points(amounts, attempt.seconds)
                earned += _simple(action, amount, [attempt], day_of)
    if "reflections" in booked:
        amount = amounts.reflection_completed
        earned += _simple("reflection_completed", amount, found.reflections, day_of)
    if "sessions" in booked:
        amount = amounts.session_completed
        earned += _simple("session_completed", amount, found.sessions, day_of)
    return earned


def _simple(
    action: Action, amount: int, facts: Sequence[Evidence], day_of: LocalDay
) -> list[Award]:
    """One award for each piece of evidence of the users who have progress."""
    return [
        Award(action=action, user_id=fact.user_id, ref=fact.ref, points=amount, at=fact.at, day=day)
        for fact in facts
        if (day := day_of(fact.user_id, fact.at)) is not None
    ]


def _of_analyses(
    found: EvidenceWindow, settings: MomentumSettings, day_of: LocalDay
) -> list[Award]:
    """The awards of analysed games; of two analyses of a game, the first one counts."""
    earned: dict[tuple[str, str], list[Award]] = {}
    for analysis in sorted(found.analyses, key=lambda analysis: analysis.at):
        day = day_of(analysis.user_id, analysis.at)
        if day is None or analysis.paid or not analysis.counts:
            continue
        amounts = points.analysis_points(settings.amounts, analysis.accuracy, analysis.blunders)
        earned.setdefault(
            (analysis.user_id, analysis.ref),
            [
                Award(
                    action=action,
                    user_id=analysis.user_id,
                    ref=analysis.ref,
                    points=amount,
                    at=analysis.at,
                    day=day,
                    accuracy=analysis.accuracy if action == "game_analyzed" else None,
                )
                for action, amount in amounts
            ],
        )
    return [award for awards in earned.values() for award in awards]
