"""The daily snapshots in figures, beside the loop over players.

- loop: for each player and day the analyses of a month, the last puzzles, those of the day, the
  sessions, the games, the last snapshot and the progress are read, and the snapshot is written; at
  last the player's review is renewed. It is one command after another, as one writes it first, and
  takes as long for each player, so a sample is measured, in the database of all players.
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
"""How much more memory a run for all players may take than one for a tenth of them."""

_NOWHERE = "http://127.0.0.1:9"


async def measure(url: str, players: int, sample: int, report: ReportProgress) -> BenchmarkTable:
    """Takes snapshots of a tenth of the players in our way, then of all in both ways."""
    sample = min(sample, players)
    few = await _measure_few(url, max(players // 10, 1))
    report(0.2)
    name, env = "snapshots", _environment(url, "snapshots")
    await snapshots_world.fill(url, name, players, env)
    report(0.5)
    loop = await fixtures.run(
        "benchmarks.baselines", "snapshots", f"{sample}", NOW.isoformat(), env=env
    )
    loop_s = float(loop.out) * players / sample
    report(0.6)
    ours = await _run_ours(env)
    await fixtures.drop_database(url, name)

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


async def _measure_few(url: str, players: int) -> FinishedProcess:
    """The first run of a tenth of the players, on a database of its own."""
    name, env = "snapshots_few", _environment(url, "snapshots_few")
    await snapshots_world.fill(url, name, players, env)
    ended = await _run_ours(env)
    await fixtures.drop_database(url, name)
    return ended


async def _run_ours(env: Mapping[str, str]) -> FinishedProcess:
    return await fixtures.run(
        "chesscoach.jobs.snapshots", "--now", NOW.isoformat(), "--json", env=env
    )


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
