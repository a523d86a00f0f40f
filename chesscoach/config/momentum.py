"""`[momentum]`: what is booked, for how many points, and when periods close."""

from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from msgspec import Meta

from chesscoach.config.section import Section

Evidence = Literal[
    "games_imported", "games_analysed", "puzzles", "reflections", "sessions", "streak_days"
]
EVIDENCE: tuple[Evidence, ...] = (
    "games_imported",
    "games_analysed",
    "puzzles",
    "reflections",
    "sessions",
    "streak_days",
)
Points = Annotated[int, Meta(ge=0, le=100_000)]
Hour = Annotated[int, Meta(ge=0, le=23)]


class MomentumAmounts(Section, frozen=True, kw_only=True):
    """`[momentum.amounts]`: the points of each award."""

    game_imported: Points = 5
    game_analyzed: Points = 25
    accuracy_90_plus: Points = 30
    no_blunders: Points = 20
    puzzle_solved: Points = 15
    puzzle_solved_fast: Points = 25
    reflection_completed: Points = 10
    session_completed: Points = 7
    streak_day: Points = 20
    streak_week: Points = 100
    streak_month: Points = 500
    perfect_week: Points = 30
    perfect_month: Points = 150
    leaderboard_legend: Points = 200


class MomentumSettings(Section, frozen=True, kw_only=True):
    """`[momentum]`.

    `book` is a list, or a text with commas, since a variable of the environment is a text.
    """

    book: tuple[Evidence, ...] | str = EVIDENCE
    timezone: str = "UTC"
    close_hour: Hour = 6
    rank_hour: Hour = 18
    perfect_week_sessions: Annotated[int, Meta(ge=1, le=1000)] = 1
    perfect_month_sessions: Annotated[int, Meta(ge=1, le=1000)] = 10
    legend_points: Points = 100
    notify_lost_streak: Annotated[int, Meta(ge=1, le=3660)] = 3
    overlap_s: Annotated[float, Meta(ge=0, le=604_800)] = 3600.0
    batch: Annotated[int, Meta(ge=10, le=20_000)] = 5000
    amounts: MomentumAmounts = MomentumAmounts()

    def __post_init__(self) -> None:
        if not set(self.booked) <= set(EVIDENCE):
            msg = f"book: give some of {', '.join(EVIDENCE)}, or nothing"
            raise ValueError(msg)
        try:
            ZoneInfo(self.timezone)
        except (KeyError, ValueError, OSError):
            msg = "timezone: not an IANA name of a time zone"
            raise ValueError(msg) from None

    @property
    def booked(self) -> tuple[str, ...]:
        """What earns points, as names of `EVIDENCE`."""
        names = self.book.split(",") if isinstance(self.book, str) else self.book
        return tuple(name.strip() for name in names if name.strip())
