"""Random players in all zones of the world, checked at random times."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chesscoach.config import Settings
from tests.conftest import scaled_rounds
from tests.support.momentum import comparison, oracle
from tests.support.momentum.oracle import PlayerHistory
from tests.support.momentum.random_players import PlayersInDatabase, random_players
from tests.support.momentum.scenario import MomentumScenario

PLAYERS = scaled_rounds(430, 8)
CHECKS = scaled_rounds(120, 3)
SEEDS = [random.randrange(10**6) for _ in range(scaled_rounds(10, 1))]
_LATE = (timedelta(hours=1), timedelta(hours=7), timedelta(days=1), timedelta(days=3))
_CHECKS = ("all", "all", "weekly", "monthly", "streaks", "leaderboard")


class World:
    """Players of one seed and when they are checked, in a database."""

    def __init__(self, scenario: MomentumScenario, seed: int) -> None:
        self.chance = random.Random(seed)
        month, day = self.chance.choice(((2, 24), (10, 12), (12, 18)))  # to changes of clocks, W53
        begun = datetime(2026, month, day, tzinfo=UTC)
        self.begun = begun + timedelta(minutes=self.chance.randrange(14 * 1440))
        self.ended = self.begun + timedelta(
            days=self.chance.choice((10, 17, 24) if PLAYERS < 100 else (24, 33, 40))
        )
        self.players = random_players(self.chance, PLAYERS, self.begun, self.ended)
        self.scenario = scenario
        self.written = PlayersInDatabase(scenario.db, self.players)

    async def begin(self) -> None:
        """Adds the users, and runs the first check."""
        self.written.register()
        await self.scenario.begin(self.begun.isoformat())

    async def check(self, now: datetime, check: str = "all") -> None:
        """Writes what has happened, and runs a check."""
        self.written.write_until(now)
        await self.scenario.check(now.isoformat(), check)

    def errors(self) -> list[str]:
        """What is wrong with the state at the end."""
        stored = comparison.oracle_errors(self.scenario.db, self.players, self.begun, self.ended)
        return [*comparison.ledger_errors(self.scenario.db), *stored]


@pytest.fixture
def other(momentum: MomentumScenario, other_settings: Settings, other_db: Any) -> MomentumScenario:
    """The same in a second database."""
    return MomentumScenario(other_settings, other_db)


@pytest.mark.soak
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("seed", SEEDS)
async def test_checks_at_random_times_end_as_one_clean_run_and_as_the_oracle(
    momentum: MomentumScenario, other: MomentumScenario, seed: int
) -> None:
    often, once = World(momentum, seed), World(other, seed)
    await often.begin()
    now, number = often.begun, 0
    while number < CHECKS and now < often.ended:
        late = often.chance.choice(_LATE) * often.chance.uniform(0.1, 1.9)
        now, number = min(now + late, often.ended), number + 1
        await often.check(now, often.chance.choice(_CHECKS))
        assert broken_streaks(often.scenario.db, often.players, now) == []
    for _ in range(2):
        await often.check(often.ended)
    await once.begin()
    await once.check(once.ended)

    assert often.errors() == [], seed
    assert once.errors() == [], seed
    states = [
        comparison.state(
            world.scenario.db,
            without_kinds=("level_up",),  # the day of a rise follows from what is known by then
        )
        for world in (often, once)
    ]
    assert comparison.differences(*states) == [], seed


def broken_streaks(db: Any, players: list[PlayerHistory], now: datetime) -> list[str]:
    """The players who were active on each day up to yesterday, and whose streak is shorter."""
    broken = []
    for player in players:
        days = oracle.active_days(player, now)
        today, run = player.local_day(now), 0
        while today - timedelta(days=run + 1) in days:
            run += 1
        stored = db.user_progress.find_one({"user_id": player.user_id}) or {}
        if (stored.get("current_streak") or 0) < run:
            broken.append(f"{player.user_id} ({player.timezone}): {stored} at {now}, {run} days")
    return broken
