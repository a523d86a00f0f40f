"""`chesscoach runs`: the records of runs."""

from typing import get_args

import click

from chesscoach import log
from chesscoach.cli import formatting, invocation
from chesscoach.cli.invocation import Output
from chesscoach.cli.options import limit_option
from chesscoach.context import Context
from chesscoach.errors import ConfigError
from chesscoach.schedules.outcome import Outcome
from chesscoach.schedules.schedule import format_rfc3339
from chesscoach.worker.store.run_documents import RunRecord


@click.group(cls=invocation.OneLineErrorGroup)
def group() -> None:
    """Runs: list and show their records, and cancel one."""


@group.command("list")
@click.option("--job", metavar="NAME", help="Only runs of this job.")
@click.option("--schedule", metavar="ID", help="Only runs of this schedule.")
@click.option(
    "--outcome", type=click.Choice(get_args(Outcome)), help="Only runs with this outcome."
)
@limit_option
@invocation.database_command
async def list_runs(
    ctx: Context, job: str | None, schedule: str | None, outcome: str | None, limit: int
) -> Output:
    """Show runs, the newest first."""
    records = await ctx.worker.runs.recent(job=job, schedule=schedule, outcome=outcome, limit=limit)
    columns = ("run", "outcome", "started", "took", "done", "failed", "source")
    return Output(
        data=[_redacted_json(ctx, record) for record in records],
        text=[invocation.table(columns, [_cells(record) for record in records])],
    )


@group.command()
@click.argument("run_id", metavar="RUN_ID")
@invocation.database_command
async def show(ctx: Context, run_id: str) -> Output:
    """Show one run in full: its counts, its errors, its earlier attempts."""
    record = await ctx.worker.runs.find(run_id)
    if record is None:
        msg = f"run {run_id[:120]!r} does not exist: see `chesscoach runs list`"
        raise ConfigError(msg)
    fields = _redacted_json(ctx, record)
    lines = [
        (name, _format_value(item))
        for name, value in fields.items()
        for item in (value if isinstance(value, list) else [value])
    ]
    return Output(data=fields, text=formatting.aligned(lines))


@group.command()
@click.argument("run_id", metavar="RUN_ID")
@invocation.database_command
async def cancel(ctx: Context, run_id: str) -> Output:
    """Ask the process that has a run to end it; its slot does not run again.

    The run ends when its process next reports progress: within a third of [runner] lease_s.
    """
    if not await ctx.worker.runs.cancellations.request(run_id, "the command line", ctx.now()):
        msg = f"run {run_id[:120]!r} is not running: see `chesscoach runs list --outcome running`"
        raise ConfigError(msg)
    return Output(data={"cancelling": run_id}, text=[f"asked {run_id} to end"])


def _redacted_json(ctx: Context, record: RunRecord) -> dict[str, object]:
    """A record; its errors are redacted as in the log."""
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
