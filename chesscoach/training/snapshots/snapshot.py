"""The snapshot of a player's day, as it is stored and shown."""

from datetime import date

from msgspec import Struct

from chesscoach.training.player import Player
from chesscoach.training.snapshots.figures import Figures, Pace, Ratings


class Snapshot(Struct, frozen=True, kw_only=True):
    """A player's figures of one local day; `final` once the day was closed.

    `accuracy_avg` is in per cent, and None without an analysed game. `xp`, `level` and `streak` are
    as of the first time that the day was closed.
    """

    user_id: str
    local_date: date
    tz: str
    tz_source: str
    pace_score: float
    pace: Pace
    quiz_average: float
    lessons_completed_count: int
    time_spent_minutes_today: float
    accuracy_avg: float | None
    blunders_per_game: float | None
    rating: Ratings
    xp: int
    level: int
    streak: int
    final: bool


def snapshot_of(
    player: Player, day: date, figures: Figures, stored: Snapshot | None, *, final: bool
) -> Snapshot:
    """The snapshot of a day; what a closed day has fixed is taken from the stored one."""
    fixed = stored if stored is not None and stored.final else None
    return Snapshot(
        user_id=player.user_id,
        local_date=day,
        tz=fixed.tz if fixed else player.zone.key,
        tz_source=fixed.tz_source if fixed else player.zone_origin,
        pace_score=figures.pace_score,
        pace=figures.pace,
        quiz_average=figures.quiz_average,
        lessons_completed_count=figures.lessons,
        time_spent_minutes_today=figures.minutes,
        accuracy_avg=figures.accuracy,
        blunders_per_game=figures.blunders_per_game,
        rating=figures.rating,
        xp=fixed.xp if fixed else player.xp,
        level=fixed.level if fixed else player.level,
        streak=fixed.streak if fixed else player.streak,
        final=final or fixed is not None,
    )
