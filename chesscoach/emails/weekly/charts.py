"""Charts: bars made of table cells, with their numbers as text beside them."""

from typing import Literal

from msgspec import Struct

from chesscoach.emails.i18n.localizer import Localizer
from chesscoach.emails.weekly.values import WeekAccuracy

ResultKind = Literal["won", "drawn", "lost"]
Direction = Literal["up", "down", "same"]
"""Whether a change is for the better (up), for the worse (down), or none."""

_MIN_SEGMENT_WIDTH = 3
"""Per cent of a bar that its smallest part gets, so that one game in fifty is visible."""


class BarSegment(Struct, frozen=True, kw_only=True):
    """A segment of a bar: its result, and its width in per cent."""

    outcome: ResultKind
    width: int


class Metric(Struct, frozen=True, kw_only=True):
    """A number of this week and of the last one (empty if there is none)."""

    label: str
    now: str
    before: str = ""
    direction: Direction = "same"


class Accuracy(Struct, frozen=True, kw_only=True):
    """One week's accuracy: as text, and as the filled part of a bar in per cent."""

    label: str
    text: str
    width: int
    current: bool


def result_bar(won: int, drawn: int, lost: int) -> tuple[BarSegment, ...]:
    """Build a bar of results, 100 wide in total; empty if no result is known."""
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
    """Format a score as in a tournament, 7½/12; empty if no result is known."""
    games = won + drawn + lost
    if not games:
        return ""
    whole, half = divmod(2 * won + drawn, 2)
    points = f"{whole or ''}½" if half else str(whole)
    return f"{points}/{games}"


def accuracies(
    this_week: WeekAccuracy, before: WeekAccuracy, localizer: Localizer
) -> tuple[Accuracy, ...]:
    """Build the accuracy of this week and, if there is one, of the last week."""
    weeks = (
        (localizer.gettext("This week"), this_week.accuracy, True),
        (localizer.gettext("Last week"), before.accuracy, False),
    )
    return tuple(
        Accuracy(
            label=label,
            text=localizer.percent(accuracy),
            width=min(100, max(1, round(accuracy))),
            current=current,
        )
        for label, accuracy, current in weeks
        if accuracy is not None
    )


def measures(
    this_week: WeekAccuracy, before: WeekAccuracy, localizer: Localizer
) -> tuple[Metric, ...]:
    """Build blunders, mistakes and best moves per analysed game, beside the week before."""
    if not this_week.games:
        return ()
    metrics = (
        (localizer.gettext("Blunders per game"), this_week.blunders, before.blunders, -1),
        (localizer.gettext("Mistakes per game"), this_week.mistakes, before.mistakes, -1),
        (localizer.gettext("Best moves per game"), this_week.best_moves, before.best_moves, 1),
    )
    return tuple(
        _measure(
            label, this_week.per_game(now), before.per_game(then), sign, before.games > 0, localizer
        )
        for label, now, then, sign in metrics
    )


def _measure(
    label: str, now: float, then: float, sign: int, comparable: bool, localizer: Localizer
) -> Metric:
    if not comparable:
        return Metric(label=label, now=localizer.decimal(now))
    change = round(round(now, 1) - round(then, 1), 1)
    return Metric(
        label=label,
        now=localizer.decimal(now),
        before=localizer.decimal(then),
        direction=direction_of(change * sign),
    )


def direction_of(gain: float) -> Direction:
    """The direction of a gain."""
    return "up" if gain > 0 else "down" if gain < 0 else "same"
