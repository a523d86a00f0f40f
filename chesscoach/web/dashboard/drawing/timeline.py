"""The timeline: 18 hours of runs, overlaps and skipped slots, and 6 hours of coming slots."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from chesscoach.schedules.outcome import SKIP_OUTCOMES
from chesscoach.web.dashboard.drawing.marks import HEIGHT, KINDS, Marks, Path
from chesscoach.web.dashboard.drawing.strip import outcomes_in_words
from chesscoach.worker.store.run_history import RunSummary

PAST, FUTURE = timedelta(hours=18), timedelta(hours=6)
MAX_ROWS = 40
WIDTH = int((PAST + FUTURE).total_seconds()) // 60
"""One unit of the drawing is a minute."""

_MIN_WIDTH = 3
_MAX_LINES = 4


class TimelineRow(Struct, frozen=True, kw_only=True):
    """The line of a schedule, or of the manual runs (`schedule` is None); the same in `words`."""

    schedule: str | None
    paths: tuple[Path, ...]
    words: str


class Timeline(Struct, frozen=True, kw_only=True):
    """The drawing; `hours` are the instants along its axis, `now_x` is where the present is.

    `left_out` is the number of schedules for which there is no room.
    """

    rows: tuple[TimelineRow, ...]
    hours: tuple[datetime, ...]
    now_x: int
    left_out: int


def draw_timeline(
    runs: Iterable[RunSummary], coming: Mapping[str, Sequence[datetime]], now: datetime
) -> Timeline:
    """Draws runs by schedule, and the coming slots of schedules."""
    begin = now - PAST
    by_schedule: dict[str | None, list[RunSummary]] = defaultdict(list)
    for run in runs:
        by_schedule[run.schedule].append(run)
    known = {*filter(None, by_schedule), *(key for key, slots in coming.items() if slots)}
    names: list[str | None] = [*sorted(known)]
    names += [None] if None in by_schedule else []
    rows = [
        _draw_row(name, by_schedule[name], coming.get(name or "", ()), begin, now)
        for name in names[:MAX_ROWS]
    ]
    return Timeline(
        rows=tuple(rows),
        hours=tuple(begin + timedelta(hours=6 * number) for number in range(5)),
        now_x=_x(now, begin),
        left_out=len(names) - len(rows),
    )


def _draw_row(
    name: str | None,
    runs: Sequence[RunSummary],
    coming: Sequence[datetime],
    begin: datetime,
    now: datetime,
) -> TimelineRow:
    marks = Marks()
    begun = [run for run in runs if run.outcome not in SKIP_OUTCOMES]
    lines, overlaps = _lines(begun, now)
    height = HEIGHT / (1 + max(lines, default=0))
    for run, line in zip(sorted(begun, key=_start), lines, strict=True):
        x = max(_x(run.started_at, begin), 0)
        end = _x(run.finished_at or now, begin)
        marks.add(KINDS[run.outcome], x, max(end - x, _MIN_WIDTH), line * height, height)
    for run in runs:
        if run.outcome in SKIP_OUTCOMES and run.slot is not None:
            x = max(_x(run.first or run.slot, begin), 0)
            marks.add("skip", x, max(_x(run.slot, begin) - x, _MIN_WIDTH))
    for slot in coming:
        marks.add_line("next", _x(slot, begin))
    words = [outcomes_in_words(runs)] if runs else []
    words += [f"{overlaps} overlapping"] if overlaps else []
    words += [f"{len(coming)} coming"] if coming else []
    return TimelineRow(schedule=name, paths=marks.paths(), words=", ".join(words))


def _lines(runs: Sequence[RunSummary], now: datetime) -> tuple[list[int], int]:
    """The line of each run in order of start, so that overlapping ones lie below one another.

    Also returns how many runs began while another one was in progress.
    """
    ends: list[datetime] = []
    lines: list[int] = []
    overlaps = 0
    for run in sorted(runs, key=_start):
        overlaps += any(end > run.started_at for end in ends)
        free = [line for line, end in enumerate(ends) if end <= run.started_at]
        line = free[0] if free else min(len(ends), _MAX_LINES - 1)
        ends[line : line + 1] = [run.finished_at or now]
        lines.append(line)
    return lines, overlaps


def _start(run: RunSummary) -> datetime:
    return run.started_at


def _x(instant: datetime, begin: datetime) -> int:
    return int((instant - begin).total_seconds() // 60)
