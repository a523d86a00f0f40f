"""A player's progress over some days: the series that are drawn, and their form as text."""

from collections.abc import Sequence
from datetime import date

from msgspec import Struct

from chesscoach.training.days import DAY
from chesscoach.training.snapshots.snapshot import Snapshot

_BARS = "▁▂▃▄▅▆▇█"
_GAP = "·"


class Series(Struct, frozen=True, kw_only=True):
    """A figure over consecutive days, None where a day has none; bounds are those of its scale."""

    name: str
    values: tuple[float | None, ...]
    low: float | None = None
    high: float | None = None

    @property
    def known(self) -> list[float]:
        """The values of the days that have one."""
        return [value for value in self.values if value is not None]

    def sparkline(self) -> str:
        """A bar for each day, a dot where there is no value."""
        if not self.known:
            return _GAP * len(self.values)
        low = self.low if self.low is not None else min(self.known)
        high = self.high if self.high is not None else max(self.known)
        step = (high - low) / (len(_BARS) - 1)
        return "".join(
            _GAP
            if value is None
            else _BARS[min(max(round((value - low) / step), 0), len(_BARS) - 1) if step > 0 else 3]
            for value in self.values
        )


class Progress(Struct, frozen=True, kw_only=True):
    """The days from the first to the last snapshot, and each series over them."""

    days: tuple[date, ...]
    series: tuple[Series, ...]
    ratings: tuple[Series, ...]


def progress_of(snapshots: Sequence[Snapshot]) -> Progress:
    """The progress that some snapshots of one player show, in the order of their days."""
    by_day = {snapshot.local_date: snapshot for snapshot in snapshots}
    first, last = min(by_day), max(by_day)
    days = tuple(first + number * DAY for number in range((last - first).days + 1))
    taken = [by_day.get(day) for day in days]

    def series(
        name: str, field: str, low: float | None = None, high: float | None = None
    ) -> Series:
        values = tuple(getattr(item, field) if item is not None else None for item in taken)
        return Series(name=name, values=values, low=low, high=high)

    lines = (
        series("Pace", "pace_score", 0, 100),
        series("Quiz average", "quiz_average", 0, 100),
        series("Accuracy", "accuracy_avg", 0, 100),
        series("Blunders a game", "blunders_per_game", 0),
        series("Lessons", "lessons_completed_count", 0),
        series("Minutes", "time_spent_minutes_today", 0),
        series("XP", "xp"),
        series("Streak", "streak", 0),
    )
    kinds = sorted(
        {
            (source, speed)
            for item in by_day.values()
            for source, speeds in item.rating.items()
            for speed in speeds
        }
    )
    ratings = tuple(
        Series(
            name=f"{source} {speed}",
            values=tuple(
                item.rating.get(source, {}).get(speed) if item is not None else None
                for item in taken
            ),
        )
        for source, speed in kinds
    )
    return Progress(days=days, series=lines, ratings=ratings)
