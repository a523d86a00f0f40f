"""`chesscoach email suppressed` and `unsuppress`: addresses that get no mail any more."""

import click

from chesscoach.cli import formatting, invocation
from chesscoach.context import Context
from chesscoach.emails.store.suppressions import normal
from chesscoach.emails.suppression import Suppression
from chesscoach.errors import ConfigError
from chesscoach.schedules.schedule import utc
from chesscoach.worker.job import Stop


@click.command()
@click.argument("address", metavar="[ADDRESS]", required=False)
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="At most so many."
)
@invocation.config_option
@invocation.json_option
def suppressed(address: str | None, limit: int, config: str | None, as_json: bool) -> None:
    """Show which addresses get no mail any more, the newest first, or whether ADDRESS does.

    SendGrid's events say so: it bounced, its owner complained or unsubscribed there, or SendGrid
    would not send to it.
    """

    async def body(ctx: Context, _: Stop) -> None:
        if address is not None:
            found = await ctx.store.suppressions.find(address)
            if as_json:
                invocation.show_json(
                    {"address": normal(address), "suppressed": formatting.plain(found)}
                )
            elif found is None:
                click.echo(f"{normal(address)} is not suppressed")
            else:
                click.echo("  ".join(_cells(found)))
            return
        count = await ctx.store.suppressions.count()
        newest = await ctx.store.suppressions.newest(limit)
        if as_json:
            invocation.show_json(
                {"count": count, "newest": [formatting.plain(each) for each in newest]}
            )
            return
        invocation.show_table(("address", "reason", "since"), [_cells(each) for each in newest])
        click.echo(f"suppressed: {count}")

    invocation.run(config, body)


def _cells(found: Suppression) -> list[str]:
    return [found.address, found.reason, utc(found.at)]


@click.command()
@click.argument("address", metavar="ADDRESS")
@invocation.config_option
@invocation.json_option
def unsuppress(address: str, config: str | None, as_json: bool) -> None:
    """Let ADDRESS get mail again, from the next week on.

    SendGrid keeps a list of its own: take the address off that too, or it drops the mail.
    """

    async def body(ctx: Context, _: Stop) -> None:
        if not await ctx.store.suppressions.lift(address):
            msg = "ADDRESS: it is not suppressed: see `chesscoach email suppressed`"
            raise ConfigError(msg)
        if as_json:
            invocation.show_json({"unsuppressed": normal(address)})
        else:
            click.echo(f"{normal(address)} gets mail again; take it off SendGrid's own list too")

    invocation.run(config, body)
