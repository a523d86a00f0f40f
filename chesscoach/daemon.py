"""Runs the daemon: opens the context, the alerts, the listeners and the scheduler, one in another.

They close in the reverse order, so the listeners answer until all runs are drained.
"""

import sys
from collections.abc import Callable, Mapping

import click
from msgspec.structs import replace

from chesscoach import log, process
from chesscoach.alerts.watch import open_alerts
from chesscoach.config import Listener, Settings
from chesscoach.context import Context
from chesscoach.jobs import catalog
from chesscoach.web.listeners import open_web
from chesscoach.worker.scheduler.scheduler import Scheduler
from chesscoach.worker.shutdown import ShutdownRequest


async def serve(
    ctx: Context,
    stop: ShutdownRequest,
    announce: Callable[[Mapping[Listener, str]], None] = lambda _: None,
) -> int:
    """Schedules until it is asked to stop, then drains for `grace_s`; returns the exit code.

    `announce` receives the URLs of the listeners once they and the scheduler have started.

    Raises:
        SetupError: the database lacks an index that a scheduled job's promises rest on.
        ListenError: an address of `[web]` cannot be had.
    """
    for schedule in ctx.config.schedules.values():
        await ctx.indexes.require_unique(*catalog.JOBS[schedule.job].writes)
    log.get_logger().info("daemon_started", database=ctx.mongo.place)
    async with open_alerts(ctx.alerts) as alerts:
        ctx = replace(ctx, observer=alerts)
        scheduler = Scheduler(ctx.worker, stop, catalog.JOBS)
        async with open_web(ctx, stop, scheduler.ticker) as urls, scheduler:
            announce(urls)
            await stop.requested.wait()
    log.get_logger().info("daemon_stopped")
    return 0


def _settings(path: str | None) -> Settings:
    loaded = process.load_settings(path, stream="stdout")
    catalog.check_schedules(loaded.config)
    return loaded


@click.command(
    epilog="Exit codes: 0 stopped when asked; 1 the database cannot be reached, or an address "
    "of [web] cannot be used; 2 wrong usage or configuration."
)
@click.option(
    "--config",
    metavar="PATH",
    help="Configuration file (default: CHESSCOACH_CONFIG, else config.toml here).",
)
def main(config: str | None) -> None:
    """Run the scheduler and its jobs until SIGTERM or SIGINT."""
    sys.exit(process.execute(lambda: _settings(config), serve, code_if_stopped=0))
