"""Numbers as they are drawn: bars made of table cells, whose numbers stand beside them in text."""

from typing import Literal

from msgspec import Struct

from chesscoach.emails.i18n.localizer import Localizer
from chesscoach.emails.weekly.values import WeekAccuracy

ResultKind = Literal["won", "drawn", "lost"]
Direction = Literal["up", "down", "same"]
"""Whether a change is for the better; what is not, is not."""

_MIN_SEGMENT_WIDTH = 3
"""Per cent of a bar that its smallest part gets, so that one game in fifty can be seen."""


class BarSegment(Struct, frozen=True, kw_only=True):
    """A part of a bar: what it stands for, and its width in per cent."""

    outcome: ResultKind
    width: int


class Metric(Struct, frozen=True, kw_only=True):
    """A figure of this week beside the last, which is empty where there is none to compare with."""

    label: str
    now: str
    before: str = ""
    direction: Direction = "same"


class Accuracy(Struct, frozen=True, kw_only=True):
    """One week's accuracy: in words, and as the filled part of a bar in per cent."""

    label: str
    text: str
    width: int
    current: bool


def result_bar(won: int, drawn: int, lost: int) -> tuple[BarSegment, ...]:
    """A bar of results, 100 wide in total; nothing where no result is known."""
    counts: tuple[tuple[ResultKind, int], ...] = (("won", won), ("drawn", drawn), ("lost", lost))
    total = won + drawn + lost
    widths = {
        outcome: max(_MIN_SEGMENT_WIDTH, round(100 * count / total))
        for outcome, count in counts
        if count
    }
    if not widths:
        return ()
    widest = max(widths, key=lambda outcome: widths[outcome])
    widths[widest] += 100 - sum(widths.values())
    return tuple(BarSegment(outcome=outcome, width=width) for outcome, width in widths.items())


def score(won: int, drawn: int, lost: int) -> str:
    """A score as it stands in a tournament's table, 7½/12; empty where no result is known."""
    games = won + drawn + lost
    if not games:
        return ""
    whole, half = divmod(2 * won + drawn, 2)
    points = f"{whole or ''}½" if half else str(whole)
    return f"{points}/{games}"


def accuracies(form: WeekAccuracy, before: WeekAccuracy, tongue: Localizer) -> tuple[Accuracy, ...]:
    """This week's accuracy and, where there is one, the last week's."""
    weeks = (
        (tongue.gettext("This week"), form.accuracy, True),
        (tongue.gettext("Last week"), before.accuracy, False),
    )
    return tuple(
        Accuracy(
            label=label,
            text=tongue.percent(accuracy),
            width=min(100, max(1, round(accuracy))),
            current=current,
        )
        for label, accuracy, current in weeks
        if accuracy is not None
    )


def measures(form: WeekAccuracy, before: WeekAccuracy, tongue: Localizer) -> tuple[Metric, ...]:
    """Blunders, mistakes and best moves for each analysed game, beside the week before."""
    if not form.games:
        return ()
    rows = (
        (tongue.gettext("Blunders per game"), form.blunders, before.blunders, -1),
        (tongue.gettext("Mistakes per game"), form.mistakes, before.mistakes, -1),
        (tongue.gettext("Best moves per game"), form.best_moves, before.best_moves, 1),
    )
    return tuple(
        _measure(label, form.per_game(now), before.per_game(then), sign, before.games > 0, tongue)
        for label, now, then, sign in rows
    )


def _measure(
    label: str, now: float, then: float, sign: int, comparable: bool, tongue: Localizer
) -> Metric:
    if not comparable:
        return Metric(label=label, now=tongue.decimal(now))
    change = round(round(now, 1) - round(then, 1), 1)
    return Metric(
        label=label,
        now=tongue.decimal(now),
        before=tongue.decimal(then),
        direction=direction_of(change * sign),
    )


def direction_of(gain: float) -> Direction:
    """What a gain feels like."""
    return "up" if gain > 0 else "down" if gain < 0 else "same"
