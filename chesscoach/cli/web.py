"""`chesscoach web`: the web listeners without the scheduler, beside CronJobs or timers."""

import sys

import click
from msgspec.structs import replace

from chesscoach import process
from chesscoach.alerts.watch import open_alerts
from chesscoach.cli.options import config_option
from chesscoach.config import LISTENERS, Settings
from chesscoach.context import Context
from chesscoach.errors import ConfigError
from chesscoach.web.listeners import open_web
from chesscoach.worker.shutdown import ShutdownRequest


@click.command()
@config_option
def web(config: str | None) -> None:
    """Serve the listeners of [web] without scheduling anything, until SIGTERM or SIGINT."""
    sys.exit(process.execute(lambda: _settings(config), _serve, code_if_stopped=0))


def _settings(path: str | None) -> Settings:
    loaded = process.load_settings(path, stream="stdout")
    if not any(loaded.config.web.address(listener) for listener in LISTENERS):
        msg = "web: neither admin nor public is set: set one of them to listen on"
        raise ConfigError(msg)
    return loaded


async def _serve(ctx: Context, stop: ShutdownRequest) -> int:
    async with open_alerts(ctx.alerts) as alerts, open_web(replace(ctx, observer=alerts), stop):
        await stop.requested.wait()
    return 0
