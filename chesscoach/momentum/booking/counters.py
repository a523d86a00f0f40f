"""The counters of a player's week and month, and how awards of the ledger move them.

A counter never goes back to an earlier period, and the previous period is the last one with points.
So the counters do not depend on how often they were reset in between.
"""

from collections.abc import Mapping, Sequence

from chesscoach.momentum.periods import Kind
from chesscoach.momentum.player import Counter
from chesscoach.momentum.store.events import Entry


def sums(kind: Kind, entries: Sequence[Entry]) -> dict[str, int]:
    """The points of some entries by the key of their week or month."""
    points: dict[str, int] = {}
    for entry in entries:
        key = entry.week if kind == "week" else entry.month
        if key is not None:
            points[key] = points.get(key, 0) + entry.award.points
    return points


def add(counter: Counter, added: Mapping[str, int]) -> Counter:
    """The counter after points were added; those of a period before both change nothing.

    A period between the two of a counter had no points, since it would be the previous one.
    """
    totals = {counter.previous_key: counter.previous_points, counter.key: counter.points}
    for key, points in added.items():
        totals[key] = totals.get(key, 0) + points
    keys = sorted(key for key in totals if key is not None)
    if not keys:
        return counter
    previous = counter.previous_key
    for key in keys[:-1]:
        if totals[key] and key > (previous or ""):
            previous = key
    return Counter(
        key=keys[-1],
        points=totals[keys[-1]],
        previous_key=previous,
        previous_points=totals[previous] if previous else counter.previous_points,
    )
