"""`python -m chesscoach.demo.daemon`: the daemon on embedded parts, with sample data to look at.

It prints the address of the dashboard, and runs until it is stopped. The first start syncs the
sample players and writes their weekly emails; a month of run records is invented. The data is that
of the demo, in `.chesscoach/demo`.
"""

import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import datetime

import click

from chesscoach import config, daemon, log, process, startup
from chesscoach.arguments import refuse_unreadable_arguments
from chesscoach.config import ListenAddress, Listener, WebSettings
from chesscoach.context import Context, open_context, utc_now
from chesscoach.demo.fake_chesscom import FakeChesscom
from chesscoach.demo.fake_lichess import FakeLichess
from chesscoach.demo.installation import BOOKED_PERIOD, FOLDER, demo_settings, link_members
from chesscoach.demo.sample_data import insert_sample_data
from chesscoach.demo.sample_runs import insert_sample_runs
from chesscoach.demo.training import train
from chesscoach.demo.world import sample_world
from chesscoach.jobs import momentum, sync_games, weekly_emails
from chesscoach.momentum.admin.init import init
from chesscoach.worker.runner import runner
from chesscoach.worker.shutdown import ShutdownRequest


async def serve(stop: ShutdownRequest, address: str, folder: str, now: datetime) -> int:
    """Runs the daemon on sample data until it is asked to stop; returns its exit code.

    Raises:
        ListenError: the address cannot be used.
    """
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    world, members = sample_world(today)
    async with AsyncExitStack() as stack:
        lichess, chesscom = FakeLichess(world), FakeChesscom(world)
        await stack.enter_async_context(lichess.serve())
        await stack.enter_async_context(chesscom.serve())
        web = WebSettings(admin=address)
        settings = demo_settings(lichess.url, chesscom.url, web, folder)
        click.echo("Starting a MongoDB on 127.0.0.1, and fakes of Lichess and Chess.com.")
        ctx = await stack.enter_async_context(open_context(settings))
        await _prepare(ctx, members, stop, today)

        def announce(urls: Mapping[Listener, str]) -> None:
            click.echo(f"The dashboard: {urls['admin']}/")
            click.echo(f"The data is in {folder}. Ctrl-C ends the daemon and its MongoDB.")

        return await daemon.serve(ctx, stop, announce)


async def _prepare(
    ctx: Context, members: list[tuple[str, str, str]], stop: ShutdownRequest, today: datetime
) -> None:
    """Gives the database what is missing of the sample data."""
    await ctx.indexes.create()
    users = [user_id for user_id, *_ in members]
    if not await ctx.sync.games.count_by_user(users):
        click.echo("Syncing the sample players and writing their emails, once.")
        await link_members(ctx, members)
        await runner.run_manually(ctx.worker, sync_games.JOB, sync_games.Args(all=True), stop)
        await insert_sample_data(ctx.mongo.database, users, today)
        await init(ctx.momentum_admin, today - BOOKED_PERIOD)
        await runner.run_manually(ctx.worker, momentum.JOB, momentum.Args(), stop)
        await train(ctx, stop, today, users)
        await runner.run_manually(ctx.worker, weekly_emails.JOB, weekly_emails.Args(), stop)
    await insert_sample_runs(ctx.mongo.database, ctx.config.schedules, ctx.now())


def _check_address(_: click.Context, __: click.Parameter, text: str) -> str:
    try:
        ListenAddress.parse(text)
        WebSettings(admin=text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    return text


@click.command()
@click.option(
    "--admin",
    metavar="HOST:PORT",
    default="127.0.0.1:8080",
    show_default=True,
    callback=_check_address,
    help="Address of the dashboard (port 0: any free port).",
)
@click.option(
    "--folder", metavar="DIR", default=FOLDER, show_default=True, help="Folder of the data."
)
def main(admin: str, folder: str) -> None:
    """Run the daemon on embedded parts and sample data, until SIGTERM or SIGINT."""
    log.configure(config.LogSettings(level="warning"), stream="stderr")
    stop = ShutdownRequest()
    sys.exit(process.run_until_stopped(lambda: serve(stop, admin, folder, utc_now()), stop))


if __name__ == "__main__":
    startup.escape_unprintable_output()
    refuse_unreadable_arguments()
    main(prog_name="python -m chesscoach.demo.daemon")
