"""The commands and jobs of the package with their help, as Markdown."""

from collections.abc import Iterator
from functools import cache

import click

from chesscoach import daemon
from chesscoach.cli.main import main
from chesscoach.jobs.catalog import JOBS
from chesscoach.jobs.command import build_command

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
    entries = {"chesscoach": daemon.main} | {
        f"chesscoach.jobs.{name}": build_command(job) for name, job in JOBS.items()
    }
    titled = ((f"python -m {name}", command) for name, command in entries.items())
    return "".join(_section(title, _help(command, title)) for title, command in titled) + "\n"


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


def _section(title: str, text: str) -> str:
    return f"\n### {title}\n\n```text\n{text}\n```\n"
