"""`chesscoach emails suppressed` and `unsuppress`: addresses that get no email any more."""

import click

from chesscoach.cli import invocation
from chesscoach.cli.invocation import Output
from chesscoach.cli.options import limit_option
from chesscoach.context import Context
from chesscoach.emails.store.suppressions import normalize_address
from chesscoach.emails.suppression import Suppression
from chesscoach.errors import ConfigError
from chesscoach.schedules.schedule import format_rfc3339


@click.command()
@click.argument("address", metavar="[ADDRESS]", required=False)
@limit_option
@invocation.database_command
async def suppressed(ctx: Context, address: str | None, limit: int) -> Output:
    """Show the suppressed addresses, the newest first, or whether ADDRESS is suppressed.

    A suppressed address gets no email. SendGrid's events suppress an address: it bounced, its owner
    complained or unsubscribed there, or SendGrid refuses to send to it.
    """
    if address is not None:
        suppression = await ctx.emails.suppressions.find(address)
        normal = normalize_address(address)
        line = "  ".join(_cells(suppression)) if suppression else f"{normal} is not suppressed"
        return Output(data={"address": normal, "suppressed": suppression}, text=[line])
    count = await ctx.emails.suppressions.count()
    newest = await ctx.emails.suppressions.list_newest(limit)
    rows = [_cells(suppression) for suppression in newest]
    return Output(
        data={"count": count, "newest": newest},
        text=[invocation.table(("address", "reason", "since"), rows), f"suppressed: {count}"],
    )


def _cells(suppression: Suppression) -> list[str]:
    return [suppression.address, suppression.reason, format_rfc3339(suppression.at)]


@click.command()
@click.argument("address", metavar="ADDRESS")
@invocation.database_command
async def unsuppress(ctx: Context, address: str) -> Output:
    """Let ADDRESS get email again, from the next week on.

    SendGrid keeps a list of its own: remove the address from that list too, or SendGrid drops the
    email.
    """
    if not await ctx.emails.suppressions.remove(address):
        msg = "ADDRESS is not suppressed: see `chesscoach emails suppressed`"
        raise ConfigError(msg)
    normal = normalize_address(address)
    return Output(
        data={"unsuppressed": normal},
        text=[f"{normal} gets email again; remove it from SendGrid's own list too"],
    )
