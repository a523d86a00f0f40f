"""The command line of every job, `python -m chesscoach.jobs.NAME`."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click
import msgspec
from msgspec import Struct
from msgspec.structs import replace
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from chesscoach import log, process, startup
from chesscoach.alerts.watch import open_alerts
from chesscoach.arguments import refuse_unreadable_arguments
from chesscoach.context import Context
from chesscoach.errors import ConfigError
from chesscoach.schedules.outcome import Counts
from chesscoach.worker.job import Job
from chesscoach.worker.runner import one_shot, result, runner
from chesscoach.worker.runner.execution import ProgressCallback
from chesscoach.worker.shard import ALL_USERS, Shard
from chesscoach.worker.shutdown import ShutdownRequest
from chesscoach.worker.worker import Worker

EXIT_CODES_HELP = (
    "Exit codes: 0 done; 1 failed, or too few items succeeded; 2 wrong usage or configuration; "
    "75 another run holds the lease; 143 or 130 stopped by a signal."
)

_SHARD = click.Option(
    ["--shard"],
    metavar="I/N",
    help="Process shard I (from 0) of N shards of the users, each in a process of its own. "
    "N alone takes I from JOB_COMPLETION_INDEX, which an Indexed Job sets.",
)


def main(job: Job) -> None:
    """The entry point of a job's module; ends the process with the run's exit code."""
    startup.escape_unprintable_output()
    refuse_unreadable_arguments()
    build_command(job).main(prog_name=f"python -m chesscoach.jobs.{job.name}")


def build_command(job: Job) -> click.Command:
    """The command of a job, with its common flags and those of its arguments."""
    return click.Command(
        job.name,
        callback=_callback(job),
        params=[*_common_options(job), *_job_options(job.args)],
        help=job.help,
        epilog=EXIT_CODES_HELP,
    )


def _common_options(job: Job) -> list[click.Parameter]:
    return [
        click.Option(
            ["--scheduled"],
            is_flag=False,
            flag_value=job.name,
            metavar="[SCHEDULE]",
            help="Run the slot of this schedule, unless another process has claimed it "
            f"(default: {job.name}).",
        ),
        click.Option(["--dry-run"], is_flag=True, help="Change nothing; say what would change."),
        click.Option(
            ["--config"],
            metavar="PATH",
            help="Configuration file (default: CHESSCOACH_CONFIG, else config.toml here).",
        ),
        click.Option(
            ["--json"],
            is_flag=True,
            help="Print the run record as one JSON object; logs go to stderr.",
        ),
        *([_SHARD] if job.walks_users else []),
    ]


def _job_options(args: type[Struct]) -> list[click.Parameter]:
    """An option for each field of a job's arguments."""
    options: list[click.Parameter] = []
    for field in msgspec.inspect.type_info(args).fields:  # type: ignore[attr-defined]  # a Struct's info has fields
        described = field.type.extra_json_schema if hasattr(field.type, "extra_json_schema") else {}
        inner = field.type.type if isinstance(field.type, msgspec.inspect.Metadata) else field.type
        is_flag, choices = isinstance(inner, msgspec.inspect.BoolType), _choices(inner)
        options.append(
            click.Option(
                [f"--{field.name.replace('_', '-')}", field.name],
                is_flag=is_flag,
                type=click.Choice(choices) if choices else None,
                default=None,
                metavar=None if is_flag or choices else "TEXT",
                help=(described or {}).get("description", ""),
            )
        )
    return options


def _choices(kind: msgspec.inspect.Type) -> list[str]:
    """The values of a Literal of texts; empty for another type."""
    kinds = kind.types if isinstance(kind, msgspec.inspect.UnionType) else (kind,)
    return [
        str(value)
        for member in kinds
        if isinstance(member, msgspec.inspect.LiteralType)
        for value in member.values
    ]


def _callback(job: Job) -> Callable[..., None]:
    def run(
        *,
        scheduled: str | None,
        dry_run: bool,
        config: str | None,
        json: bool,
        shard: str | None = None,
        **own: Any,
    ) -> None:
        given = {name: value for name, value in own.items() if value not in (None, False)}
        sys.exit(
            process.execute(
                lambda: process.load_settings(config, stream="stderr" if json else "stdout"),
                lambda ctx, stop: _run(ctx, job, given, scheduled, dry_run, json, shard, stop),
            )
        )

    return run


async def _run(
    ctx: Context,
    job: Job,
    given: dict[str, Any],
    scheduled: str | None,
    dry_run: bool,
    as_json: bool,
    shard: str | None,
    stop: ShutdownRequest,
) -> int:
    users = _parse_shard(ctx, shard)
    if users.of > 1 and "user" in given:
        msg = "--shard: a shard has many users: leave out --user"
        raise ConfigError(msg)
    if scheduled is not None and (given or dry_run):
        msg = "--scheduled takes its arguments from the schedule: leave the other flags out"
        raise ConfigError(msg)
    if dry_run:
        ending = await runner.dry_run(ctx.worker, job, job.check(given, strict=False), stop, users)
    else:
        async with open_alerts(ctx.alerts, one_shot=True) as alerts:
            worker = replace(ctx, observer=alerts).worker
            ending = await _run_real(worker, job, given, scheduled, users, stop)
    if as_json:
        click.echo(record_json(ctx, ending))
    return ending.exit_code


async def _run_real(
    worker: Worker,
    job: Job,
    given: dict[str, Any],
    scheduled: str | None,
    users: Shard,
    stop: ShutdownRequest,
) -> result.RunResult:
    with progress_bar(job.name) as observe:
        if scheduled is not None:
            return await one_shot.run_scheduled(worker, job, scheduled, stop, observe, users)
        args = job.check(given, strict=False)
        return await runner.run_manually(worker, job, args, stop, observe, shard=users)


def _parse_shard(ctx: Context, shard: str | None) -> Shard:
    if shard is None:
        return ALL_USERS
    try:
        return Shard.parse(shard, ctx.process.completion_index)
    except ValueError as error:
        msg = f"--shard: {error}"
        raise ConfigError(msg) from None


def record_json(ctx: Context, ending: result.RunResult) -> str:
    """The run record as one JSON object, as `--json` prints it."""
    level = "info" if ending.exit_code == result.EXIT_DONE else "error"
    stamp = {"level": level, "timestamp": ctx.now().isoformat()}
    return json.dumps(log.Redactor(ctx.process.secrets())(None, "", {**ending.record, **stamp}))


@contextmanager
def progress_bar(name: str) -> Iterator[ProgressCallback | None]:
    """A progress bar on a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(name, total=None)

        def observe(counts: Counts) -> None:
            finished = counts.done + counts.failed + counts.skipped
            progress.update(task, completed=finished, total=counts.candidates or None)

        yield observe
