"""Second table: few accounts, many games. From the socket to the database.

Lichess accounts whose whole history of the last sixty days is new to us:

- read: the same exports read from the socket and thrown away, so that one sees that it is not the
  stand-in that is measured;
- bare: `insert_many` of the very documents that ours stored, with fresh ids, into a collection
  with the same indexes, unordered and by 500 as ours does, with majority writes;
- ours: `python -m chesscoach.jobs.sync_games`, by the time that its run record tells: all but the
  start and the end of the process.

The lines are of real size, moves, clocks and PGN in each, and rendered before.
"""

import asyncio
import json
import statistics
from bisect import bisect_left
from collections import defaultdict
from datetime import UTC, datetime, timedelta

import msgspec
from aiohttp import web
from rich.table import Table

from benchmarks import fixtures
from benchmarks.fixtures import BenchmarkTable, ReportProgress
from chesscoach.demo.fake_lichess import FakeLichess, lichess_json, movetext
from chesscoach.demo.world import SimulatedGame, World, historical_games

MIN_SPEED_RATIO = 0.6
"""Ours must store so many games where a bare insert stores one."""

ROUNDS = 5
_ACCOUNTS = 10
_DAYS = 60
_CHUNK = 100
_PLIES = 70
"""Games of at least so many half-moves: their lines are on average as long as real ones."""


class LargeAccounts(FakeLichess):
    """Lichess with every line rendered beforehand: to answer is to send."""

    def __init__(self, world: World) -> None:
        super().__init__(world, users_per_10min=10**9)
        self._lines = {
            name: [_line(game) for game in player.games]
            for name, player in world.players["lichess"].items()
        }
        self._begun = {
            name: [int(game.started_at.timestamp() * 1000) for game in player.games]
            for name, player in world.players["lichess"].items()
        }

    @property
    def line_kb(self) -> float:
        """How long a line is on average."""
        return (
            statistics.fmean(len(line) for of_one in self._lines.values() for line in of_one) / 1e3
        )

    async def _games(self, request: web.Request) -> web.StreamResponse:
        name, query = request.match_info["name"].lower(), request.query
        first = bisect_left(self._begun[name], int(query.get("since", 0)))
        lines = self._lines[name][first:][: int(query.get("max", 10**9))]
        chunks = [b"".join(lines[at : at + _CHUNK]) for at in range(0, len(lines), _CHUNK)]
        return await self.stream(request, chunks, "application/x-ndjson")


def large_world(each: int) -> World:
    """Accounts p0 and on, their games spread evenly over the days, the oldest first."""
    world, now = World(), datetime.now(UTC)
    long = [famous for famous in historical_games() if len(famous.moves.split()) >= _PLIES]
    step = timedelta(days=_DAYS - 1) / each
    for number in range(_ACCOUNTS):
        world.add_player("lichess", f"p{number}", now)
        for back in range(each, 0, -1):
            world.add_game(
                "lichess", f"p{number}", now - back * step, famous=long[back % len(long)]
            )
    return world


def _line(game: SimulatedGame) -> bytes:
    """A game as the site sends it when asked for clocks."""
    line = lichess_json(game)
    plies = len(game.historical.moves.split())
    line["pgn"] = line["pgn"].replace(movetext(game), movetext(game, clocks=True))
    line["clocks"] = [60_000 - 137 * ply for ply in range(plies)]
    return msgspec.json.encode(line) + b"\n"


async def measure(url: str, each: int, report: ReportProgress) -> BenchmarkTable:
    """Runs the three in turn, several times."""
    lichess = LargeAccounts(await asyncio.to_thread(large_world, each))
    rates: dict[str, list[float]] = defaultdict(list)
    games = _ACCOUNTS * each
    async with lichess.serve():
        for turn in range(ROUNDS):
            for client, seconds in (await _measure_round(url, lichess, each)).items():
                rates[client].append(games / seconds)
            report((turn + 1) / ROUNDS)
    table = Table("client", "games/s", "to bare", "each time")
    ratios: dict[str, float] = {}
    for client, of_one in rates.items():
        # Turn by turn: what slows the machine down for a while slows both.
        turns = zip(of_one, rates["bare"], strict=True)
        ratios[client] = statistics.median(rate / bare for rate, bare in turns)
        each_time = ", ".join(f"{rate:,.0f}" for rate in of_one)
        typical = statistics.median(of_one)
        table.add_row(client, f"{typical:,.0f}", f"{ratios[client]:.2f}", each_time)
    ratio = ratios["ours"]
    return BenchmarkTable(
        caption=f"Few accounts, many games: {_ACCOUNTS} accounts on Lichess, "
        f"{each:,} new games each, lines of {lichess.line_kb:.1f} kB. "
        f"Medians of {ROUNDS}, without the start and the end of the processes.",
        table=table,
        requirement=f"ours stores at least {MIN_SPEED_RATIO} times as many a second as bare",
        result=f"{ratio:.2f}",
        met=ratio >= MIN_SPEED_RATIO,
    )


async def _measure_round(url: str, lichess: LargeAccounts, each: int) -> dict[str, float]:
    """The seconds that each of the three takes."""
    games, seconds = _ACCOUNTS * each, {}
    env = fixtures.environment(url, "ingest_ours", lichess.url, lichess.url)
    ended = await fixtures.run("benchmarks.baselines", "read", f"{_ACCOUNTS}", env=env)
    seconds["read"] = float(ended.out)
    synced = timedelta(days=_DAYS)
    await fixtures.fill_database(url, "ingest_ours", _ACCOUNTS, synced, env=env, sites=("lichess",))
    ended = await fixtures.run(*fixtures.SYNC_JOB, env=env)
    seconds["ours"] = float(json.loads(ended.out)["duration_s"])
    env = fixtures.environment(url, "ingest_bare", lichess.url, lichess.url)
    await fixtures.fill_database(url, "ingest_bare", 0, synced, env=env)
    ended = await fixtures.run("benchmarks.baselines", "insert", "ingest_ours", env=env)
    seconds["bare"] = float(ended.out)
    for name in ("ingest_ours", "ingest_bare"):
        if (stored := await fixtures.count_games(url, name)) != games:
            msg = f"{name} holds {stored} games, not {games}"
            raise SystemExit(msg)
        await fixtures.drop_database(url, name)
    return seconds
