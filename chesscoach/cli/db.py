"""`chesscoach db`: the collections and indexes that we need, and how the database serves us."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import click
import msgspec
from msgspec import Struct

from chesscoach.cli import invocation
from chesscoach.context import INDEXES, Context
from chesscoach.mongo import index_check
from chesscoach.worker.shutdown import ShutdownRequest

ReadQuery = Callable[[], Awaitable[object]]
_NONEXISTENT_USER = "chesscoach db check"
_MIN_USAGE_PERIOD = timedelta(days=7)
"""An index that has not served for so long is worth a thought: all jobs have run in that time."""

_SCAN_REASONS = {"schedules": "there are few", "job_leases": "there are few"}


@click.group(cls=invocation.OneLineErrorGroup)
def group() -> None:
    """Care of the database."""


@group.command(
    epilog="Exit codes: 0 all stands; 1 an index waits, or the database cannot be reached; 2 an "
    "index contradicts ours, or we may not make it."
)
@click.option(
    "--allow-mass-delete",
    is_flag=True,
    help="Make TTL indexes also where the server will at once delete a great many rows.",
)
@invocation.config_option
@invocation.json_option
def init(allow_mass_delete: bool, config: str | None, as_json: bool) -> None:
    """Make the collections and indexes that we need, beside the application's own.

    Safe to repeat. An index of the application that serves the purpose stays as it is. One that
    contradicts ours is an error that names it, and nothing is dropped. A TTL index on a collection
    with many expired documents is not made; a line says how to delete them in batches first.
    """

    async def body(ctx: Context, _: ShutdownRequest) -> int:
        report = await ctx.indexes.create(allow_mass_delete=allow_mass_delete)
        if as_json:
            invocation.print_json(msgspec.to_builtins(report))
        else:
            for name in report.made:
                click.echo(f"made     {name}")
            for name in report.present:
                click.echo(f"present  {name}")
            for name, overdue in report.waiting.items():
                click.echo(
                    f"waiting  {name}: the server would at once delete {overdue} overdue rows or "
                    "more; first run `python -m chesscoach.jobs.cleanup`, which does it in "
                    "batches, or give --allow-mass-delete"
                )
        return int(bool(report.waiting))

    invocation.run_with_context(config, body)


class DatabaseReport(Struct, frozen=True, kw_only=True):
    """The indexes that are missing, and those that contradict ours."""

    missing: list[str]
    contradicting: list[str]


@group.command(
    epilog="Exit codes: 0 all indexes exist; 1 an index is missing or contradicts ours, or the "
    "database cannot be reached; 2 wrong usage or configuration."
)
@invocation.config_option
@invocation.json_option
def check(config: str | None, as_json: bool) -> None:
    """List the indexes that are missing or contradict ours. Changes nothing."""

    async def body(ctx: Context, _: ShutdownRequest) -> int:
        database = ctx.mongo.database
        report = DatabaseReport(
            missing=await ctx.indexes.missing(),
            contradicting=await index_check.contradicting_indexes(database, INDEXES),
        )
        if as_json:
            invocation.print_json(msgspec.to_builtins(report))
        else:
            _print_report(report)
        return int(bool(report.missing or report.contradicting))

    invocation.run_with_context(config, body)


def _print_report(report: DatabaseReport) -> None:
    for name in report.missing:
        click.echo(f"missing        {name}: run `chesscoach db init`")
    for difference in report.contradicting:
        click.echo(
            f"contradicting  {difference}: drop it if nothing needs it, then run "
            "`chesscoach db init`"
        )
    if not (report.missing or report.contradicting):
        click.echo("ok             all indexes exist")
