"""The table of the week's results by source and speed, with the rating."""

from collections.abc import Sequence

from msgspec import Struct

from chesscoach.emails.i18n.localizer import Localizer
from chesscoach.emails.sanitize import label_words
from chesscoach.emails.weekly import charts, phrases
from chesscoach.emails.weekly.charts import BarSegment, Direction
from chesscoach.emails.weekly.values import ResultsBySpeed
from chesscoach.sources.source import SOURCES
from chesscoach.sources.speed import OTHER_SPEED

_SOURCE_NAMES: dict[str, str] = {key: source.name for key, source in SOURCES.items()}
_MAX_ROWS = 12
"""Enough for two sources and six speeds; a user with odd data gets the busiest rows."""


class ResultsRow(Struct, frozen=True, kw_only=True):
    """One row; `change` is the rating's gain or loss, empty if it is not known."""

    title: str
    games: str
    results: str
    bar: tuple[BarSegment, ...]
    rating: str = ""
    change: str = ""
    direction: Direction = "same"


def results_table(
    results: Sequence[ResultsBySpeed], localizer: Localizer
) -> tuple[ResultsRow, ...]:
    """Build a row for each source and speed, the busiest first."""
    busiest = sorted(results, key=lambda row: (-row.played, row.platform, row.speed))
    return tuple(_row(speed_results, localizer) for speed_results in busiest[:_MAX_ROWS])


def source_and_speed(platform: str, speed: str, localizer: Localizer) -> str:
    """The displayed names of a source and a speed."""
    return " · ".join(
        part
        for part in (
            _SOURCE_NAMES.get(platform) or label_words(platform, 30),
            _speed(speed, localizer),
        )
        if part
    )


def _row(results: ResultsBySpeed, localizer: Localizer) -> ResultsRow:
    start, end = results.rating_start, results.rating_end
    rating = change = ""
    gain = 0
    if end is not None:
        rating = str(end)
        if start is not None:
            gain = end - start
            change = localizer.signed(gain)
            rating = f"{start} → {end}" if gain else rating
    return ResultsRow(
        title=source_and_speed(results.platform, results.speed, localizer),
        games=phrases.games(results.played, localizer),
        results=phrases.results(results.won, results.drawn, results.lost, localizer),
        bar=charts.result_bar(results.won, results.drawn, results.lost),
        rating=rating,
        change=change,
        direction=charts.direction_of(gain),
    )


def _speed(speed: str, localizer: Localizer) -> str:
    """The displayed name of a speed; empty if it is not known."""
    known = {
        "ultrabullet": localizer.gettext("ultrabullet"),
        "bullet": localizer.gettext("bullet"),
        "blitz": localizer.gettext("blitz"),
        "rapid": localizer.gettext("rapid"),
        "classical": localizer.gettext("classical"),
        "correspondence": localizer.gettext("correspondence"),
        "daily": localizer.gettext("daily"),
        OTHER_SPEED: "",
    }
    name = known.get(speed.lower())
    return name if name is not None else label_words(speed, 30)
