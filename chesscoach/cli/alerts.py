"""`chesscoach alerts`: what fires, and a test of the receivers."""

import asyncio
import json
import sys
from uuid import uuid4

import click

from chesscoach import log, process
from chesscoach.alerts.alert import Message
from chesscoach.alerts.receiver_request import open_session
from chesscoach.alerts.receivers import Receiver, open_receivers
from chesscoach.alerts.store.alerts import Alert
from chesscoach.cli import formatting, invocation
from chesscoach.cli.invocation import Output
from chesscoach.cli.options import config_option, json_option
from chesscoach.config import Settings
from chesscoach.context import Context, utc_now
from chesscoach.errors import AlertRefused, ConfigError
from chesscoach.schedules.schedule import format_rfc3339
from chesscoach.worker.runner import result
from chesscoach.worker.shutdown import Interrupted, ShutdownRequest


@click.group(cls=invocation.OneLineErrorGroup)
def group() -> None:
    """Alerts: list those that fire, and test their receivers."""


@group.command("list")
@click.option("--all", "everything", is_flag=True, help="Also those that resolved within a month.")
@invocation.database_command
async def list_alerts(ctx: Context, everything: bool) -> Output:
    """Show the alerts that fire, the newest first; `waiting` is how many messages are not sent."""
    known = [one for one in await ctx.alerts.alerts.all() if everything or one.state == "firing"]
    known.sort(key=lambda alert: alert.since, reverse=True)
    columns = ("cause", "state", "since", "waiting", "summary")
    return Output(
        data=[formatting.to_json(alert) for alert in known],
        text=[invocation.table(columns, [_cells(alert) for alert in known])],
    )


def _cells(alert: Alert) -> list[str]:
    since = format_rfc3339(alert.since)
    return [alert.cause, alert.state, since, str(alert.waiting), alert.summary]


@group.command(
    epilog="Exit codes: 0 every receiver accepted it; 1 one did not; 2 none is configured, or the "
    "usage or configuration is wrong."
)
@config_option
@json_option
def test(config: str | None, as_json: bool) -> None:
    """Send a message of the kind `test` to each receiver of [alerts]; needs no database.

    The message does not count for max_per_hour. No monitor is pinged: a ping would be a success.
    """

    async def body(settings: Settings, stop: ShutdownRequest) -> int:
        try:
            return await stop.run_interruptible(_send_test(settings, as_json))
        except Interrupted:
            return 128 + (stop.signal or 0)

    sys.exit(process.execute_alone(lambda: process.load_settings(config, stream="stderr"), body))


async def _send_test(settings: Settings, as_json: bool) -> int:
    now = utc_now()
    message = Message(
        id=f"msg_{uuid4().hex}",
        kind="test",
        state="firing",
        job=None,
        run_id=None,
        summary="This is a test by `chesscoach alerts test`.",
        at=now,
        cause="test",
    )

    async def reason_refused(receiver: Receiver) -> str | None:
        try:
            await receiver.send(message, now)
        except AlertRefused as error:
            return log.Redactor(settings.process.secrets()).scrub(str(error))
        return None

    async with open_session() as session:
        receivers = await open_receivers(settings.config.alerts, session)
        if not receivers:
            msg = "alerts: no receiver is configured: set [alerts] webhook_url or urls"
            raise ConfigError(msg)
        reasons = await asyncio.gather(*map(reason_refused, receivers))
    results = {receiver.name: reason for receiver, reason in zip(receivers, reasons, strict=True)}
    if as_json:
        sent = [
            {"channel": name, "accepted": reason is None, "reason": reason}
            for name, reason in results.items()
        ]
        click.echo(json.dumps({"id": message.id, "receivers": sent}))
    else:
        for name, reason in results.items():
            click.echo(f"{name}: {'accepted' if reason is None else f'not accepted: {reason}'}")
    return result.EXIT_FAILED if any(results.values()) else result.EXIT_DONE
