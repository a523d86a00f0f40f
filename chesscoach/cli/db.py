"""`chesscoach db`: the collections and indexes that the worker needs."""

import click
from msgspec import Struct, structs

from chesscoach.cli import invocation
from chesscoach.cli.invocation import Output
from chesscoach.context import Context
from chesscoach.declared_indexes import INDEXES, UNIQUE_KEYS
from chesscoach.mongo import index_check


@click.group(cls=invocation.OneLineErrorGroup)
def group() -> None:
    """Database: create and check the collections and indexes that the worker needs."""


@group.command(
    epilog="Exit codes: 0 all indexes exist; 1 a TTL index waits, or the database cannot be "
    "reached; 2 an index contradicts ours, or the database user may not create it."
)
@click.option(
    "--allow-mass-delete",
    is_flag=True,
    help="Create TTL indexes also where the server then deletes many documents at once.",
)
@invocation.database_command
async def init(ctx: Context, allow_mass_delete: bool) -> Output:
    """Create the collections and indexes that the worker needs, beside the application's own.

    Safe to repeat. An index of the application that serves the purpose stays as it is. An index
    that contradicts ours is an error that names it. The command drops no index. On a collection
    with many expired documents, it creates no TTL index: a line says how to delete them in batches
    first. It names each unique index that may refuse our documents.
    """
    report = await ctx.indexes.create(allow_mass_delete=allow_mass_delete)
    unexpected = await index_check.unexpected_unique_indexes(ctx.mongo.database, UNIQUE_KEYS)
    waiting = [
        f"waiting  {name}: the server would delete {overdue} or more expired documents at once; "
        "first run `python -m chesscoach.jobs.cleanup`, which deletes them in batches, or give "
        "--allow-mass-delete"
        for name, overdue in report.waiting.items()
    ]
    made = [f"made     {name}" for name in report.made]
    present = [f"present  {name}" for name in report.present]
    return Output(
        data={**structs.asdict(report), "unexpected": unexpected},
        text=[*made, *present, *waiting, *_unexpected_lines(unexpected)],
        exit_code=int(bool(waiting)),
    )


class DatabaseReport(Struct, frozen=True, kw_only=True):
    """The indexes that are missing, those that contradict ours, and unexpected unique ones."""

    missing: list[str]
    contradicting: list[str]
    unexpected: list[str]


@group.command(
    epilog="Exit codes: 0 all indexes exist; 1 an index is missing, contradicts ours or may refuse "
    "our documents, or the database cannot be reached; 2 wrong usage or configuration."
)
@invocation.database_command
async def check(ctx: Context) -> Output:
    """List the indexes that are missing, contradict ours or may refuse our documents.

    Changes nothing.
    """
    report = DatabaseReport(
        missing=await ctx.indexes.missing(),
        contradicting=await index_check.contradicting_indexes(ctx.mongo.database, INDEXES),
        unexpected=await index_check.unexpected_unique_indexes(ctx.mongo.database, UNIQUE_KEYS),
    )
    problems = [f"missing        {name}: run `chesscoach db init`" for name in report.missing]
    problems += [
        f"contradicting  {difference}: drop it if nothing needs it, then run `chesscoach db init`"
        for difference in report.contradicting
    ]
    problems += _unexpected_lines(report.unexpected)
    return Output(
        data=report,
        text=problems or ["ok             all indexes exist"],
        exit_code=int(bool(problems)),
    )


def _unexpected_lines(indexes: list[str]) -> list[str]:
    return [
        f"unexpected     {index}: drop it if nothing needs it; the sync names what it refuses"
        for index in indexes
    ]
