"""The demo's training: snapshots of two weeks' ends and of the last days, and recommendations."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta

from rich.table import Table

from chesscoach.context import Context
from chesscoach.jobs import recommendations, snapshots
from chesscoach.training.snapshots.progress import progress_of
from chesscoach.worker.runner import runner
from chesscoach.worker.shutdown import ShutdownRequest

_DAYS = 30
_MINUTES_AFTER_MIDNIGHT = timedelta(minutes=5)


async def train(ctx: Context, stop: ShutdownRequest, today: datetime) -> int:
    """Takes snapshots and makes recommendations; returns the exit code."""
    monday = today.date() - timedelta(days=today.weekday())
    weeks = [monday - timedelta(days=7), monday]
    ends = [datetime.combine(day, time.min, UTC) + _MINUTES_AFTER_MIDNIGHT for day in weeks]
    for now in (*(end.isoformat() for end in ends), None):
        args = snapshots.Args(now=now)
        taken = await runner.run_manually(ctx.worker, snapshots.JOB, args, stop)
        if taken.exit_code:
            return taken.exit_code
    made = await runner.run_manually(ctx.worker, recommendations.JOB, recommendations.Args(), stop)
    return made.exit_code


async def training_table(ctx: Context, users: Sequence[str]) -> Table:
    """Each player's pace over the last days, and what is recommended most of all."""
    top = await ctx.training.recommendations.top(users)
    table = Table("player", "pace", "", "recommendation")
    for user_id in users:
        taken = await ctx.training.snapshots.last(user_id, _DAYS)
        pace = progress_of(taken).series[0] if taken else None
        table.add_row(
            user_id,
            pace.sparkline() if pace else "",
            f"{pace.known[-1]:.0f}" if pace else "",
            top[user_id].title if user_id in top else "",
        )
    return table
