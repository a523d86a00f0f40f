"""The marks of runs in drawings: one shape and one class for each kind of outcome.

A shape says the kind without its colour. Marks of a kind are one SVG path, since an overview has
thousands of them.
"""

from collections import defaultdict
from typing import Literal

from msgspec import Struct

from chesscoach.schedules.outcome import Outcome

Kind = Literal["ok", "part", "bad", "stop", "skip", "run"]
HEIGHT = 16

KINDS: dict[Outcome, Kind] = {
    "running": "run",
    "succeeded": "ok",
    "partial": "part",
    "failed": "bad",
    "timed_out": "bad",
    "cancelled": "stop",
    "abandoned": "stop",
    "missed": "skip",
    "coalesced": "skip",
    "skipped_overlap": "skip",
}

_SHAPES: dict[Kind, tuple[tuple[float, float], ...]] = {
    "ok": ((0.2, 0.6),),
    "part": ((0.2, 0.25), (0.55, 0.25)),
    "bad": ((0.0, 1.0),),
    "stop": ((0.06, 0.88),),
    "skip": ((0.4, 0.2),),
    "run": ((0.2, 0.6),),
}
"""The top and the height of a mark's rectangles, as shares of its line's height."""


class Path(Struct, frozen=True, kw_only=True):
    """All marks of a kind as an SVG path."""

    kind: str
    d: str


class Marks:
    """Collects the marks of a drawing."""

    def __init__(self) -> None:
        self._parts: dict[str, list[str]] = defaultdict(list)

    def add(
        self, kind: Kind, x: float, width: float, top: float = 0, height: float = HEIGHT
    ) -> None:
        """Adds a mark between `x` and `x + width`, on a line with a top and a height."""
        for share, part in _SHAPES[kind]:
            y, high, wide = top + share * height, part * height, f"{width:g}"
            self._parts[kind].append(f"M{x:g} {y:g}h{wide}v{high:g}h-{wide}z")

    def add_line(self, kind: str, x: float) -> None:
        """Adds a vertical line at `x`."""
        self._parts[kind].append(f"M{x:g} 2v{HEIGHT - 4}")

    def paths(self) -> tuple[Path, ...]:
        """The collected marks."""
        return tuple(Path(kind=kind, d="".join(parts)) for kind, parts in self._parts.items())
