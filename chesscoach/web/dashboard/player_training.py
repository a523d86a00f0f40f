"""A player's training: the snapshots drawn, the recommendations, the routines and the sessions."""

from itertools import groupby

from msgspec import Struct

from chesscoach.training.context import TrainingContext
from chesscoach.training.sessions.administration import load_zones
from chesscoach.training.sessions.routine import Routine
from chesscoach.training.sessions.session import StoredSession
from chesscoach.training.snapshots.progress import Series, progress_of
from chesscoach.training.store.recommendations import StoredRecommendation

CHART_WIDTH, CHART_HEIGHT = 300, 60
_DAYS = 30
_ROUTINES_SHOWN = 50
_SESSIONS_SHOWN = 10
_MARGIN = 4


class Chart(Struct, frozen=True, kw_only=True):
    """A series as an SVG path; `words` names its first, last, lowest and highest value."""

    name: str
    d: str
    words: str


class TrainingView(Struct, frozen=True, kw_only=True):
    """A player's training; `unreadable` counts routines that cannot be read."""

    charts: tuple[Chart, ...]
    recommendations: list[StoredRecommendation]
    routines: list[Routine]
    unreadable: int
    sessions: list[StoredSession]


async def read_training(ctx: TrainingContext, user_id: str) -> TrainingView:
    """Reads a player's training."""
    snapshots = await ctx.snapshots.last(user_id, _DAYS)
    routines: list[Routine] = []
    unreadable = 0
    zones = await load_zones(ctx)
    async for page, invalid in ctx.routines.pages(_ROUTINES_SHOWN, zones, user_id):
        routines += page
        unreadable += len(invalid)
        if len(routines) >= _ROUTINES_SHOWN:
            break
    progress = progress_of(snapshots) if snapshots else None
    series = (*progress.series, *progress.ratings) if progress is not None else ()
    return TrainingView(
        charts=tuple(draw_chart(one) for one in series if len(one.known) > 1),
        recommendations=await ctx.recommendations.of_user(user_id, active_only=True),
        routines=routines,
        unreadable=unreadable,
        sessions=await ctx.sessions.nearest({"user_id": user_id}, ctx.now(), _SESSIONS_SHOWN),
    )


def draw_chart(series: Series) -> Chart:
    """Draws a series of at least two values; a day without a value breaks the line."""
    known = series.known
    low = series.low if series.low is not None else min(known)
    high = series.high if series.high is not None else max(known)
    height = CHART_HEIGHT - 2 * _MARGIN
    step = CHART_WIDTH / max(len(series.values) - 1, 1)
    points = [
        None
        if value is None
        else (place * step, CHART_HEIGHT - _MARGIN - height * _share(value, low, high))
        for place, value in enumerate(series.values)
    ]
    lines = [list(line) for drawn, line in groupby(points, bool) if drawn]
    return Chart(
        name=series.name,
        d="".join(_line([point for point in line if point is not None]) for line in lines),
        words=f"{known[0]:g} at first, {known[-1]:g} at last, "
        f"between {min(known):g} and {max(known):g}",
    )


def _share(value: float, low: float, high: float) -> float:
    if high <= low:
        return 0.5
    return min(max((value - low) / (high - low), 0), 1)


def _line(points: list[tuple[float, float]]) -> str:
    begin, *rest = (f"{x:.1f} {y:.1f}" for x, y in points)
    return f"M{begin}" + "".join(f"L{point}" for point in rest or ["h2"]).replace("Lh2", "h2")
