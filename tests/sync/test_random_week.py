"""A week of a club whose sites fail and whose worker is killed; two days of it in the suite."""

import asyncio
import json
import os
import random
import signal
import uuid
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chesscoach.config import Settings
from chesscoach.context import Context
from chesscoach.demo.fake_site import FakeSite, SiteFault
from chesscoach.demo.world import SourceName
from chesscoach.worker.shutdown import ShutdownRequest
from tests.conftest import Clock, FakeSites, scaled_rounds
from tests.support import processes
from tests.support.forked_process import Process
from tests.support.sync.fault_scenario import missing_behind_cursors, open_process_context
from tests.support.sync.random_season import Season
from tests.support.sync.sync_members import PLATFORMS, run_sync
from tests.support.time_travel import advance_time
from tests.sync.run_at import run_latest_slot

ROOT = Path(__file__).parents[2]
BEGIN = datetime(2026, 10, 28, tzinfo=UTC)
CYCLE_INTERVAL = timedelta(hours=6)
CYCLES = scaled_rounds(28, 8)
PLAYERS = scaled_rounds(300, 20)
WEEKS = scaled_rounds(2)
HARSH_SETTINGS = {"timeout_s": 1.0, "breaker_open_s": 900.0}
"""Settings of `[sources]` in the week."""

FAULTS: dict[SiteFault, float] = {
    **dict.fromkeys(("429", "500", "503", "reset", "cut", "short", "internal", "html"), 1.0),
    "hang": 0.2,
    "403": 0.2,
}
"""How often each is met; a hang costs a second, and a 403 ends a cycle at that site."""

OUTCOMES = (*["here"] * 3, "there", "both", *["killed"] * 3, "stopped")
"""How a cycle is worked: in this process, in another, in two; and what becomes of it."""


@contextmanager
def random_sources(week: int) -> Iterator[random.Random]:
    """Of a new seed, unless `SOAK_SEED` says which; a failure tells it."""
    seed = int(os.environ.get("SOAK_SEED") or uuid.uuid4().int % 10**9)
    try:
        yield random.Random(seed + week)
    except BaseException as error:
        error.add_note(f"SOAK_SEED={seed} makes the same choices again")
        raise


class ChaosWorker:
    """Works one cycle after the other, in ways that end well or badly."""

    def __init__(
        self,
        chance: random.Random,
        ctx: Context,
        sites: FakeSites,
        environment: dict[str, str],
        db: Any,
    ) -> None:
        self._chance = chance
        self._ctx = ctx
        self._sites = sites
        short = {
            f"CHESSCOACH_SOURCES__{name.upper()}": str(s) for name, s in HARSH_SETTINGS.items()
        }
        self._environment = {**environment, **short, "PYTHONPATH": str(ROOT)}
        self._db = db

    async def cycle(self, instant: datetime) -> bool:
        """Works the slot of an instant in some way; whether that came to its end."""
        closed = {site: self._is_unavailable(site) for site in PLATFORMS}
        linked = account_links(self._db)
        self._sites.clear_requests()
        for site in PLATFORMS:
            self._stand_in(site).faults = deque(fault_sequence(self._chance, 5 * PLAYERS))
        finished = await self._run_cycle(self._chance.choice(OUTCOMES), instant)
        for site in PLATFORMS:
            self._stand_in(site).faults.clear()
            assert not (closed[site] and self._stand_in(site).requests), (
                f"{site} was to be left alone"
            )
            if not finished and not self._is_unavailable(site):
                self._stand_in(site).clear_penalty()
        assert_no_data_lost(self._db, self._sites)
        assert linked <= account_links(self._db)
        return finished

    def takes_over(self) -> bool:
        """Whether another process takes over what was left halfway."""
        return self._chance.random() < 0.5

    def advance_time(self, **delta: float) -> None:
        """Lets time pass for leases, pauses and the sites."""
        advance_time(self._db, self._sites, **delta)

    def backfilled_users(self) -> set[str]:
        """The users whose back-fills are complete."""
        links = [link for document in self._db.sync_accounts.find() for link in document["links"]]
        done = Counter(link["user_id"] for link in links if link["joined"])
        return {user for user, accounts in done.items() if accounts == len(PLATFORMS)}

    async def _run_cycle(self, how: str, instant: datetime) -> bool:
        if how == "here":
            ending = await run_latest_slot(self._ctx, ShutdownRequest())
            return bool(ending.record["outcome"] in ("succeeded", "partial"))
        process = await processes.start(self._environment, "tests.sync.run_at", instant.isoformat())
        watching = asyncio.create_task(processes.wait_for_end(process))
        if how == "both":
            await run_latest_slot(self._ctx, ShutdownRequest())
        elif how in ("killed", "stopped"):
            await self._interrupt(process, signal.SIGKILL if how == "killed" else signal.SIGTERM)
        ended = await watching
        assert ended.code in (0, 1, 143, -9), ended
        assert ended.err == ""
        for line in ended.out.splitlines(keepends=True):
            if line.endswith("\n"):  # a kill may come in the middle of one
                self._check_line(json.loads(line))
        return ended.code in (0, 1) and "lease_lost" not in ended.out

    def _check_line(self, line: dict[str, Any]) -> None:
        """Nothing unforeseen was logged, and nothing asked of a site after it was closed."""
        assert line["event"] not in ("job_failed", "unhandled_exception", "library_log"), line
        assert "exception" not in line, line
        if line["event"] == "source_breaker_opened":
            closed_at = datetime.fromisoformat(line["timestamp"]).timestamp()
            assert all(seen.at <= closed_at for seen in self._stand_in(line["platform"]).requests)

    async def _interrupt(self, process: Process, number: int) -> None:
        """Sends a signal after some number of requests, and a moment."""
        seen = (self._sites.lichess.requests, self._sites.chesscom.requests)
        # Of a process that has not asked for anything yet no handler hears a SIGTERM.
        enough = self._chance.randrange(number == signal.SIGTERM, 2 * PLAYERS)
        while sum(map(len, seen)) < enough and process.returncode is None:
            await asyncio.sleep(0.001)
        await asyncio.sleep(self._chance.uniform(0, 0.02))
        if process.returncode is None:
            process.send_signal(number)

    def _stand_in(self, site: SourceName) -> FakeSite:
        return self._sites.lichess if site == "lichess" else self._sites.chesscom

    def _is_unavailable(self, site: SourceName) -> bool:
        document = self._db.job_leases.find_one({"_id": f"lane:{site}"}) or {}
        until = document.get("closed_until")
        return until is not None and until > datetime.now(UTC)


def fault_sequence(chance: random.Random, requests: int) -> list[SiteFault | None]:
    """Every tenth response is a fault; some come three at a time."""
    faults: list[SiteFault | None] = []
    while len(faults) < requests:
        (kind,) = chance.choices(list(FAULTS), list(FAULTS.values()))
        times = 3 if chance.random() < 0.03 else 1
        faults += [kind] * times if chance.random() < 0.1 else [None]
    return faults


def account_links(db: Any) -> set[tuple[str, str]]:
    """Which accounts which users are linked to."""
    return {
        (document["_id"], link["user_id"])
        for document in db.sync_accounts.find()
        for link in document["links"]
    }


def assert_no_data_lost(db: Any, sites: FakeSites) -> None:
    """No cursor has passed a game, no player is let go, no rule of a site is broken."""
    assert missing_behind_cursors(db, sites) == []
    assert db.notifications.count_documents({"type": {"$ne": "game_analyzed"}}) == 0
    kept = {"standing": "active", "absent": 0, "links": {"$ne": []}}
    assert db.sync_accounts.count_documents(kept) == db.sync_accounts.count_documents({})
    for site in (sites.lichess, sites.chesscom):
        assert site.violations == []
        assert site.max_in_flight <= 1


def assert_queued_within_the_allowance(db: Any, joined: dict[str, datetime]) -> None:
    """A user gets three items a UTC day, and fifteen on the days of their first sync.

    `joined` tells when it was complete.
    """
    items = list(db.analysis_queue.find())
    assert len({item["game_id"] for item in items}) == len(items) > 0
    for (user, day), count in Counter((i["user_id"], i["created_at"][:10]) for i in items).items():
        assert count <= (3 if day > f"{joined[user]:%Y-%m-%d}" else 15), (user, day)


async def run_week(club: Season, worker: ChaosWorker, clock: Clock) -> dict[str, datetime]:
    """The whole week; returns since when each user has been synced on both sites."""
    joined: dict[str, datetime] = {}
    for number in range(CYCLES):
        clock.now = BEGIN + number * CYCLE_INTERVAL
        club.play(clock.now - CYCLE_INTERVAL, clock.now)
        if number % 5 == 4:
            club.add_player(clock.now, synced=False)
        while not await worker.cycle(clock.now) and worker.takes_over():
            clock.move(minutes=10)
            worker.advance_time(minutes=10)
        for user in worker.backfilled_users():
            joined.setdefault(user, clock.now)
        worker.advance_time(hours=6)
    return joined


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("week", range(WEEKS))
async def test_a_week_of_faults_and_kills_loses_nothing_and_harms_no_account(
    environment: dict[str, str], settings: Settings, db: Any, sites: FakeSites, week: int
) -> None:
    clock = Clock(BEGIN)
    sites.chesscom.now = clock
    with random_sources(week) as chance:
        sites.chesscom.ahead = timedelta(hours=chance.choice((-8, 3)))
        for site in (sites.lichess, sites.chesscom):
            site.pause_s, site.breaker_s = (
                settings.config.sources.first_pause_s,
                HARSH_SETTINGS["breaker_open_s"],
            )
        club = Season(chance, sites, db)
        for number in range(PLAYERS):
            club.add_player(BEGIN, synced=number % 2 == 0, twin=number % 10 == 0)
        async with open_process_context(settings, clock, **HARSH_SETTINGS) as ctx:
            await ctx.indexes.create()
            joined = await run_week(club, ChaosWorker(chance, ctx, sites, environment, db), clock)
        in_time = db.games.count_documents({})
        clock.now = BEGIN + CYCLES * CYCLE_INTERVAL
        async with open_process_context(settings, clock) as ctx:
            await run_sync(ctx, all=True)

        games = Counter((document["user_id"], document["url"]) for document in db.games.find())
        assert games == Counter(
            (user, game.url)
            for user, name in club.users.items()
            for site in PLATFORMS
            for game in sites.world.finished_games(site, name)
        )
        late = 5.6 / CYCLES
        assert in_time >= (1 - late) * len(games), "few had to wait for the last run"
        assert_no_data_lost(db, sites)
        assert_queued_within_the_allowance(db, {**dict.fromkeys(club.users, clock.now), **joined})
        assert account_links(db) == {
            (f"{site}:{name.lower()}", user)
            for user, name in club.users.items()
            for site in PLATFORMS
        }
        assert set(db.users.distinct("last_game_sync")) == {clock.now.isoformat()}
        assert db.job_leases.count_documents({"owner": {"$ne": None}}) == 0
