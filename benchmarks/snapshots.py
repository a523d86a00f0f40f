"""The daily snapshots in figures, beside the loop over players.

- loop: for each player and day the analyses of a month, the last puzzles, those of the day, the
  sessions, the games, the last snapshot and the progress are read, and the snapshot is written; at
  last the player's review is renewed. It is one command after another, as one writes it first, and
  takes as long for each player, so a sample is measured.
- ours: `python -m chesscoach.jobs.snapshots`, from start to exit.

Every player's last three days are calculated and written, as in the first run of an installation.
"""

import json
from collections.abc import Mapping

import click
from rich.table import Table

from benchmarks import fixtures
from benchmarks import report as tables
from benchmarks.fixtures import BenchmarkTable, FinishedProcess, ReportProgress
from benchmarks.worlds import snapshots_world
from benchmarks.worlds.snapshots_world import ANALYSES, NOW

MIN_SPEEDUP = 30
"""Ours must be at least this many times as fast."""

MAX_GROWTH_MB = 60
"""So much more may a run for all players take than one for a tenth of them."""

_NOWHERE = "http://127.0.0.1:9"


async def measure(url: str, players: int, sample: int, report: ReportProgress) -> BenchmarkTable:
    """Takes snapshots of a sample of players in both ways, then of all of them in ours."""
    sample = min(sample, players)
    env = _environment(url, "snapshots_loop")
    await snapshots_world.fill(url, "snapshots_loop", sample, env)
    loop = await fixtures.run(
        "benchmarks.baselines", "snapshots", f"{sample}", NOW.isoformat(), env=env
    )
    loop_s = float(loop.out) * players / sample
    await fixtures.drop_database(url, "snapshots_loop")
    report(0.1)

    few = await _measure_ours(url, max(players // 10, 1))
    report(0.3)
    ours = await _measure_ours(url, players)

    table = Table("client", "players", "analyses", "wall", "players/s", "ratio", "memory")
    rows = [("loop", players, loop_s, loop.peak_kb)]
    rows += [
        ("ours", count, _seconds(ended), ended.peak_kb)
        for count, ended in ((max(players // 10, 1), few), (players, ours))
    ]
    for client, count, took_s, peak_kb in rows:
        table.add_row(
            client,
            f"{count:,}",
            f"{ANALYSES * count:,}",
            f"{'≈ ' if client == 'loop' else ''}{took_s:,.1f} s",
            f"{count / took_s:,.0f}",
            f"{loop_s / players * count / took_s:.1f}",
            fixtures.megabytes(peak_kb),
        )
    ratio = loop_s / _seconds(ours)
    more_mb = (ours.peak_kb - few.peak_kb) * 1024 / 1e6
    return BenchmarkTable(
        caption=f"Snapshots: {players:,} players in {len(snapshots_world.ZONES)} zones, with "
        f"{ANALYSES * players:,} analyses. The loop is measured for {sample:,} players and "
        "reckoned up in proportion; ours is the whole run.",
        table=table,
        requirement=f"at least {MIN_SPEEDUP} times as fast as the loop, and less than "
        f"{MAX_GROWTH_MB} MB more than for a tenth of the players",
        result=f"{ratio:.1f} times, {more_mb:.1f} MB more",
        met=ratio >= MIN_SPEEDUP and more_mb < MAX_GROWTH_MB,
    )


async def _measure_ours(url: str, players: int) -> FinishedProcess:
    """The first run of all players, on a database of its own."""
    name = f"snapshots_{players}"
    env = _environment(url, name)
    await snapshots_world.fill(url, name, players, env)
    ended = await fixtures.run(
        "chesscoach.jobs.snapshots", "--now", NOW.isoformat(), "--json", env=env
    )
    await fixtures.drop_database(url, name)
    return ended


def _environment(url: str, name: str) -> Mapping[str, str]:
    return fixtures.environment(url, name, _NOWHERE, _NOWHERE)


def _seconds(ended: FinishedProcess) -> float:
    return float(json.loads(ended.out)["duration_s"])


@click.command()
@click.option("--players", type=click.IntRange(min=1), default=100_000, show_default=True)
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    help="Players of the loop.",
)
def main(players: int, sample: int) -> None:
    """Measure the daily snapshots beside the loop over players."""
    tables.run_tables(
        {"snapshots": lambda url, report: measure(url, players, sample, report)}, None
    )


if __name__ == "__main__":
    main()
