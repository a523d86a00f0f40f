"""A schedule's last runs as a strip: one mark each, the newest on the right."""

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from chesscoach.web.dashboard.drawing.marks import KINDS, Marks, Path
from chesscoach.worker.store.run_history import RunSummary

LENGTH = 30
_STEP, _WIDTH = 8, 6


class Strip(Struct, frozen=True, kw_only=True):
    """The drawing, and the same in words."""

    paths: tuple[Path, ...]
    words: str


def draw_strip(runs: Sequence[RunSummary], length: int = LENGTH) -> Strip:
    """Draws runs, of which the newest comes first."""
    marks = Marks()
    for place, run in enumerate(runs[:length]):
        marks.add(KINDS[run.outcome], (length - 1 - place) * _STEP + 1, _WIDTH)
    return Strip(paths=marks.paths(), words=outcomes_in_words(runs[:length]))


def outcomes_in_words(runs: Sequence[RunSummary]) -> str:
    """How runs ended, in words: the most frequent outcome first."""
    counts = Counter(run.outcome.replace("_", " ") for run in runs)
    texts = [f"{count} {outcome}" for outcome, count in counts.most_common()]
    return ", ".join(texts) or "no run yet"
