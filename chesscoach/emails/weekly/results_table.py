"""The week's results by site and speed, each with what became of the rating."""

from collections.abc import Sequence

from msgspec import Struct

from chesscoach.emails.i18n.localizer import Localizer
from chesscoach.emails.sanitize import label_words
from chesscoach.emails.weekly import charts, phrases
from chesscoach.emails.weekly.charts import BarSegment, Direction
from chesscoach.emails.weekly.values import ResultsBySpeed

_SOURCE_NAMES = {"lichess": "Lichess", "chess.com": "Chess.com"}
_MAX_ROWS = 12
"""Rows: two sites and six speeds. A user with more has odd data, and gets the busiest."""


class ResultsRow(Struct, frozen=True, kw_only=True):
    """One row; `change` is the rating's gain or loss, empty where it is not known."""

    title: str
    games: str
    results: str
    bar: tuple[BarSegment, ...]
    rating: str = ""
    change: str = ""
    direction: Direction = "same"


def results_table(tallies: Sequence[ResultsBySpeed], tongue: Localizer) -> tuple[ResultsRow, ...]:
    """A row for each site and speed, the busiest first."""
    busiest = sorted(tallies, key=lambda tally: (-tally.played, tally.platform, tally.speed))
    return tuple(_row(tally, tongue) for tally in busiest[:_MAX_ROWS])


def site_and_speed(platform: str, speed: str, tongue: Localizer) -> str:
    """A site and a speed as they are called."""
    return " · ".join(
        part
        for part in (
            _SOURCE_NAMES.get(platform) or label_words(platform, 30),
            _speed(speed, tongue),
        )
        if part
    )


def _row(tally: ResultsBySpeed, tongue: Localizer) -> ResultsRow:
    start, end = tally.rating_start, tally.rating_end
    rating = change = ""
    gain = 0
    if end is not None:
        rating = str(end)
        if start is not None:
            gain = end - start
            change = tongue.signed(gain)
            rating = f"{start} → {end}" if gain else rating
    return ResultsRow(
        title=site_and_speed(tally.platform, tally.speed, tongue),
        games=phrases.games(tally.played, tongue),
        results=phrases.results(tally.won, tally.drawn, tally.lost, tongue),
        bar=charts.result_bar(tally.won, tally.drawn, tally.lost),
        rating=rating,
        change=change,
        direction=charts.direction_of(gain),
    )


def _speed(speed: str, tongue: Localizer) -> str:
    known = {
        "ultrabullet": tongue.gettext("ultrabullet"),
        "bullet": tongue.gettext("bullet"),
        "blitz": tongue.gettext("blitz"),
        "rapid": tongue.gettext("rapid"),
        "classical": tongue.gettext("classical"),
        "correspondence": tongue.gettext("correspondence"),
        "daily": tongue.gettext("daily"),
    }
    return known.get(speed.lower()) or label_words(speed, 30)
