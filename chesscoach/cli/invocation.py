"""How a command runs: its context, its output as JSON or text, its errors in one line."""

import json
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any, NoReturn

import click
from msgspec import Struct
from msgspec.structs import replace
from rich.console import Console, ConsoleRenderable
from rich.table import Table

from chesscoach import log, process
from chesscoach.cli import formatting
from chesscoach.cli.options import config_option, json_option
from chesscoach.context import Context
from chesscoach.errors import BackupFailed, ConfigError, LeaseHeld, UserNotFound
from chesscoach.worker.runner import result
from chesscoach.worker.shutdown import ShutdownRequest

_PLAIN_TEXT_WIDTH = 400
"""Columns of a file or a pipe: a script needs whole lines."""


class OneLineErrorGroup(click.Group):
    """A group that prints its usage errors, and those of its commands, in one line on stderr."""

    def make_context(self, *args: Any, **more: Any) -> click.Context:
        """Parses the group's own options."""
        with _one_line_errors():
            return super().make_context(*args, **more)

    def invoke(self, ctx: click.Context) -> Any:
        """Parses and runs the command that is named."""
        with _one_line_errors(ctx.command_path):
            return super().invoke(ctx)


@contextmanager
def _one_line_errors(group: str = "chesscoach") -> Iterator[None]:
    try:
        yield
    except click.exceptions.NoArgsIsHelpError:
        raise
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else group
        print_error(f"{error.format_message().rstrip('.')} (see {path} --help)")
        raise click.exceptions.Exit(result.EXIT_USAGE) from None


def print_error(text: str) -> None:
    """Prints an error on stderr in one line, without secrets."""
    click.echo(f"chesscoach: {log.Redactor().scrub(' '.join(text.split()))}", err=True)


class Output(Struct, frozen=True, kw_only=True):
    """What a command prints, `data` with --json and else `text`, and its exit code."""

    data: object
    text: Sequence[str | ConsoleRenderable]
    exit_code: int = result.EXIT_DONE


def database_command(body: Callable[..., Awaitable[Output]]) -> Callable[..., None]:
    """Returns the callback of a command whose `body` takes a context and its own parameters.

    Adds --config and --json.
    """

    @wraps(body)
    def callback(*, config: str | None, as_json: bool, **parameters: Any) -> None:
        run_command(config, as_json, lambda ctx: body(ctx, **parameters))

    return config_option(json_option(callback))


def run_command(
    path: str | None, as_json: bool, body: Callable[[Context], Awaitable[Output]]
) -> NoReturn:
    """Opens a context, prints what `body` returns, and ends the process with its exit code."""

    async def run_body(ctx: Context, _: ShutdownRequest) -> int:
        output = await body(ctx)
        if as_json:
            click.echo(json.dumps(formatting.to_json(output.data)))
        else:
            _print_text(output.text)
        return output.exit_code

    run_with_context(path, run_body)


def run_with_context(
    path: str | None, body: Callable[[Context, ShutdownRequest], Awaitable[int | None]]
) -> NoReturn:
    """Opens a context for a command and ends the process with its exit code (default: 0)."""
    sys.exit(execute(path, body))


def execute(
    path: str | None, body: Callable[[Context, ShutdownRequest], Awaitable[int | None]]
) -> int:
    """Opens a context for a part of a command; returns the exit code (default: 0).

    The `obj` of the click command may be a clock; the default is the system's.
    """
    clock: Callable[[], Any] | None = click.get_current_context().obj
    try:
        loaded = process.load_settings(path, stream="stderr")
    except ConfigError as error:
        print_error(str(error))
        return result.EXIT_USAGE

    async def run_body(ctx: Context, stop: ShutdownRequest) -> int:
        try:
            return await body(replace(ctx, now=clock) if clock else ctx, stop) or result.EXIT_DONE
        except ConfigError as error:
            print_error(str(error))
            return result.EXIT_USAGE
        except LeaseHeld as error:
            print_error(str(error))
            return result.EXIT_HELD
        except (BackupFailed, UserNotFound) as error:
            print_error(str(error))
            return result.EXIT_FAILED

    return process.execute(lambda: loaded, run_body)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Returns a table without lines."""
    made = Table(*columns, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for row in rows:
        made.add_row(*row)
    return made


def _print_text(parts: Sequence[str | ConsoleRenderable]) -> None:
    width = None if sys.stdout.isatty() else _PLAIN_TEXT_WIDTH
    console = Console(width=width, highlight=False, markup=False, emoji=False)
    for part in parts:
        if isinstance(part, str):
            click.echo(part)
        else:
            console.print(part)
