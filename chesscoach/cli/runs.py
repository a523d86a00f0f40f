"""`chesscoach runs`: what ran, and what became of it."""

from typing import get_args

import click

from chesscoach import log
from chesscoach.cli import formatting, invocation
from chesscoach.context import Context
from chesscoach.errors import ConfigError
from chesscoach.schedules.outcome import Outcome
from chesscoach.schedules.schedule import format_rfc3339
from chesscoach.worker.shutdown import ShutdownRequest
from chesscoach.worker.store.run_documents import RunRecord


@click.group(cls=invocation.OneLineErrorGroup)
def group() -> None:
    """Runs: what ran, and what became of it."""


@group.command("list")
@click.option("--job", metavar="NAME", help="Only of that job.")
@click.option("--schedule", metavar="ID", help="Only of that schedule.")
@click.option("--outcome", type=click.Choice(get_args(Outcome)), help="Only of that outcome.")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="At most so many."
)
@invocation.config_option
@invocation.json_option
def list_runs(
    job: str | None,
    schedule: str | None,
    outcome: str | None,
    limit: int,
    config: str | None,
    as_json: bool,
) -> None:
    """Show the newest runs, the newest first."""

    async def body(ctx: Context, _: ShutdownRequest) -> None:
        found = await ctx.worker.runs.recent(
            job=job, schedule=schedule, outcome=outcome, limit=limit
        )
        if as_json:
            invocation.print_json([_redacted_json(ctx, record) for record in found])
            return
        columns = ("run", "outcome", "begun", "took", "done", "failed", "by")
        invocation.print_table(columns, [_cells(record) for record in found])

    invocation.run_with_context(config, body)


@group.command()
@click.argument("run_id", metavar="RUN_ID")
@invocation.config_option
@invocation.json_option
def show(run_id: str, config: str | None, as_json: bool) -> None:
    """Show all of one run: its counts, its errors, its earlier attempts."""

    async def body(ctx: Context, _: ShutdownRequest) -> None:
        record = await ctx.worker.runs.find(run_id)
        if record is None:
            msg = f"there is no run {run_id[:120]!r}: see `chesscoach runs list`"
            raise ConfigError(msg)
        fields = _redacted_json(ctx, record)
        if as_json:
            invocation.print_json(fields)
            return
        wide = max(len(name) for name in fields)
        for name, value in fields.items():
            for part in value if isinstance(value, list) else [value]:
                click.echo(f"{name:<{wide}}  {_format_value(part)}")

    invocation.run_with_context(config, body)


def _redacted_json(ctx: Context, record: RunRecord) -> dict[str, object]:
    """A record; what it says of errors is held to the same rules as the log."""
    return dict(log.Redactor(ctx.process.secrets())(None, "", formatting.run_json(record)))


def _format_value(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}={inner}" for key, inner in value.items() if inner is not None)
    return "" if value is None else str(value)


def _cells(record: RunRecord) -> list[str]:
    outcome = record.outcome + (f", attempt {record.attempt}" if record.attempt > 1 else "")
    outcome += f" x{record.count}" if record.count > 1 else ""
    return [
        record.id,
        outcome,
        format_rfc3339(record.started_at),
        f"{record.duration_s:.1f} s" if record.duration_s is not None else "",
        str(record.done),
        str(record.failed),
        record.source,
    ]
