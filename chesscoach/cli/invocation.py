"""The way in for every command: its options, its context, one line where something is wrong."""

import json
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import click
from msgspec.structs import replace
from rich.console import Console
from rich.table import Table

from chesscoach import log, process
from chesscoach.context import Context
from chesscoach.errors import ConfigError
from chesscoach.worker.runner import result
from chesscoach.worker.shutdown import ShutdownRequest

config_option = click.option("--config", metavar="PATH", help="Another config.toml.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

_PLAIN_TEXT_WIDTH = 400
"""Columns where nobody looks on: a line must not be broken for a script."""


class OneLineErrorGroup(click.Group):
    """A group of commands that says in one line what is wrong with how it is used."""

    def make_context(self, *args: Any, **more: Any) -> click.Context:
        """As click has it."""
        with _one_line_errors():
            return super().make_context(*args, **more)

    def invoke(self, ctx: click.Context) -> Any:
        """As click has it."""
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
    """Says on stderr, in one line, what is wrong."""
    click.echo(f"chesscoach: {log.Redactor().scrub(' '.join(text.split()))}", err=True)


def run_with_context(
    path: str | None, body: Callable[[Context, ShutdownRequest], Awaitable[int | None]]
) -> NoReturn:
    """Opens a context for a command and ends the process with its exit code, 0 by default.

    The `obj` of the click command may be a clock; by default it is the wall's.
    """
    clock: Callable[[], Any] | None = click.get_current_context().obj
    try:
        loaded = process.load_settings(path, stream="stderr")
    except ConfigError as error:
        print_error(str(error))
        sys.exit(result.EXIT_USAGE)

    async def inside(ctx: Context, stop: ShutdownRequest) -> int:
        try:
            return await body(replace(ctx, now=clock) if clock else ctx, stop) or result.EXIT_DONE
        except ConfigError as error:
            print_error(str(error))
            return result.EXIT_USAGE

    sys.exit(process.execute(lambda: loaded, inside))


def print_json(value: object) -> None:
    """Prints what a script is to read."""
    click.echo(json.dumps(value))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints what people are to read; whole lines where it goes into a file or a pipe."""
    table = Table(*columns, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(*row)
    width = None if sys.stdout.isatty() else _PLAIN_TEXT_WIDTH
    Console(width=width, highlight=False, markup=False, emoji=False).print(table)
