"""The counters of a player's week and month, and how awards of the ledger move them.

A counter never goes back to an earlier period. The points of the period before it are the ledger's
sum wherever the ledger has points of that period.
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


def unknown_keys(counter: Counter, added: Mapping[str, int]) -> list[str]:
    """The keys whose sum the ledger must tell: all but that of the running period, if known."""
    current = _current(counter, added)
    known = counter.key if counter.booked is not None else None
    return [key for key in added if key != current or key != known]


def add(counter: Counter, added: Mapping[str, int], ledger: Mapping[str, int]) -> Counter:
    """The counter after points were added; `ledger` has the sums of the keys that were unknown."""
    current = _current(counter, added)
    if current is None:
        return counter
    points, booked = counter.points, counter.booked
    previous_key, previous = counter.previous_key, counter.previous_points
    if current != counter.key:
        if counter.key is not None:
            previous_key, previous = counter.key, points if booked is None else booked
        points, booked = 0, None
    points += added.get(current, 0)
    if current in added:
        booked = ledger.get(current) if booked is None else booked + added[current]
    for key in sorted(ledger):
        if (previous_key or "") <= key < current:
            previous_key, previous = key, ledger[key]
    return Counter(
        key=current,
        points=points,
        booked=booked,
        previous_key=previous_key,
        previous_points=previous,
    )


def _current(counter: Counter, added: Mapping[str, int]) -> str | None:
    """The key of the period that the counter has after the addition."""
    return max([*added, *([counter.key] if counter.key is not None else [])], default=None)
