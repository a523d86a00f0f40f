"""The Monday mail in figures, beside the plain loop.

Two tables, each with what is demanded of it; the exit code is 1 if one is missed. MongoDB, the
fake SendGrid and each client are processes of their own on this machine.

- plain: for each player the week's analyses, those of the week before and the profile, then a mail
  of a few lines, one player after another, as the application's documentation has it. It takes as
  long for each player, so a sample is measured.
- ours: `python -m chesscoach.jobs.weekly_emails`, from start to exit, with its outbox.
"""

import tempfile
from math import ceil
from pathlib import Path

import click
from rich.table import Table

from benchmarks import email_fixtures, fixtures
from benchmarks import report as tables
from benchmarks.fixtures import BenchmarkTable, ReportProgress
from benchmarks.report import MeasureTable
from benchmarks.worlds import sample_players
from chesscoach.emails.store.player_weeks import MAX_PLAYERS

MIN_SPEEDUP = 10
"""Ours must be so many times as fast."""

BASELINE_PLAYERS = 1000
MAX_GROWTH_MB = 60
"""How much more memory a run for very many players may take than one for a thousand."""

_AT_LEAST_ONE = click.IntRange(min=1)


async def speed(
    url: str, count: int, sample: int, delay_ms: int, report: ReportProgress
) -> BenchmarkTable:
    """Mails so many players, after the plain loop has mailed some of them."""
    name, delay_s, sample = "mails", delay_ms / 1000, min(sample, count)
    await sample_players.fill_database(
        url, name, count, 100, env=email_fixtures.environment(url, name)
    )
    with tempfile.TemporaryDirectory() as folder:
        async with email_fixtures.start_fake_sendgrid(Path(folder), "plain", delay_s) as box:
            env = email_fixtures.environment(url, name, box.url)
            ended = await fixtures.run("benchmarks.baselines", "mails", f"{sample}", env=env)
            if box.accepted_count() != sample:
                raise SystemExit(f"the plain loop sent {box.accepted_count()} mails, not {sample}")
        plain_s = float(ended.out) * count / sample
        async with email_fixtures.start_fake_sendgrid(Path(folder), "ours", delay_s) as box:
            ours = await email_fixtures.run_own_job(
                url, name, box, lambda taken: report(taken / count)
            )
    await fixtures.drop_database(url, name)
    table = Table("client", "players", "mails", "wall", "mails/s", "ratio", "memory", "reads")
    table.add_row(
        "plain",
        f"{count:,}",
        f"{sample:,}",
        f"≈ {plain_s:,.0f} s",
        f"{count / plain_s:.1f}",
        "1.0",
        fixtures.megabytes(ended.peak_kb),
        f"{3 * count:,}",
    )
    ratio = plain_s / ours.seconds
    table.add_row(
        "ours",
        f"{count:,}",
        f"{ours.emails:,}",
        f"{ours.seconds:.1f} s",
        f"{ours.emails / ours.seconds:.1f}",
        f"{ratio:.1f}",
        fixtures.megabytes(ours.peak_kb),
        f"{ours.reads:,}",
    )
    reads = ceil(count / MAX_PLAYERS)
    return BenchmarkTable(
        caption=f"Speed: {count:,} players, each with {sample_players.GAMES_PER_PLAYER} games and "
        f"{sample_players.ANALYSES_PER_PLAYER} analyses in two weeks, {delay_ms} ms per reply. "
        "The plain loop is measured for "
        f"{sample:,} players and reckoned up in proportion; ours is the whole process.",
        table=table,
        requirement=f"at least {MIN_SPEEDUP} times as fast, a mail for each player, "
        "and one batch read for "
        f"{MAX_PLAYERS} players ({reads:,}), counted by the database",
        result=f"{ratio:.1f} times, {ours.emails:,} mails, {ours.reads:,} reads",
        met=ratio >= MIN_SPEEDUP and ours.emails == count and ours.reads == reads,
    )


async def memory(url: str, count: int, active: int, report: ReportProgress) -> BenchmarkTable:
    """Mails a thousand players, then so many."""
    table = Table("players", "mails", "wall", "reads", "peak memory")
    peaks = []
    for number in (BASELINE_PLAYERS, count):
        name = f"memory_{number}"
        await sample_players.fill_database(
            url, name, number, active, env=email_fixtures.environment(url, name)
        )
        with tempfile.TemporaryDirectory() as folder:
            async with email_fixtures.start_fake_sendgrid(Path(folder), "memory", 0) as box:
                ours = await email_fixtures.run_own_job(
                    url,
                    name,
                    box,
                    lambda taken: report(100 * taken / (active * (BASELINE_PLAYERS + count))),
                )
        await fixtures.drop_database(url, name)
        peaks.append(ours.peak_kb)
        table.add_row(
            f"{number:,}",
            f"{ours.emails:,}",
            f"{ours.seconds:.1f} s",
            f"{ours.reads:,}",
            fixtures.megabytes(ours.peak_kb),
        )
    more_mb = (peaks[1] - peaks[0]) * 1024 / 1e6
    return BenchmarkTable(
        caption=f"Memory: {active} % of the players have played, the others get no mail; replies "
        "without delay. The most that the process itself had resident.",
        table=table,
        requirement=f"less than {MAX_GROWTH_MB} MB more than at {BASELINE_PLAYERS:,} players",
        result=f"{more_mb:.1f} MB more",
        met=more_mb < MAX_GROWTH_MB,
    )


@click.command()
@click.option("--table", type=click.Choice(["speed", "memory"]), help="One table alone.")
@click.option(
    "--players", "count", type=_AT_LEAST_ONE, default=20_000, show_default=True, help="speed."
)
@click.option(
    "--sample",
    type=_AT_LEAST_ONE,
    default=400,
    show_default=True,
    help="speed: players of the plain loop.",
)
@click.option("--delay-ms", default=50, show_default=True, help="speed: what each reply takes.")
@click.option(
    "--many",
    type=_AT_LEAST_ONE,
    default=100_000,
    show_default=True,
    help="memory: the larger number.",
)
@click.option(
    "--active", type=click.IntRange(1, 100), default=10, show_default=True,
    help="memory: per cent who have played.",
)  # fmt: skip
def main(table: str | None, count: int, sample: int, delay_ms: int, many: int, active: int) -> None:
    """Measure the Monday mail: beside the plain loop, and in memory."""
    measures: dict[str, MeasureTable] = {
        "speed": lambda url, report: speed(url, count, sample, delay_ms, report),
        "memory": lambda url, report: memory(url, many, active, report),
    }
    tables.run_tables(measures, table)


if __name__ == "__main__":
    main()
