"""The week's results by site and speed, each with what became of the rating."""

from collections.abc import Sequence

from msgspec import Struct

from chesscoach.emails.i18n.localizer import Tongue
from chesscoach.emails.sanitize import label
from chesscoach.emails.weekly import charts, phrases
from chesscoach.emails.weekly.charts import Mood, Part
from chesscoach.emails.weekly.values import Tally

_SITES = {"lichess": "Lichess", "chess.com": "Chess.com"}
_MOST = 12
"""Rows: two sites and six speeds. A user with more has odd data, and gets the busiest."""


class Standing(Struct, frozen=True, kw_only=True):
    """One row; `change` is the rating's gain or loss, empty where it is not known."""

    title: str
    games: str
    results: str
    bar: tuple[Part, ...]
    rating: str = ""
    change: str = ""
    mood: Mood = "same"


def standings(tallies: Sequence[Tally], tongue: Tongue) -> tuple[Standing, ...]:
    """A row for each site and speed, the busiest first."""
    busiest = sorted(tallies, key=lambda tally: (-tally.played, tally.platform, tally.speed))
    return tuple(_row(tally, tongue) for tally in busiest[:_MOST])


def place(platform: str, speed: str, tongue: Tongue) -> str:
    """A site and a speed as they are called."""
    return " · ".join(
        part
        for part in (_SITES.get(platform) or label(platform, 30), _speed(speed, tongue))
        if part
    )


def _row(tally: Tally, tongue: Tongue) -> Standing:
    start, end = tally.rating_start, tally.rating_end
    rating = change = ""
    gain = 0
    if end is not None:
        rating = str(end)
        if start is not None:
            gain = end - start
            change = tongue.signed(gain)
            rating = f"{start} → {end}" if gain else rating
    return Standing(
        title=place(tally.platform, tally.speed, tongue),
        games=phrases.games(tally.played, tongue),
        results=phrases.results(tally.won, tally.drawn, tally.lost, tongue),
        bar=charts.results(tally.won, tally.drawn, tally.lost),
        rating=rating,
        change=change,
        mood=charts.mood(gain),
    )


def _speed(speed: str, tongue: Tongue) -> str:
    known = {
        "ultrabullet": tongue.gettext("ultrabullet"),
        "bullet": tongue.gettext("bullet"),
        "blitz": tongue.gettext("blitz"),
        "rapid": tongue.gettext("rapid"),
        "classical": tongue.gettext("classical"),
        "correspondence": tongue.gettext("correspondence"),
        "daily": tongue.gettext("daily"),
    }
    return known.get(speed.lower()) or label(speed, 30)
