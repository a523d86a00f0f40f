"""`chesscoach emails suppressed` and `unsuppress`: addresses that get no mail any more."""

import click

from chesscoach.cli import formatting, invocation
from chesscoach.context import Context
from chesscoach.emails.store.suppressions import normalize_address
from chesscoach.emails.suppression import Suppression
from chesscoach.errors import ConfigError
from chesscoach.schedules.schedule import format_rfc3339
from chesscoach.worker.shutdown import ShutdownRequest


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

    async def body(ctx: Context, _: ShutdownRequest) -> None:
        if address is not None:
            found = await ctx.emails.suppressions.find(address)
            if as_json:
                invocation.print_json(
                    {"address": normalize_address(address), "suppressed": formatting.to_json(found)}
                )
            elif found is None:
                click.echo(f"{normalize_address(address)} is not suppressed")
            else:
                click.echo("  ".join(_cells(found)))
            return
        count = await ctx.emails.suppressions.count()
        newest = await ctx.emails.suppressions.list_newest(limit)
        if as_json:
            invocation.print_json(
                {"count": count, "newest": [formatting.to_json(each) for each in newest]}
            )
            return
        invocation.print_table(("address", "reason", "since"), [_cells(each) for each in newest])
        click.echo(f"suppressed: {count}")

    invocation.run_with_context(config, body)


def _cells(found: Suppression) -> list[str]:
    return [found.address, found.reason, format_rfc3339(found.at)]


@click.command()
@click.argument("address", metavar="ADDRESS")
@invocation.config_option
@invocation.json_option
def unsuppress(address: str, config: str | None, as_json: bool) -> None:
    """Let ADDRESS get mail again, from the next week on.

    SendGrid keeps a list of its own: take the address off that too, or it drops the mail.
    """

    async def body(ctx: Context, _: ShutdownRequest) -> None:
        if not await ctx.emails.suppressions.remove(address):
            msg = "ADDRESS: it is not suppressed: see `chesscoach emails suppressed`"
            raise ConfigError(msg)
        if as_json:
            invocation.print_json({"unsuppressed": normalize_address(address)})
        else:
            click.echo(
                f"{normalize_address(address)} gets mail again; take it off SendGrid's own list too"
            )

    invocation.run_with_context(config, body)
