"""The momentum checks in figures, beside the loop over players.

- loop: for each player the evidence of each kind, the achievements and the progress are read, each
  award is stored, and the counters, the streak and the closed week are updated: one command after
  another, as one writes it first. It takes as long for each player, so a sample is measured.
- ours: `python -m chesscoach.jobs.momentum`, from start to exit.

Both do the hourly check like most others, after everyone has done something on Sunday and each week
has closed on Monday. Beside it stand our check that ranks all players, and one that is a day late.
"""

import json
from collections.abc import Mapping

import click
from rich.table import Table

from benchmarks import fixtures, momentum_world
from benchmarks import report as tables
from benchmarks.fixtures import BenchmarkTable, FinishedProcess, ReportProgress
from benchmarks.momentum_world import CATCH_UP, HOUR, NEXT_HOUR, RANKING

MIN_SPEEDUP = 50
"""Ours must be so many times as fast."""

MAX_GROWTH_MB = 60
"""So much more may a check of all players take than one of the loop's sample."""

LARGE_PLAYERS = 1_000_000

_NOWHERE = "http://127.0.0.1:9"


async def measure(url: str, players: int, sample: int, report: ReportProgress) -> BenchmarkTable:
    """Checks a sample of players in both ways, then all of them in ours."""
    sample = min(sample, players)
    few = await _check_ours(url, "momentum_few", sample, keep=True)
    env = _environment(url, "momentum_few")
    await momentum_world.add_evidence_of_hour(url, "momentum_few", sample, NEXT_HOUR)
    loop = await fixtures.run(
        "benchmarks.baselines", "momentum", f"{sample}", NEXT_HOUR.isoformat(), env=env
    )
    loop_s = float(loop.out) / sample
    await fixtures.drop_database(url, "momentum_few")
    report(0.2)
    ours = await _check_ours(url, "momentum", players)

    table = Table("client", "check", "players", "wall", "ratio", "memory")
    table.add_row(
        "loop",
        "an hour",
        f"{players:,}",
        f"≈ {loop_s * players:,.0f} s",
        "1.0",
        fixtures.megabytes(loop.peak_kb),
    )
    for name, ended in ours.items():
        ratio = loop_s * players / _seconds(ended)
        table.add_row(
            "ours",
            name,
            f"{players:,}",
            f"{_seconds(ended):.1f} s",
            f"{ratio:.1f}",
            fixtures.megabytes(ended.peak_kb),
        )
    ratio = loop_s * players / _seconds(ours["an hour"])
    most, few_most = (max(ended.peak_kb for ended in runs.values()) for runs in (ours, few))
    more_mb = (most - few_most) * 1024 / 1e6
    return BenchmarkTable(
        caption=f"Momentum: {players:,} players in {len(momentum_world.ZONES)} zones; in an hour "
        f"{momentum_world.ACTIVE_IN_HOUR} % of them have new evidence, and "
        f"{momentum_world.ACTIVE_IN_DAY} % in the day of the late check. The loop is measured for "
        f"{sample:,} players and reckoned up in proportion; ours is the whole run.",
        table=table,
        requirement=f"an hourly check at least {MIN_SPEEDUP} times as fast as the loop, and less "
        f"than {MAX_GROWTH_MB} MB more than at {sample:,} players in any check",
        result=f"{ratio:.1f} times, {more_mb:.1f} MB more",
        met=ratio >= MIN_SPEEDUP and more_mb < MAX_GROWTH_MB,
    )


async def _check_ours(
    url: str, name: str, players: int, *, keep: bool = False
) -> dict[str, FinishedProcess]:
    """Our checks, one after the other, on a database of their own."""
    env = _environment(url, name)
    await momentum_world.fill(url, name, players, env)
    late = await momentum_world.check(env, CATCH_UP)
    ranking = await momentum_world.check(env, RANKING)
    await momentum_world.add_evidence_of_hour(url, name, players, HOUR)
    hour = await momentum_world.check(env, HOUR)
    if not keep:
        await fixtures.drop_database(url, name)
    return {"an hour": hour, "an hour, with ranks": ranking, "a day late": late}


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
