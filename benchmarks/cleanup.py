"""The cleanup in figures: what it costs whoever else writes meanwhile.

Expired sessions, so many of them, beside an application that does one small majority write after
another, each in a process of its own: alone, while our job takes them away, and while one big
`delete_many` takes away as many. What counts is how long the application's writes take.

On a replica set of three, as in production: there a majority write waits until a second member has
it, and so for all that the primary has written before.
"""

import asyncio
import json
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import click
from pymongo import MongoClient
from rich.table import Table

from benchmarks import fixtures
from benchmarks import report as tables
from benchmarks.fixtures import BenchmarkTable, ReportProgress
from tests.support.mongo.replica_set import replica_set

MAX_P99_S, MAX_SHARE = 0.05, 0.1
"""What is demanded: under so many seconds, and under this share of the big delete's."""

_NAME = "cleanup"
_ALONE_S = 5.0
_DAY_S = 86_400


async def measure(url: str, rows: int, folder: Path, report: ReportProgress) -> BenchmarkTable:
    """Lets the two take the same rows away, one after the other, beside the application."""
    env = fixtures.environment(url, _NAME, "http://127.0.0.1:9", "http://127.0.0.1:9")
    took: dict[str, list[float]] = {}
    seconds: dict[str, float] = {}
    await fixtures.run("chesscoach.cli", "db", "init", env=env)
    for number, name in enumerate(("alone", "ours", "delete_many")):
        await asyncio.to_thread(_insert_sessions, url, 0 if name == "alone" else rows)
        until = folder / f"until_{number}"
        writing = asyncio.create_task(
            fixtures.run("benchmarks.baselines", "application", f"{until}", env=env)
        )
        try:
            await asyncio.sleep(1)  # until it is at work
            begun, ended = await _run_deletion(name, env)
        finally:
            until.touch()
        found = json.loads((await writing).out)
        took[name] = [write_s for at, write_s in found if begun <= at + write_s and at <= ended]
        seconds[name] = ended - begun
        report((number + 1) / 3)
    table = Table("beside", "writes", "p50", "p99", "longest", "rows/s")
    for name, of_one in took.items():
        rate = "" if name == "alone" else f"{rows / seconds[name]:,.0f}"
        figures = (median(of_one), _p99(of_one), max(of_one))
        table.add_row(name, f"{len(of_one):,}", *(f"{s * 1000:.1f} ms" for s in figures), rate)
    ours, big = _p99(took["ours"]), _p99(took["delete_many"])
    return BenchmarkTable(
        caption=f"Writes of an application while {rows:,} expired sessions are taken away",
        table=table,
        requirement=f"p99 beside ours under {MAX_P99_S * 1000:.0f} ms, "
        f"and under {MAX_SHARE} of delete_many's",
        result=f"{ours * 1000:.1f} ms, {ours / big:.3f}",
        met=ours < MAX_P99_S and ours < MAX_SHARE * big,
    )


async def _run_deletion(name: str, env: Mapping[str, str]) -> tuple[float, float]:
    """Takes the rows away; when that was, in Unix seconds."""
    if name == "alone":
        begun = datetime.now(UTC).timestamp()
        await asyncio.sleep(_ALONE_S)
        return begun, begun + _ALONE_S
    if name == "delete_many":
        deleted = await fixtures.run("benchmarks.baselines", "delete", env=env)
        begun, ended = json.loads(deleted.out)
        return begun, ended
    args = ("--rule", "sessions", "--json")
    record = json.loads((await fixtures.run("chesscoach.jobs.cleanup", *args, env=env)).out)
    instants = (datetime.fromisoformat(record[key]) for key in ("started_at", "finished_at"))
    begun, ended = (instant.timestamp() for instant in instants)
    return begun, ended


def _insert_sessions(url: str, rows: int) -> None:
    """So many sessions that have expired, and none besides; not a TTL index, which would help."""
    now = datetime.now(UTC)
    with MongoClient[dict[str, Any]](url) as client:
        sessions = client[_NAME].user_sessions
        if left := sessions.count_documents({}):
            raise SystemExit(f"{left} sessions were left")
        sessions.drop_indexes()
        sessions.create_index("session_token", unique=True)
        sessions.create_index("expires_at")
        for first in range(0, rows, 1000):
            sessions.insert_many(
                [
                    {
                        "session_token": f"{now.timestamp()}-{number}",
                        "user_id": f"p{number % 5000}",
                        "expires_at": now - timedelta(seconds=number * 37 % (30 * _DAY_S) + 1),
                    }
                    for number in range(first, min(first + 1000, rows))
                ],
                ordered=False,
            )
        client.admin.command("fsync")


def _p99(values: list[float]) -> float:
    return quantiles(values, n=100)[98]


@click.command()
@click.option("--rows", type=click.IntRange(1000), default=200_000, show_default=True)
def main(rows: int) -> None:
    """Measure what the cleanup costs whoever else writes."""
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        with replica_set(where / "set", election_ms=10_000) as members:
            url = members.url
            tables.run_tables(
                {"cleanup": lambda _, report: measure(url, rows, where, report)}, None
            )


if __name__ == "__main__":
    main()
