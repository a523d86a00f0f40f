"""The sync in figures: `make bench`.

Three tables, each with what is demanded of it; the exit code is 1 if one is missed. Everything is
on this machine: a MongoDB of our own, stand-ins for both sites in this process, and every client in
a process of its own. Nothing is left running.
"""

import click

from benchmarks import ingest, many_accounts, memory
from benchmarks import report as tables
from benchmarks.report import MeasureTable

_AT_LEAST_ONE = click.IntRange(min=1)


@click.command()
@click.option("--table", type=click.Choice(["loops", "ingest", "memory"]), help="One table alone.")
@click.option(
    "--accounts",
    type=_AT_LEAST_ONE,
    default=2000,
    show_default=True,
    help="loops: accounts per site.",
)
@click.option("--active", default=15, show_default=True, help="loops: per cent with new games.")
@click.option("--delay-ms", default=10, show_default=True, help="loops: what each reply takes.")
@click.option(
    "--games",
    type=_AT_LEAST_ONE,
    default=5000,
    show_default=True,
    help="ingest: new games per account.",
)
@click.option(
    "--users",
    type=_AT_LEAST_ONE,
    default=100_000,
    show_default=True,
    help="memory: the larger number.",
)
def main(
    table: str | None, accounts: int, active: int, delay_ms: int, games: int, users: int
) -> None:
    """Measure the sync: beside other clients, from socket to database, in memory."""
    size = many_accounts.SyncSize(accounts=accounts, active=active, delay_ms=delay_ms)
    measures: dict[str, MeasureTable] = {
        "loops": lambda url, report: many_accounts.measure(url, size, report),
        "ingest": lambda url, report: ingest.measure(url, games, report),
        "memory": lambda url, report: memory.measure(url, users, report),
    }
    tables.run_tables(measures, table)


if __name__ == "__main__":
    main()
