import asyncio
import random
from collections import Counter
from datetime import datetime
from typing import Any

import pytest

from chesscoach.context import Context
from tests.conftest import FakeSites, scaled_rounds
from tests.support.processes import kill, run, start
from tests.support.sync.fault_scenario import missing_behind_cursors
from tests.support.sync.sync_members import ANALYSABLE_GAME, PLATFORMS, add_member, before_now

JOB = "chesscoach.jobs.sync_games"
PLAYERS = scaled_rounds(40, 20)


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_kills_at_any_moment_lose_nothing_and_double_nothing(
    environment: dict[str, str], ctx: Context, db: Any, sites: FakeSites
) -> None:
    chance = random.Random()
    synced = before_now(hours=6)
    for number in range(PLAYERS):
        await add_member(
            ctx, db, sites, f"P{number}", *PLATFORMS, synced=synced if number % 2 else None
        )
        for site in PLATFORMS:
            for hours in (1, 2, 3):
                sites.world.add_game(
                    site, f"P{number}", before_now(hours=hours), famous=ANALYSABLE_GAME
                )
    sites.lichess.delay_s = sites.chesscom.delay_s = 0.01
    brief = {**environment, "CHESSCOACH_RUNNER__LEASE_S": "1"}
    finished = 0
    for _ in range(scaled_rounds(50, 5)):
        process = await start(brief, JOB)
        await asyncio.sleep(chance.uniform(0.4, 2.2))
        finished += (await kill(process)).code == 0
        assert missing_behind_cursors(db, sites) == []
        player = f"P{chance.randrange(PLAYERS)}"
        for site in PLATFORMS:
            sites.world.add_game(site, player, before_now(seconds=1), famous=ANALYSABLE_GAME)

    last = await run({**brief, "CHESSCOACH_RUNNER__LEASE_S": "15"}, JOB, "--json")

    assert (last.code, last.record["outcome"]) == (0, "succeeded"), last
    stored = Counter((document["user_id"], document["url"]) for document in db.games.find())
    expected = {
        (f"p{number}", game.url)
        for number in range(PLAYERS)
        for site in PLATFORMS
        for game in sites.world.finished_games(site, f"P{number}")
    }
    assert stored.keys() == expected
    assert set(stored.values()) == {1}
    items = list(db.analysis_queue.find())
    assert len({item["game_id"] for item in items}) == len(items)
    per_day = Counter((item["user_id"], item["created_at"][:10]) for item in items)
    for (user, _), count in per_day.items():
        assert count <= (3 if int(user[1:]) % 2 else 15)
    assert {item["user_id"] for item in items} == {f"p{number}" for number in range(PLAYERS)}
    assert (sites.lichess.max_in_flight, sites.chesscom.max_in_flight) == (1, 1)
    assert sites.lichess.violations == sites.chesscom.violations == []
    assert db.job_leases.count_documents({"owner": {"$ne": None}}) == 0
    assert datetime.fromisoformat(db.users.find_one()["last_game_sync"]) > synced
