"""The scheduler in figures, beside APScheduler's AsyncIOScheduler with the same load.

A thousand schedules, half of them due each minute, in a process of its own for each: how late work
begins after its slot, and what the process costs in CPU and memory, at work and idle. Ours keeps
its schedules in MongoDB, where an edit counts within seconds, and claims and records every slot
there; the other keeps its jobs in memory or in MongoDB, and nothing of slots.

A process with a MongoDB driver that is idle does little but the driver's own watching of its
server, and one without does nothing at all. So ours, idle, is held against the other with its jobs
in MongoDB.
"""

import asyncio
import gc
import json
import os
import resource
import signal
import sys
import tempfile
import time
from asyncio.subprocess import PIPE
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median, quantiles

import click
from msgspec import Struct
from msgspec.structs import replace
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks import apscheduler_client, fixtures
from chesscoach import config, log
from chesscoach.context import Context, open_context
from chesscoach.schedules.outcome import Counts
from chesscoach.schedules.schedule import Schedule
from chesscoach.worker.job import Job, Run
from chesscoach.worker.scheduler.scheduler import Scheduler
from chesscoach.worker.shutdown import ShutdownRequest

_MAX_LATENESS_S, _MAX_IDLE_CPU_PERCENT = 0.15, 2.0
_OURS, _MEMORY, _MONGODB = "ours", "APScheduler", "APScheduler+MongoDB"
_WARM_UP_S = 5.0
_YEARLY_CRON = "0 0 1 1 *"


class Args(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nothing: the work is to note when it begins."""


class Cost(Struct, frozen=True, kw_only=True):
    """What a client found: lateness in seconds, CPU in per cent of a core, memory in MB."""

    late: list[float]
    cpu: float
    memory_mb: float


def make_crons(schedules: int, *, busy: bool) -> list[str]:
    """As many expressions: half of them each minute where it is busy."""
    return ["* * * * *" if busy and n % 2 == 0 else _YEARLY_CRON for n in range(schedules)]


async def run_own_scheduler(
    expressions: list[str], wait: Callable[[], Awaitable[None]]
) -> list[float]:
    """The daemon's scheduler, with a job that notes how late it is."""
    found: list[float] = []

    async def note(ctx: Context, run: Run, args: Args) -> Counts:
        if run.slot is not None:
            found.append((ctx.now() - run.slot.at).total_seconds())
        return run.counts

    job = Job(name="note", run=note, args=Args, help="Notes when it begins.")
    schedules = {
        f"s{n}": Schedule(job="note", cron=cron, lock=f"l{n}") for n, cron in enumerate(expressions)
    }
    settings = await asyncio.to_thread(config.load, None, dict(os.environ))
    async with open_context(settings) as ctx:
        await ctx.indexes.create()
        ctx = replace(ctx, config=replace(ctx.config, schedules=schedules))
        async with Scheduler(ctx.worker, ShutdownRequest(), {"note": job}):
            await wait()
    return found


async def run_client(name: str, schedules: int, busy: bool, seconds: float) -> Cost:
    """One client, in this process; what it cost while it was watched."""
    cost: dict[str, float] = {}

    async def wait() -> None:
        await asyncio.sleep(_WARM_UP_S)
        begun, used = time.monotonic(), cpu_s()
        await asyncio.sleep(seconds)
        cost["cpu"] = 100 * (cpu_s() - used) / (time.monotonic() - begun)

    expressions = make_crons(schedules, busy=busy)
    gc.freeze()  # as the daemon does at its start; it does the others no harm
    if name == _OURS:
        found = await run_own_scheduler(expressions, wait)
    else:
        found = await apscheduler_client.run(expressions, wait, stored=name == _MONGODB)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Cost(late=found, cpu=cost["cpu"], memory_mb=peak)


def cpu_s() -> float:
    """Seconds of CPU that this process has used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def run_in_process(url: str, name: str, schedules: int, busy: bool, seconds: float) -> Cost:
    """A client in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.scheduler", "--client", name,
        "--schedules", str(schedules), "--seconds", str(seconds), *(["--busy"] if busy else []),
        env={**os.environ, "MONGO_URL": url, "DB_NAME": f"{name.replace('+', '_')}_{busy}"},
        stdout=PIPE,
    )  # fmt: skip
    try:
        out, _ = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        raise SystemExit(f"the client {name} left with {process.returncode}")
    return Cost(**json.loads(out.splitlines()[-1]))


async def compare(url: str, schedules: int, minutes: int) -> bool:
    """Prints the table; whether what is demanded is so."""
    out = Console()
    seconds, found = minutes * 60.0, dict[tuple[str, bool], Cost]()
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("clients", total=6)
        for busy in (True, False):
            for name in (_MEMORY, _MONGODB, _OURS):
                wait = seconds if busy else 60.0
                found[name, busy] = await run_in_process(url, name, schedules, busy, wait)
                progress.advance(task)
    table = Table("scheduler", "slots", "late p50", "p99", "CPU busy", "idle", "memory")
    for name in (_MEMORY, _MONGODB, _OURS):
        cost, idle = found[name, True], found[name, False]
        table.add_row(
            name,
            str(len(cost.late)),
            f"{median(cost.late) * 1000:.0f} ms",
            f"{p99(cost.late) * 1000:.0f} ms",
            f"{cost.cpu:.1f} %",
            f"{idle.cpu:.2f} %",
            f"{cost.memory_mb:.0f} MB",
        )
    out.print(f"{schedules} schedules, half of them due each minute, {minutes} minutes")
    out.print(table)
    late = p99(found[_OURS, True].late)
    ratio = found[_OURS, False].cpu / found[_MONGODB, False].cpu
    met = late < _MAX_LATENESS_S and ratio <= _MAX_IDLE_CPU_PERCENT
    out.print(
        f"Demanded: p99 lateness under {_MAX_LATENESS_S} s, "
        f"idle CPU at most {_MAX_IDLE_CPU_PERCENT:.0f} times that of "
        f"{_MONGODB}. "
        f"Found: {late:.3f} s, {ratio:.1f} times. {'met' if met else 'MISSED'}."
    )
    return met


def p99(values: list[float]) -> float:
    """The value that 99 in a hundred do not exceed."""
    return quantiles(values, n=100)[98]


@click.command()
@click.option("--schedules", type=click.IntRange(2), default=1000, show_default=True)
@click.option("--minutes", type=click.IntRange(1, 60), default=3, show_default=True)
@click.option("--client", "name", hidden=True)
@click.option("--busy", is_flag=True, hidden=True)
@click.option("--seconds", type=float, default=0.0, hidden=True)
def run(schedules: int, minutes: int, name: str | None, busy: bool, seconds: float) -> None:
    """Compare the scheduler with APScheduler: lateness, CPU and memory."""
    if name is not None:
        log.configure(config.LogSettings(level="error"), stream="stderr")
        cost = asyncio.run(run_client(name, schedules, busy, seconds))
        print(json.dumps({"late": cost.late, "cpu": cost.cpu, "memory_mb": cost.memory_mb}))
        return
    with (
        tempfile.TemporaryDirectory() as folder,
        fixtures.open_mongo(Path(folder) / "mongo") as url,
    ):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
        met = asyncio.run(compare(url, schedules, minutes))
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    run()
