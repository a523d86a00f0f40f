"""The commands and jobs of the package with their help, as Markdown."""

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache

import click
import msgspec

from chesscoach.cli.main import main
from chesscoach.config import Config

_WIDTH = 78


@cache
def commands() -> str:
    """A table of all commands, and the help of each."""
    leaves = dict(_leaves(main, "chesscoach"))
    rows = "".join(
        f"| [`{path}`](#{path.replace(' ', '-')}) | {command.get_short_help_str(200)} |\n"
        for path, command in leaves.items()
    )
    sections = "".join(_section(path, _help(command, path)) for path, command in leaves.items())
    return f"\n| command | use |\n|---|---|\n{rows}{sections}\n"


@cache
def jobs() -> str:
    """The help of the daemon and of each job."""
    names = msgspec.structs.fields(type(Config().jobs))
    modules = ["chesscoach", *(f"chesscoach.jobs.{field.name}" for field in names)]
    return "".join(_section(f"python -m {name}", _printed(name)) for name in modules) + "\n"


def _leaves(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield path, command
        return
    # Of two names for one command, the longer one.
    names = {id(inner): name for name, inner in sorted(command.commands.items())}
    for name in names.values():
        yield from _leaves(command.commands[name], f"{path} {name}")


def _help(command: click.Command, path: str) -> str:
    context = click.Context(command, info_name=path, terminal_width=_WIDTH)
    return command.get_help(context)


def _printed(module: str) -> str:
    """What a module prints for `--help`; jobs make their flags when they start."""
    shown = subprocess.run(  # noqa: S603  # our own modules, by name
        [sys.executable, "-m", module, "--help"],
        env=os.environ | {"COLUMNS": str(_WIDTH + 2)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return shown.stdout.rstrip()


def _section(title: str, text: str) -> str:
    return f"\n### {title}\n\n```text\n{text}\n```\n"
