"""The demo's training: takes snapshots, and makes recommendations and sessions."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta

from msgspec.structs import replace
from rich.table import Table

from chesscoach.context import Context
from chesscoach.jobs import recommendations, snapshots, training_sessions
from chesscoach.training.sessions import administration
from chesscoach.training.sessions.options import RoutineOptions
from chesscoach.training.snapshots.progress import progress_of
from chesscoach.worker.runner import runner
from chesscoach.worker.shutdown import ShutdownRequest

_DAYS = 30
_MINUTES_AFTER_MIDNIGHT = timedelta(minutes=5)


_EVENING = RoutineOptions(
    title="Evening games", kind="play", recurrence="daily", at=time(20), minutes=45
)


async def train(ctx: Context, stop: ShutdownRequest, today: datetime, users: Sequence[str]) -> int:
    """Takes snapshots, makes recommendations and sessions; returns the exit code."""
    monday = today.date() - timedelta(days=today.weekday())
    weeks = [monday - timedelta(days=7), monday]
    ends = [datetime.combine(day, time.min, UTC) + _MINUTES_AFTER_MIDNIGHT for day in weeks]
    for now in (*(end.isoformat() for end in ends), None):
        args = snapshots.Args(now=now)
        taken = await runner.run_manually(ctx.worker, snapshots.JOB, args, stop)
        if taken.exit_code:
            return taken.exit_code
    for user_id in users:  # each now, since a run for all waits for their Monday on some days
        wanted = recommendations.Args(user=user_id)
        made = await runner.run_manually(ctx.worker, recommendations.JOB, wanted, stop)
        if made.exit_code:
            return made.exit_code
    zones = await administration.load_zones(ctx.training)
    for user_id in users:
        if not [page async for page in ctx.training.routines.pages(1, zones, user_id)]:
            evening = replace(_EVENING, from_date=today.date())
            await administration.add_routine(ctx.training, user_id, evening, None)
    job = training_sessions.JOB
    planned = await runner.run_manually(ctx.worker, job, training_sessions.Args(), stop)
    return planned.exit_code


async def training_table(ctx: Context, users: Sequence[str]) -> Table:
    """Each player's pace over the last days, the first recommendation, and the next session."""
    top = await ctx.training.recommendations.top(users)
    table = Table("player", "pace by day", "pace", "recommendation", "next session")
    today = ctx.now().date()
    coming = await ctx.training.sessions.coming(users, today, today + timedelta(days=_DAYS))
    for user_id in users:
        taken = await ctx.training.snapshots.last(user_id, _DAYS)
        pace = progress_of(taken).series[0] if taken else None
        table.add_row(
            user_id,
            pace.sparkline() if pace else "",
            f"{pace.known[-1]:.0f}" if pace else "",
            top[user_id].title if user_id in top else "",
            next(
                (s.title + f", {s.starts_at:%a %H:%M}" for s in coming if s.user_id == user_id), ""
            ),
        )
    return table
