"""`python -m chesscoach.demo`: the sync, points and the weekly emails on embedded parts.

Everything is on this machine: an embedded MongoDB, fakes of both sources, six players. Emails are
written into a folder, and nothing is sent. The data stays in `.chesscoach/demo`, so that a second
demo finds nothing new.
"""

import sys
from contextlib import AsyncExitStack
from datetime import datetime
from zoneinfo import ZoneInfo

import click
from rich.console import Console
from rich.table import Table

from chesscoach import config, log, process, startup
from chesscoach.arguments import refuse_unreadable_arguments
from chesscoach.context import Context, open_context, utc_now
from chesscoach.demo.fake_chesscom import FakeChesscom
from chesscoach.demo.fake_lichess import FakeLichess
from chesscoach.demo.installation import BOOKED_PERIOD, FOLDER, demo_settings, link_members
from chesscoach.demo.sample_data import insert_sample_data
from chesscoach.demo.training import train, training_table
from chesscoach.demo.world import sample_world
from chesscoach.jobs import command, momentum, sync_games, weekly_emails
from chesscoach.momentum import views
from chesscoach.momentum.admin.init import init
from chesscoach.schedules import week_bounds
from chesscoach.worker.runner import runner
from chesscoach.worker.runner.result import RunResult
from chesscoach.worker.shutdown import ShutdownRequest

_DELAY_S = 0.03


async def show(stop: ShutdownRequest, console: Console, today: datetime) -> int:
    """Run the demo; return its exit code."""
    world, members = sample_world(today)
    lichess = FakeLichess(world, delay_s=_DELAY_S)
    chesscom = FakeChesscom(world, delay_s=_DELAY_S)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(lichess.serve())
        await stack.enter_async_context(chesscom.serve())
        console.print("Starting a MongoDB on 127.0.0.1, and fakes of Lichess and Chess.com.")
        settings = demo_settings(lichess.url, chesscom.url)
        ctx = await stack.enter_async_context(open_context(settings))
        await ctx.indexes.create()
        await link_members(ctx, members)
        users = [user_id for user_id, *_ in members]
        before = await ctx.sync.games.count_by_user(users)
        console.print(f"Running the job sync_games: it fetches the games of {len(users)} players.")
        with command.progress_bar("sync_games") as observe:
            ending = await runner.run_manually(
                ctx.worker, sync_games.JOB, sync_games.Args(all=True), stop, observe
            )
        after = await ctx.sync.games.count_by_user(users)
        console.print(_table(members, before, after))
        _print_summary(console, ending, sum(after.values()) - sum(before.values()))
        await insert_sample_data(ctx.mongo.database, users, today)
        console.print(
            "Running the job momentum: it books points for the activity of the last three weeks."
        )
        await init(ctx.momentum_admin, today - BOOKED_PERIOD)
        points = await runner.run_manually(ctx.worker, momentum.JOB, momentum.Args(), stop)
        console.print(await _board(ctx))
        console.print(
            "Running the jobs snapshots, recommendations and training_sessions: they measure each "
            "player's pace, recommend what to do next, and create the coming sessions."
        )
        trained = await train(ctx, stop, today, users)
        console.print(await training_table(ctx, users))
        console.print(
            "Running the job weekly_emails: it writes a summary of the last week per player."
        )
        emails = await runner.run_manually(
            ctx.worker, weekly_emails.JOB, weekly_emails.Args(), stop
        )
        await _print_emails(console, ctx, emails)
        console.print(f"The data is in {FOLDER}/mongo (database {ctx.mongo.database.name}).")
        console.print("A second demo finds nothing new. Nothing is left running.")
        console.print(f"To start from nothing again: rm -r {FOLDER}")
        return ending.exit_code or points.exit_code or trained or emails.exit_code


def _table(
    members: list[tuple[str, str, str]],
    before: dict[tuple[str, str], int],
    after: dict[tuple[str, str], int],
) -> Table:
    table = Table("player", "source", "name", "new games", "games in all")
    for user_id, *names in members:
        for source, name in zip(("lichess", "chess.com"), names, strict=True):
            key = (user_id, source)
            new = after.get(key, 0) - before.get(key, 0)
            if name:
                table.add_row(user_id, source, name, str(new), str(after.get(key, 0)))
    return table


async def _board(ctx: Context) -> Table:
    """The leaderboard of the last week that is over."""
    week = week_bounds.last_closed_week(ctx.now(), ZoneInfo("UTC"))
    shown = await views.board(ctx.momentum_views, "week", week.key, top=10)
    table = Table(
        "rank", "player", "points", title=f"Leaderboard of {week.key}", title_justify="left"
    )
    for entry in shown.players:
        table.add_row(str(entry.rank), entry.user_id, str(entry.points))
    return table


def _print_summary(console: Console, ending: RunResult, new: int) -> None:
    record = ending.record
    notes = record.get("notes", {})
    asked = notes.get("lichess_requests", 0) + notes.get("chesscom_requests", 0)
    if record["outcome"] == "succeeded":
        news = f"{new} new games stored" if new else "Nothing new: every game is stored already"
        queued = notes.get("analyses_queued", 0)
        console.print(
            f"{news}; {queued} queued for analysis; "
            f"{asked} requests in {record['duration_s']:.1f} s.",
            soft_wrap=True,
        )
    else:
        console.print(f"The run ended as {record['outcome']}: {record.get('errors')}")


async def _print_emails(console: Console, ctx: Context, ending: RunResult) -> None:
    """Print the paths of this week's emails, also those of an earlier demo."""
    week = week_bounds.last_closed_week(ctx.now(), ZoneInfo("UTC"))
    entries = await ctx.emails.outbox.recent(state="sent", week=week.key, user_id=None, limit=100)
    new = ending.record.get("done", 0)
    if new:
        console.print(f"{new} new emails of {week.key}. A mail program opens these files:")
    else:
        console.print(f"0 new emails: each player has the one of {week.key} already.")
    for entry in entries:
        console.print(f"  {FOLDER}/outbox/{entry.message_id}", soft_wrap=True, highlight=False)


@click.command()
def main() -> None:
    """Show sync, points and emails on embedded parts: no account, no network, nothing left."""
    log.configure(config.LogSettings(level="warning"), stream="stderr")
    stop, console = ShutdownRequest(), Console()
    sys.exit(
        process.run_until_stopped(
            lambda: show(
                stop, console, utc_now().replace(hour=0, minute=0, second=0, microsecond=0)
            ),
            stop,
        )
    )


if __name__ == "__main__":
    startup.escape_unprintable_output()
    refuse_unreadable_arguments()
    main(prog_name="python -m chesscoach.demo")
