"""The momentum checks in figures, beside the loop over players.

- loop: for each player the evidence of each kind, the achievements and the progress are read, each
  award is stored, and the counters, the streak and the closed week are updated: one command after
  another, as one writes it first. It takes as long for each player, so a sample is measured.
- ours: `python -m chesscoach.jobs.momentum`, from start to exit.

All players have done something on Sunday; that is booked before. What is measured is the check on
Monday evening, in which every week closes and is ranked, and the check of an hour like most.
"""

import json
from collections.abc import Mapping

import click
from rich.table import Table

from benchmarks import fixtures, momentum_world
from benchmarks import report as tables
from benchmarks.fixtures import BenchmarkTable, FinishedProcess, ReportProgress
from benchmarks.momentum_world import HOUR, MONDAY

MIN_SPEEDUP = 50
"""Ours must be so many times as fast."""

MAX_GROWTH_MB = 60
"""So much more may a check of all players take than one of the loop's sample."""

LARGE_PLAYERS = 1_000_000

_NOWHERE = "http://127.0.0.1:9"


async def measure(url: str, players: int, sample: int, report: ReportProgress) -> BenchmarkTable:
    """Checks a sample of players in both ways, then all of them in ours."""
    sample = min(sample, players)
    env = _environment(url, "momentum_loop")
    await momentum_world.fill(url, "momentum_loop", sample, env)
    loop = await fixtures.run(
        "benchmarks.baselines", "momentum", f"{sample}", MONDAY.isoformat(), env=env
    )
    loop_s = float(loop.out) * players / sample
    await fixtures.drop_database(url, "momentum_loop")
    report(0.1)

    few, _ = await _check_ours(url, "momentum_few", sample)
    report(0.2)
    ours, hour = await _check_ours(url, "momentum", players)

    table = Table("client", "check", "players", "wall", "players/s", "ratio", "memory")
    table.add_row(
        "loop", "Monday", f"{players:,}", f"≈ {loop_s:,.0f} s", f"{players / loop_s:,.0f}", "1.0",
        fixtures.megabytes(loop.peak_kb),
    )  # fmt: skip
    for name, count, ended in (
        ("Monday", sample, few),
        ("Monday", players, ours),
        ("an hour", players, hour),
    ):
        took_s = _seconds(ended)
        table.add_row(
            "ours",
            name,
            f"{count:,}",
            f"{took_s:.1f} s",
            f"{count / took_s:,.0f}",
            f"{loop_s / players * count / took_s:.1f}" if name == "Monday" else "",
            fixtures.megabytes(ended.peak_kb),
        )
    ratio = loop_s / _seconds(ours)
    more_mb = (max(ours.peak_kb, hour.peak_kb) - few.peak_kb) * 1024 / 1e6
    return BenchmarkTable(
        caption=f"Momentum: {players:,} players in {len(momentum_world.ZONES)} zones. On Monday "
        f"every week closes, and {momentum_world.ACTIVE_ON_MONDAY} % have new evidence; in an hour "
        f"like most {momentum_world.ACTIVE_IN_HOUR} %. The loop is measured for {sample:,} players "
        "and reckoned up in proportion; ours is the whole run.",
        table=table,
        requirement=f"at least {MIN_SPEEDUP} times as fast as the loop, and less than "
        f"{MAX_GROWTH_MB} MB more than at {sample:,} players",
        result=f"{ratio:.1f} times, {more_mb:.1f} MB more",
        met=ratio >= MIN_SPEEDUP and more_mb < MAX_GROWTH_MB,
    )


async def _check_ours(url: str, name: str, players: int) -> tuple[FinishedProcess, FinishedProcess]:
    """The check of Monday and that of an hour, on a database of their own."""
    env = _environment(url, name)
    await momentum_world.fill(url, name, players, env)
    monday = await momentum_world.check(env, MONDAY)
    await momentum_world.add_evidence_of_hour(url, name, players)
    hour = await momentum_world.check(env, HOUR)
    await fixtures.drop_database(url, name)
    return monday, hour


def _environment(url: str, name: str) -> Mapping[str, str]:
    return fixtures.environment(url, name, _NOWHERE, _NOWHERE)


def _seconds(ended: FinishedProcess) -> float:
    return float(json.loads(ended.out)["duration_s"])


@click.command()
@click.option("--players", type=click.IntRange(min=1), default=100_000, show_default=True)
@click.option("--large", is_flag=True, help=f"{LARGE_PLAYERS:,} players.")
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    default=2000,
    show_default=True,
    help="Players of the loop.",
)
def main(players: int, large: bool, sample: int) -> None:
    """Measure a whole momentum check beside the loop over players."""
    count = LARGE_PLAYERS if large else players
    tables.run_tables({"momentum": lambda url, report: measure(url, count, sample, report)}, None)


if __name__ == "__main__":
    main()
