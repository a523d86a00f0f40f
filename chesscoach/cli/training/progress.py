"""`chesscoach progress`: a player's daily snapshots, as sparklines, a table or a picture."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import click
from msgspec.structs import asdict
from rich.table import Table

from chesscoach.cli import invocation
from chesscoach.cli.invocation import Output
from chesscoach.context import Context
from chesscoach.errors import UserNotFound
from chesscoach.training.snapshots import picture
from chesscoach.training.snapshots.progress import Progress, progress_of
from chesscoach.training.snapshots.snapshot import Snapshot


@click.command(
    epilog="Exit codes: 0 done; 1 there is no such player, or the database cannot be reached; "
    "2 wrong usage or configuration."
)
@click.argument("user_id", metavar="USER_ID")
@click.option(
    "--days",
    type=click.IntRange(1, 3660),
    default=30,
    show_default=True,
    help="Number of days to show, the last ones.",
)
@click.option(
    "--png",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also draw a picture into this file; needs the extra `plots`.",
)
@invocation.database_command
async def progress(ctx: Context, user_id: str, days: int, png: Path | None) -> Output:
    """Show a player's progress: pace, quizzes, accuracy, ratings, points and streak by day."""
    snapshots = await ctx.training.snapshots.last(user_id, days)
    if not snapshots and not await ctx.training.players.exists(user_id):
        msg = f"player {user_id[:200]!r} does not exist: see `chesscoach accounts list`"
        raise UserNotFound(msg)
    data = {"user_id": user_id, "days": [asdict(snapshot) for snapshot in snapshots]}
    if not snapshots:
        command = f"`python -m chesscoach.jobs.snapshots --user {user_id}`"
        return Output(data=data, text=[f"There is no snapshot of this player yet: run {command}."])
    drawn = progress_of(snapshots)
    if png is not None:
        await asyncio.to_thread(picture.write_png, png, drawn, f"Progress of {user_id}")
    return Output(data=data, text=[_sparklines(drawn), "", _days_table(snapshots)])


def _sparklines(drawn: Progress) -> Table:
    columns = ("", f"{drawn.days[0]} to {drawn.days[-1]}", "first", "last")
    rows = [
        [line.name, line.sparkline(), _number(line.known[0]), _number(line.known[-1])]
        for line in (*drawn.series, *drawn.ratings)
        if line.known
    ]
    return invocation.table(columns, rows)


def _days_table(snapshots: Sequence[Snapshot]) -> Table:
    columns = ("day", "pace", "", "quiz", "lessons", "minutes", "accuracy", "xp", "level", "streak")
    return invocation.table(columns, [_cells(snapshot) for snapshot in reversed(snapshots)])


def _cells(snapshot: Snapshot) -> list[str]:
    return [
        snapshot.local_date.isoformat() + ("" if snapshot.final else " (so far)"),
        _number(snapshot.pace_score),
        snapshot.pace,
        _number(snapshot.quiz_average),
        str(snapshot.lessons_completed_count),
        _number(snapshot.time_spent_minutes_today),
        _number(snapshot.accuracy_avg),
        str(snapshot.xp),
        str(snapshot.level),
        str(snapshot.streak),
    ]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}".rstrip("0").rstrip(".")
