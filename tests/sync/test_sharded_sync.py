"""A sync in shards, each a process of its own, as an Indexed Job runs them."""

import asyncio
import signal
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chesscoach.context import Context
from chesscoach.demo.world import SourceName
from chesscoach.schedules.schedule import format_rfc3339
from chesscoach.worker.shard import Shard
from tests.conftest import FakeSites, scaled_rounds
from tests.support.processes import FinishedProcess, kill, line_with, run, start, wait_for_end
from tests.support.sync.sync_members import ANALYSABLE_GAME, before_now

JOB = "chesscoach.jobs.sync_games"
MINUTE = timedelta(minutes=1)


class Cluster:
    """Players, each with one new game, and the slots of a schedule that is due each minute."""

    def __init__(
        self, environment: dict[str, str], db: Any, sites: FakeSites, players: int
    ) -> None:
        self.db, self.sites = db, sites
        self.users = [f"u{number}" for number in range(players)]
        self.newest = datetime.now(UTC).replace(second=0, microsecond=0)
        self._environment = {**environment, "CHESSCOACH_SCHEDULES__SYNC_GAMES__CRON": "* * * * *"}
        for stand_in in (sites.lichess, sites.chesscom):
            stand_in.delay_s = 0.005
        fields = {"lichess": "lichess_username", "chess.com": "chesscom_username"}
        for number, user in enumerate(self.users):
            site: SourceName = "lichess" if number % 2 else "chess.com"
            db.users.insert_one(
                {
                    "user_id": user,
                    fields[site]: user.upper(),
                    "last_game_sync": before_now(hours=6).isoformat(),
                }
            )
            sites.world.add_player(site, user.upper(), before_now(hours=1))
            sites.world.add_game(site, user.upper(), before_now(hours=1), famous=ANALYSABLE_GAME)

    async def start(self, index: int, of: int, slot: datetime) -> Any:
        """A pod: its place in the Job is in the environment."""
        pod = {"JOB_COMPLETION_INDEX": str(index), "CHESSCOACH_SLOT": format_rfc3339(slot)}
        variables = {**self._environment, **pod}
        return await start(variables, JOB, "--scheduled", "--shard", str(of), "--json")

    async def run(self, index: int, of: int, slot: datetime) -> FinishedProcess:
        """The same, to its end."""
        return await wait_for_end(await self.start(index, of, slot), timeout_s=600)

    async def wait_until_running(self, count: int) -> None:
        """Until so many players' games are there."""
        async with asyncio.timeout(60):
            while self.db.games.estimated_document_count() < count:
                await asyncio.sleep(0.02)

    def sent_games(self) -> Counter[str]:
        """How often each player's games were sent; unchanged months of Chess.com's are not."""
        counts: Counter[str] = Counter()
        for seen in self.sites.lichess.requests:
            if seen.path.startswith("/api/games/user/") and "since" in seen.query:
                counts[seen.path.rpartition("/")[2].lower()] += 1
        months = Counter(
            seen.path
            for seen in self.sites.chesscom.requests
            if "/games/2" in seen.path and seen.status == 200
        )
        for path, times in months.items():
            user = path.split("/")[3].lower()
            counts[user] = max(counts[user], times)
        return counts

    def assert_complete(self) -> None:
        """Every player's game is there, once, and each source was asked one request at a time."""
        stored = Counter((record["user_id"], record["url"]) for record in self.db.games.find())
        assert set(stored.values()) == {1}
        assert {user for user, _ in stored} == set(self.users)
        for site in (self.sites.lichess, self.sites.chesscom):
            assert site.violations == []
            assert site.max_in_flight == 1


@pytest.fixture
def cluster(environment: dict[str, str], ctx: Context, db: Any, sites: FakeSites) -> Cluster:
    """Ten thousand players in `make soak`, a few hundred in the suite."""
    return Cluster(environment, db, sites, scaled_rounds(10_000, 240))


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_four_shards_of_which_one_is_killed_sync_each_user_once(
    cluster: Cluster, db: Any
) -> None:
    pods = [await cluster.start(index, 4, cluster.newest) for index in range(4)]
    await cluster.wait_until_running(len(cluster.users) // 5)
    await kill(pods[2])
    pods[2] = await cluster.start(2, 4, cluster.newest)

    left = await asyncio.gather(*(wait_for_end(pod, timeout_s=600) for pod in pods))

    assert [process.code for process in left] == [0] * 4, left
    assert [process.record["attempt"] for process in left] == [1, 1, 2, 1]
    cluster.assert_complete()
    sent, killed = cluster.sent_games(), Shard(index=2, of=4)
    twice = {user for user, times in sent.items() if times > 1}
    assert sent.keys() == set(cluster.users)
    assert all(killed.contains(user) for user in twice), "only what the killed one had not saved"
    assert len(twice) < len(cluster.users) / 10
    runs = {run["shard"]: run["outcome"] for run in db.job_runs.find()}
    assert runs == dict.fromkeys(("0/4", "1/4", "2/4", "3/4"), "succeeded")


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_a_change_from_four_shards_to_six_within_a_slot_loses_no_user(
    cluster: Cluster, db: Any
) -> None:
    """Two shards are done, one is killed, one never began; then there are six of the same slot."""
    slot, later = cluster.newest - MINUTE, cluster.newest
    done = await asyncio.gather(*(cluster.run(index, 4, slot) for index in (0, 1)))
    assert [process.code for process in done] == [0, 0], done
    third = await cluster.start(2, 4, slot)
    await cluster.wait_until_running(int(len(cluster.users) * 0.55))
    await kill(third)

    six = await asyncio.gather(*(cluster.run(index, 6, slot) for index in range(6)))

    assert [process.code for process in six] == [0] * 6, six
    cluster.assert_complete()
    sent, killed = cluster.sent_games(), Shard(index=2, of=4)
    assert sent.keys() == set(cluster.users)
    assert all(killed.contains(user) for user, times in sent.items() if times > 1)
    for index in range(6):
        assert (await cluster.run(index, 6, later)).code == 0
    gone = await cluster.run(2, 4, slot)
    assert (gone.code, gone.record["reason"]) == (0, "coalesced")


@pytest.mark.long
async def test_a_daemon_and_one_shots_on_the_same_slots_work_each_once(
    environment: dict[str, str], ctx: Context, db: Any
) -> None:
    """The daemon sleeps over every other slot, so that the one-shots are first."""
    period = timedelta(seconds=3)
    brisk = {**environment, "CHESSCOACH_SCHEDULES__SYNC_GAMES__CRON": "*/3 * * * * *"}
    daemon = await start(brisk, "chesscoach")
    await line_with(daemon, "scheduler_started")

    for asleep in (False, True, False, True):
        while db.job_runs.count_documents({"outcome": "running"}):
            await asyncio.sleep(0.02)
        soon = datetime.now(UTC) + timedelta(seconds=0.5)
        slot = soon.replace(microsecond=0) + timedelta(seconds=3 - soon.second % 3)
        if asleep:
            daemon.send_signal(signal.SIGSTOP)
        await asyncio.sleep((slot - datetime.now(UTC)).total_seconds() + 0.2)
        variables = {**brisk, "CHESSCOACH_SLOT": format_rfc3339(slot)}
        one_shots = [run(variables, JOB, "--scheduled") for _ in range(2)]
        assert [process.code for process in await asyncio.gather(*one_shots)] == [0, 0]
        if asleep:
            daemon.send_signal(signal.SIGCONT)
    await asyncio.sleep(3)
    assert (await kill(daemon, 15)).code == 0

    records = list(db.job_runs.find({"outcome": {"$ne": "cancelled"}}).sort("slot"))
    worked = [record for record in records if record["outcome"] == "succeeded"]
    assert {record["attempt"] for record in worked} == {1}
    assert {record["source"] for record in worked} == {"daemon", "cli"}
    covered: list[datetime] = []
    for record in records:
        first = record.get("first") or record["slot"]
        covered += [first + n * period for n in range(record.get("count") or 1)]
    assert covered == [covered[0] + n * period for n in range(len(covered))]
