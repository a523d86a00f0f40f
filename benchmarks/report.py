"""Tables printed one after another, each with what is demanded; the exit code tells of all."""

import asyncio
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import NoReturn, TypeAlias

from rich.console import Console
from rich.progress import Progress, TaskID

from benchmarks import fixtures
from benchmarks.fixtures import BenchmarkTable, ReportProgress

MeasureTable: TypeAlias = Callable[[str, ReportProgress], Awaitable[BenchmarkTable]]

_EXIT_TERMINATED = 128 + signal.SIGTERM


def run_tables(measures: dict[str, MeasureTable], table: str | None) -> NoReturn:
    """Shows all tables or one, on a MongoDB of their own; leaves with 1 if a demand is missed."""
    wanted = {table: measures[table]} if table else measures
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_EXIT_TERMINATED))  # until the loop minds it
    with tempfile.TemporaryDirectory() as folder, fixtures.open_mongo(Path(folder)) as url:
        try:
            met = asyncio.run(_run_all(url, wanted))
        except asyncio.CancelledError:
            sys.exit(_EXIT_TERMINATED)
    sys.exit(0 if met else 1)


async def _run_all(url: str, measures: dict[str, MeasureTable]) -> bool:
    """Prints one table after another; returns whether all that is demanded is so."""
    if (task := asyncio.current_task()) is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    out, err = Console(), Console(stderr=True)
    met = True
    for name, measure in measures.items():
        with Progress(console=err, transient=True, disable=not err.is_terminal) as progress:
            bar = progress.add_task(name, total=1)
            measured = await measure(url, partial(_update, progress, bar))
        out.print(measured.caption)
        out.print(measured.table)
        verdict = "met" if measured.met else "MISSED"
        out.print(f"Demanded: {measured.requirement}. Found: {measured.result}. {verdict}.\n")
        met = met and measured.met
    return met


def _update(progress: Progress, bar: TaskID, part: float) -> None:
    progress.update(bar, completed=part)
