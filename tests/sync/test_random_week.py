"""A week of a club whose sites fail and whose worker is killed, in a few minutes."""

import asyncio
import json
import os
import random
import signal
import uuid
from asyncio.subprocess import Process
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chesscoach.config import Settings
from chesscoach.context import Context
from chesscoach.demo.fake_site import Fault, StandIn
from chesscoach.demo.world import Site
from chesscoach.worker.job import Stop
from tests.conftest import Clock, Sites, rounds
from tests.support import processes
from tests.support.random_season import Club
from tests.support.time_travel import elapse
from tests.sync.run_at import latest_slot
from tests.sync.test_cycle import sync
from tests.sync.test_kills import SITES, missing_behind_cursors
from tests.sync.test_source_faults import process

ROOT = Path(__file__).parents[2]
BEGIN = datetime(2026, 10, 28, tzinfo=UTC)
STEP = timedelta(hours=6)
CYCLES = 28
PLAYERS = rounds(300)
WEEKS = rounds(2)
HARSH = {"timeout_s": 1.0, "breaker_s": 900.0}
"""Settings of `[sources]` in the week."""

FAULTS: dict[Fault, float] = {
    **dict.fromkeys(("429", "500", "503", "reset", "cut", "short", "internal", "html"), 1.0),
    "hang": 0.2,
    "403": 0.2,
}
"""How often each is met; a hang costs a second, and a 403 ends a cycle at that site."""

HOW = (*["here"] * 3, "there", "both", *["killed"] * 3, "stopped")
"""How a cycle is worked: in this process, in another, in two; and what becomes of it."""


@contextmanager
def chances(week: int) -> Iterator[random.Random]:
    """Of a new seed, unless `SOAK_SEED` says which; a failure tells it."""
    seed = int(os.environ.get("SOAK_SEED") or uuid.uuid4().int % 10**9)
    try:
        yield random.Random(seed + week)
    except BaseException as error:
        error.add_note(f"SOAK_SEED={seed} makes the same choices again")
        raise


class Worker:
    """Works one cycle after the other, in ways that end well or badly."""

    def __init__(
        self,
        chance: random.Random,
        ctx: Context,
        sites: Sites,
        environment: dict[str, str],
        db: Any,
    ) -> None:
        self._chance = chance
        self._ctx = ctx
        self._sites = sites
        short = {f"CHESSCOACH_SOURCES__{name.upper()}": str(s) for name, s in HARSH.items()}
        self._environment = {**environment, **short, "PYTHONPATH": str(ROOT)}
        self._db = db

    async def cycle(self, instant: datetime) -> bool:
        """Works the slot of an instant in some way; whether that came to its end."""
        closed = {site: self._closed(site) for site in SITES}
        linked = links(self._db)
        self._sites.forget()
        for site in SITES:
            self._stand_in(site).faults = deque(struck(self._chance, 5 * PLAYERS))
        finished = await self._work(self._chance.choice(HOW), instant)
        for site in SITES:
            self._stand_in(site).faults.clear()
            assert not (closed[site] and self._stand_in(site).seen), f"{site} was to be left alone"
            if not finished and not self._closed(site):
                self._stand_in(site).forgive()
        assert_nobody_is_harmed(self._db, self._sites)
        assert linked <= links(self._db)
        return finished

    def goes_on(self) -> bool:
        """Whether somebody takes over what was left halfway."""
        return self._chance.random() < 0.5

    def rest(self, **delta: float) -> None:
        """Lets time pass for leases, pauses and the sites."""
        elapse(self._db, self._sites, **delta)

    def joined(self) -> set[str]:
        """The users whose back-fills are complete."""
        told = [link for row in self._db.sync_accounts.find() for link in row["links"]]
        done = Counter(link["user_id"] for link in told if link["joined"])
        return {user for user, accounts in done.items() if accounts == len(SITES)}

    async def _work(self, how: str, instant: datetime) -> bool:
        if how == "here":
            ending = await latest_slot(self._ctx, Stop())
            return bool(ending.record["outcome"] in ("succeeded", "partial"))
        process = await processes.start(self._environment, "tests.sync.run_at", instant.isoformat())
        watching = asyncio.create_task(processes.ended(process))
        if how == "both":
            await latest_slot(self._ctx, Stop())
        elif how in ("killed", "stopped"):
            await self._interrupt(process, signal.SIGKILL if how == "killed" else signal.SIGTERM)
        ended = await watching
        assert ended.code in (0, 1, 143, -9), ended
        assert ended.err == ""
        for line in ended.out.splitlines(keepends=True):
            if line.endswith("\n"):  # a kill may come in the middle of one
                self._mind(json.loads(line))
        return ended.code in (0, 1) and "lease_lost" not in ended.out

    def _mind(self, line: dict[str, Any]) -> None:
        """Nothing unforeseen was logged, and nothing asked of a site after it was closed."""
        assert line["event"] not in ("job_failed", "crashed", "library_log"), line
        assert "exception" not in line, line
        if line["event"] == "site_closed":
            closed_at = datetime.fromisoformat(line["timestamp"]).timestamp()
            assert all(seen.at <= closed_at for seen in self._stand_in(line["platform"]).seen)

    async def _interrupt(self, process: Process, number: int) -> None:
        """Sends a signal after some number of requests, and a moment."""
        seen = (self._sites.lichess.seen, self._sites.chesscom.seen)
        # Of a process that has not asked for anything yet a SIGTERM is nobody's to hear.
        enough = self._chance.randrange(number == signal.SIGTERM, 2 * PLAYERS)
        while sum(map(len, seen)) < enough and process.returncode is None:
            await asyncio.sleep(0.001)
        await asyncio.sleep(self._chance.uniform(0, 0.02))
        if process.returncode is None:
            process.send_signal(number)

    def _stand_in(self, site: Site) -> StandIn:
        return self._sites.lichess if site == "lichess" else self._sites.chesscom

    def _closed(self, site: Site) -> bool:
        row = self._db.job_leases.find_one({"_id": f"lane:{site}"}) or {}
        until = row.get("closed_until")
        return until is not None and until > datetime.now(UTC)


def struck(chance: random.Random, requests: int) -> list[Fault | None]:
    """Every tenth reply is a fault; some come three at a time."""
    faults: list[Fault | None] = []
    while len(faults) < requests:
        (kind,) = chance.choices(list(FAULTS), list(FAULTS.values()))
        times = 3 if chance.random() < 0.03 else 1
        faults += [kind] * times if chance.random() < 0.1 else [None]
    return faults


def links(db: Any) -> set[tuple[str, str]]:
    """Which accounts which users are linked to."""
    return {
        (row["_id"], link["user_id"]) for row in db.sync_accounts.find() for link in row["links"]
    }


def assert_nobody_is_harmed(db: Any, sites: Sites) -> None:
    """No cursor has passed a game, no player is let go, no rule of a site is broken."""
    assert missing_behind_cursors(db, sites) == []
    assert db.notifications.count_documents({}) == 0
    kept = {"standing": "active", "absent": 0, "links": {"$ne": []}}
    assert db.sync_accounts.count_documents(kept) == db.sync_accounts.count_documents({})
    for site in (sites.lichess, sites.chesscom):
        assert site.violations == []
        assert site.most_in_flight <= 1


def assert_queued_within_the_allowance(db: Any, joined: dict[str, datetime]) -> None:
    """A user gets three items a UTC day, and fifteen on the days of his first sync.

    `joined` tells when it was complete.
    """
    items = list(db.analysis_queue.find())
    assert len({item["game_id"] for item in items}) == len(items) > 0
    for (user, day), count in Counter((i["user_id"], i["created_at"][:10]) for i in items).items():
        assert count <= (3 if day > f"{joined[user]:%Y-%m-%d}" else 15), (user, day)


async def live_through(club: Club, worker: Worker, clock: Clock) -> dict[str, datetime]:
    """The whole week; returns since when each user has been synced on both sites."""
    joined: dict[str, datetime] = {}
    for number in range(CYCLES):
        clock.now = BEGIN + number * STEP
        club.play(clock.now - STEP, clock.now)
        if number % 5 == 4:
            club.join(clock.now, synced=False)
        while not await worker.cycle(clock.now) and worker.goes_on():
            clock.move(minutes=10)
            worker.rest(minutes=10)
        for user in worker.joined():
            joined.setdefault(user, clock.now)
        worker.rest(hours=6)
    return joined


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("week", range(WEEKS))
async def test_a_week_of_faults_and_kills_loses_nothing_and_harms_nobody(
    environment: dict[str, str], settings: Settings, db: Any, sites: Sites, week: int
) -> None:
    clock = Clock(BEGIN)
    sites.chesscom.now = clock
    with chances(week) as chance:
        sites.chesscom.ahead = timedelta(hours=chance.choice((-8, 3)))
        for site in (sites.lichess, sites.chesscom):
            site.pause_s, site.breaker_s = settings.config.sources.pause_s, HARSH["breaker_s"]
        club = Club(chance, sites, db)
        for number in range(PLAYERS):
            club.join(BEGIN, synced=number % 2 == 0, twin=number % 10 == 0)
        async with process(settings, clock, **HARSH) as ctx:
            await ctx.store.prepare()
            joined = await live_through(club, Worker(chance, ctx, sites, environment, db), clock)
        in_time = db.games.count_documents({})
        clock.now = BEGIN + CYCLES * STEP
        async with process(settings, clock) as ctx:
            await sync(ctx, all=True)

        games = Counter((row["user_id"], row["url"]) for row in db.games.find())
        assert games == Counter(
            (user, game.url)
            for user, name in club.users.items()
            for site in SITES
            for game in sites.world.finished(site, name)
        )
        assert in_time >= 0.8 * len(games), "most did not have to wait for the last run"
        assert_nobody_is_harmed(db, sites)
        assert_queued_within_the_allowance(db, {**dict.fromkeys(club.users, clock.now), **joined})
        assert links(db) == {
            (f"{site}:{name.lower()}", user) for user, name in club.users.items() for site in SITES
        }
        assert set(db.users.distinct("last_game_sync")) == {clock.now.isoformat()}
        assert db.job_leases.count_documents({"owner": {"$ne": None}}) == 0
