"""Momentum under kills, at late times and beside another process: always the same end."""

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from chesscoach.context import Context
from tests.conftest import scaled_rounds
from tests.support.momentum import comparison
from tests.support.momentum.killed_run import run_counting_writes, run_naming_writes
from tests.support.momentum.random_players import PlayersInDatabase, random_players
from tests.support.momentum.scenario import MomentumScenario
from tests.support.processes import run, start, wait_for_end
from tests.support.training.session_documents import insert_sessions

JOB = "chesscoach.jobs.momentum"
BEGUN = datetime(2026, 2, 27, 12, tzinfo=UTC)
ENDED = datetime(2026, 3, 9, 18, 5, tzinfo=UTC)
"""Later, two weeks, a month and a board are to be closed in one run."""
FLAGS = ("--now", ENDED.isoformat(), "--json")
PLAYERS = scaled_rounds(12, 3)
RUNS = scaled_rounds(6, 2)
KILLS = scaled_rounds(80, 3)


@pytest.fixture
async def seeded(momentum: MomentumScenario) -> MomentumScenario:
    """Players of ten days about whom nothing has been booked yet; one has a streak to lose."""
    players = PlayersInDatabase(
        momentum.db, random_players(random.Random(5), PLAYERS, BEGUN, ENDED)
    )
    players.register()
    shown = {"current_streak": 3, "last_activity_date": BEGUN - timedelta(days=1)}
    momentum.db.user_progress.update_many({}, {"$set": shown})
    await momentum.begin(BEGUN.isoformat())
    players.write_until(ENDED)
    momentum.add_player(
        "lost",
        current_streak=5,
        longest_streak=5,
        last_activity_date=BEGUN + timedelta(days=3),
        xp=7,
    )
    insert_sessions(momentum.db, "lost", "2026-03-02", ["completed"] * 3)
    return momentum


class Snapshot:
    """The documents of a database, to be put back."""

    def __init__(self, db: Any) -> None:
        self._db = db
        self._documents = {
            name: list(db[name].find())
            for name in db.list_collection_names()
            if not name.startswith("system.")
        }

    def restore(self) -> None:
        """Puts them back; what has been added goes."""
        for name in self._db.list_collection_names():
            self._db[name].delete_many({})
            if documents := self._documents.get(name):
                self._db[name].insert_many(documents)


def release_leases(db: Any) -> None:
    """The time in which the lease of a killed process expires, in a moment."""
    db.job_leases.update_many({}, {"$set": {"expires_at": datetime(2020, 1, 1, tzinfo=UTC)}})


def kill_places(writes: Sequence[str]) -> list[int]:
    """Places at which much is half done, once a period has closed; and then every third one."""
    closed = writes.index("insert momentum_periods") + 2
    places = {pair: place for place, pair in reversed([*enumerate(pairwise(writes), 2)][closed:])}
    half_done = (
        ("insert momentum_events", "update user_progress"),  # awards without their streaks
        ("insert user_achievements", "update user_progress"),  # rewards without their counters
        ("update momentum_periods", "findAndModify momentum_state"),  # ranks without a legend
    )
    return [*(places[pair] for pair in half_done), *range(1, len(writes) + 1, 3)]


@pytest.mark.soak
@pytest.mark.timeout(3000)
async def test_a_kill_between_any_two_writes_changes_nothing_about_the_end(
    environment: dict[str, str], seeded: MomentumScenario
) -> None:
    before = Snapshot(seeded.db)
    clean, writes = await run_naming_writes(environment, JOB, *FLAGS)
    assert clean.code == 0, clean
    expected = comparison.state(seeded.db)
    assert len(expected["momentum_events"]) > 2 * PLAYERS
    assert comparison.ledger_errors(seeded.db) == []
    for place in kill_places(writes)[:KILLS]:
        before.restore()
        killed, _ = await run_counting_writes(environment, JOB, *FLAGS, kill_before=place)
        assert killed.code == -9, killed
        release_leases(seeded.db)
        if place % 3 == 0:  # its successor dies as well, at its first write
            await run_counting_writes(environment, JOB, *FLAGS, kill_before=1)
            release_leases(seeded.db)

        await seeded.check(ENDED.isoformat())

        found = comparison.state(seeded.db)
        between = writes[place - 2 : place]
        assert comparison.differences(found, expected) == [], (place, between)


async def test_two_processes_at_once_end_as_one(
    environment: dict[str, str], seeded: MomentumScenario
) -> None:
    before = Snapshot(seeded.db)
    await seeded.check(ENDED.isoformat())
    expected = comparison.state(seeded.db)
    before.restore()

    both = await asyncio.gather(*(start(environment, JOB, *FLAGS) for _ in range(2)))
    codes = sorted([(await wait_for_end(process)).code for process in both])

    assert codes in ([0, 0], [0, 75])
    assert comparison.differences(comparison.state(seeded.db), expected) == []


@pytest.mark.parametrize(
    "late",
    [
        pytest.param(timedelta(hours=1), marks=pytest.mark.long),
        pytest.param(timedelta(days=1, hours=7), marks=pytest.mark.long),
        timedelta(days=9),
        pytest.param(timedelta(days=40), marks=pytest.mark.long),
    ],
)
async def test_a_late_run_ends_as_hourly_runs(
    environment: dict[str, str], seeded: MomentumScenario, late: timedelta
) -> None:
    """Nobody is active after the first instant: what is late is the job."""
    before = Snapshot(seeded.db)
    at = ENDED
    while at < ENDED + late:
        await seeded.check(at.isoformat())
        at += max(late / RUNS, timedelta(hours=1))
    await seeded.check((ENDED + late).isoformat())
    expected = comparison.state(seeded.db)
    before.restore()

    await seeded.check((ENDED + late).isoformat())

    found = comparison.state(seeded.db)
    assert comparison.differences(found, expected) == []


def earlier_slot() -> str:
    """A slot of some hours ago: what the tests of slots expect does not depend on the minute."""
    at = datetime.now(UTC) - timedelta(hours=4)
    return f"{at:%Y-%m-%dT%H}:05:00Z"


async def test_example_47_two_processes_at_one_slot_leave_one_run_record(
    environment: dict[str, str], ctx: Context, db: Any
) -> None:
    slot = earlier_slot()
    at_slot = environment | {"CHESSCOACH_SLOT": slot}

    ended = await asyncio.gather(*(run(at_slot, JOB, "--scheduled") for _ in range(2)))

    assert [done.code for done in ended] == [0, 0], ended
    records = list(db.job_runs.find({"job": "momentum"}))
    assert [(record["_id"], record["outcome"]) for record in records] == [
        (f"momentum:{slot}", "succeeded")
    ]


async def test_example_48_slots_missed_while_the_job_was_down_run_as_one(
    environment: dict[str, str], ctx: Context, db: Any
) -> None:
    before = earlier_slot()
    await run(environment | {"CHESSCOACH_SLOT": before}, JOB, "--scheduled")

    done = await run(environment, JOB, "--scheduled")

    assert done.code == 0, done
    first, second = db.job_runs.find({"job": "momentum", "outcome": "succeeded"}).sort("slot")
    assert first["_id"] == f"momentum:{before}"
    assert second["slot"] - first["slot"] >= timedelta(hours=3)
