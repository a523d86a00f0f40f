"""The sync in figures: `make bench`.

Three tables, each with what is demanded of it; the exit code is 1 if one is missed. Everything is
on this machine: a MongoDB of our own, stand-ins for both sites in this process, and every client in
a process of its own. Nothing is left running.
"""

import asyncio
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TypeAlias

import click
from rich.console import Console
from rich.progress import Progress, TaskID

from benchmarks import ground, ingest, loops, memory
from benchmarks.ground import Measured, Report

Measure: TypeAlias = Callable[[str, Report], Awaitable[Measured]]

_STOPPED = 128 + signal.SIGTERM
_SOME = click.IntRange(min=1)


async def measure_all(url: str, measures: dict[str, Measure]) -> bool:
    """Prints one table after another; returns whether all that is demanded is so."""
    if (task := asyncio.current_task()) is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    out, err = Console(), Console(stderr=True)
    met = True
    for name, measure in measures.items():
        with Progress(console=err, transient=True, disable=not err.is_terminal) as progress:
            bar = progress.add_task(name, total=1)
            measured = await measure(url, partial(_show, progress, bar))
        out.print(measured.caption)
        out.print(measured.table)
        verdict = "met" if measured.met else "MISSED"
        out.print(f"Demanded: {measured.demanded}. Found: {measured.found}. {verdict}.\n")
        met = met and measured.met
    return met


def _show(progress: Progress, bar: TaskID, part: float) -> None:
    progress.update(bar, completed=part)


@click.command()
@click.option("--table", type=click.Choice(["loops", "ingest", "memory"]), help="One table alone.")
@click.option(
    "--accounts", type=_SOME, default=2000, show_default=True, help="loops: accounts per site."
)
@click.option("--active", default=15, show_default=True, help="loops: per cent with new games.")
@click.option("--delay-ms", default=10, show_default=True, help="loops: what each reply takes.")
@click.option(
    "--games", type=_SOME, default=5000, show_default=True, help="ingest: new games per account."
)
@click.option(
    "--users", type=_SOME, default=100_000, show_default=True, help="memory: the larger number."
)
def main(
    table: str | None, accounts: int, active: int, delay_ms: int, games: int, users: int
) -> None:
    """Measure the sync: beside other clients, from socket to database, in memory."""
    size = loops.Size(accounts=accounts, active=active, delay_ms=delay_ms)
    measures: dict[str, Measure] = {
        "loops": lambda url, report: loops.measure(url, size, report),
        "ingest": lambda url, report: ingest.measure(url, games, report),
        "memory": lambda url, report: memory.measure(url, users, report),
    }
    wanted = {table: measures[table]} if table else measures
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_STOPPED))  # until the loop minds it
    with tempfile.TemporaryDirectory() as folder, ground.mongo(Path(folder)) as url:
        try:
            met = asyncio.run(measure_all(url, wanted))
        except asyncio.CancelledError:
            sys.exit(_STOPPED)
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
