"""The momentum checks in figures, beside the loop over players.

- loop: for each player the evidence of each kind and the progress are read, each award is stored,
  and the counters, the level, the streak and the closed week are updated: one command after
  another, as one writes it first. It takes as long for each player, so a sample is measured, in a
  database of all players.
- ours: `python -m chesscoach.jobs.momentum`, from start to exit.

Both do the same checks: one that is twelve hours late, one of the hours in which weeks close, one
in which all players are ranked, and one like most. Everyone has done something on the Sunday.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

import click
from rich.table import Table

from benchmarks import fixtures
from benchmarks import report as tables
from benchmarks.fixtures import BenchmarkTable, FinishedProcess, ReportProgress
from benchmarks.worlds import momentum_world
from benchmarks.worlds.momentum_world import BEFORE_CLOSING, BEFORE_RANKING, CLOSING, HOUR, RANKING

MIN_SPEEDUP = 50
"""Each hourly check of ours must be at least this many times as fast."""

MIN_SPEEDUP_LATE = 25
"""A late check writes something for nearly every player, which takes the server its time."""

MAX_GROWTH_MB = 60
"""How much more memory a check of all players may take than one of the loop's sample."""

_LATE = "twelve hours late"
_CHECKS = {
    BEFORE_CLOSING: _LATE,
    CLOSING: "an hour in which weeks close",
    BEFORE_RANKING: None,
    RANKING: "an hour, with ranks",
    HOUR: "an hour",
}
"""The checks in their order, with the names of those that are measured."""

LARGE_PLAYERS = 1_000_000

_NOWHERE = "http://127.0.0.1:9"


async def measure(url: str, players: int, sample: int, report: ReportProgress) -> BenchmarkTable:
    """Checks a sample in our way; then all players in ours, and the sample of them in the loop."""
    sample = min(sample, players)
    few = await _check(url, {"momentum_few": momentum_world.check}, sample)
    report(0.1)
    runs = await _check(
        url, {"momentum": momentum_world.check, "momentum_loop": _loop_of(sample)}, players
    )
    ours, loop = runs["momentum"], runs["momentum_loop"]

    table = Table("check", "client", "players", "wall", "ratio", "memory")
    ratios = {}
    for name, ended in ours.items():
        loop_s = float(loop[name].out) / sample * players
        ratios[name] = loop_s / _seconds(ended)
        memory = fixtures.megabytes(loop[name].peak_kb)
        table.add_row(name, "loop", f"{players:,}", f"≈ {loop_s:,.0f} s", "1.0", memory)
        memory = fixtures.megabytes(ended.peak_kb)
        wall = f"{_seconds(ended):.1f} s"
        table.add_row(name, "ours", f"{players:,}", wall, f"{ratios[name]:.1f}", memory)
    late = ratios.pop(_LATE)
    hourly = min(ratios.values())
    most, few_most = (
        max(ended.peak_kb for ended in each.values()) for each in (ours, few["momentum_few"])
    )
    more_mb = (most - few_most) * 1024 / 1e6
    return BenchmarkTable(
        caption=f"Momentum: {players:,} players in {len(momentum_world.ZONES)} zones; before each "
        f"check {momentum_world.ACTIVE} % of them have new evidence. The loop is measured for "
        f"{sample:,} players and scaled in proportion; ours is the whole run.",
        table=table,
        requirement=f"each hourly check at least {MIN_SPEEDUP} times as fast as the loop, a late "
        f"one {MIN_SPEEDUP_LATE} times, and less than {MAX_GROWTH_MB} MB more than at {sample:,} "
        "players",
        result=f"{hourly:.1f} and {late:.1f} times, {more_mb:.1f} MB more",
        met=hourly >= MIN_SPEEDUP and late >= MIN_SPEEDUP_LATE and more_mb < MAX_GROWTH_MB,
    )


_Client = Callable[[Mapping[str, str], datetime], Awaitable[FinishedProcess]]
"""Runs a check at an instant."""


def _loop_of(sample: int) -> _Client:
    """The loop over a sample of the players."""

    async def check(env: Mapping[str, str], now: datetime) -> FinishedProcess:
        return await fixtures.run(
            "benchmarks.baselines", "momentum", f"{sample}", now.isoformat(), env=env
        )

    return check


async def _check(
    url: str, clients: Mapping[str, _Client], players: int
) -> dict[str, dict[str, FinishedProcess]]:
    """Runs the checks of some clients, each on a database of its own, by database and check.

    The clients take turns at each check, so that they meet the machine in the same state.
    """
    environments = {name: _environment(url, name) for name in clients}
    for name, env in environments.items():
        await momentum_world.fill(url, name, players, env)
    ended: dict[str, dict[str, FinishedProcess]] = {name: {} for name in clients}
    for at, check_name in _CHECKS.items():
        for name, client in clients.items():
            await momentum_world.add_evidence_of_hour(url, name, players, at)
            finished = await client(environments[name], at)
            if check_name is not None:
                ended[name][check_name] = finished
    for name in clients:
        await fixtures.drop_database(url, name)
    return ended


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
