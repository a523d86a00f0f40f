"""Dry runs: they report what the run then does, however much is due at once."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from tests.conftest import scaled_rounds
from tests.support.momentum import comparison
from tests.support.momentum.random_players import PlayersInDatabase, random_players
from tests.support.momentum.scenario import MomentumScenario
from tests.support.processes import run

JOB = "chesscoach.jobs.momentum"
BEGUN = datetime(2026, 5, 22, 12, tzinfo=UTC)
ENDED = datetime(2026, 6, 1, 18, 5, tzinfo=UTC)
"""A month ends on the Sunday before it."""
PLAYERS = scaled_rounds(40, 9)


@pytest.mark.parametrize(
    ("check", "booked_until", "now"),
    [
        ("all", BEGUN, ENDED),
        pytest.param("all", ENDED - timedelta(hours=1), ENDED, marks=pytest.mark.long),
        pytest.param("all", BEGUN, ENDED + timedelta(days=30), marks=pytest.mark.long),
        pytest.param("weekly", BEGUN, ENDED, marks=pytest.mark.long),
        pytest.param("monthly", BEGUN, ENDED, marks=pytest.mark.long),
        pytest.param("leaderboard", BEGUN, ENDED, marks=pytest.mark.long),
        pytest.param("streaks", BEGUN, ENDED, marks=pytest.mark.long),
    ],
)
async def test_a_dry_run_reports_what_the_run_then_does(
    environment: dict[str, str],
    momentum: MomentumScenario,
    check: str,
    booked_until: datetime,
    now: datetime,
) -> None:
    players = PlayersInDatabase(
        momentum.db, random_players(random.Random(7), PLAYERS, BEGUN, ENDED)
    )
    await momentum.begin(BEGUN.isoformat())
    players.register()
    shown = {"current_streak": 4, "last_activity_date": BEGUN - timedelta(hours=3), "xp": 95}
    momentum.db.user_progress.update_many({"user_id": {"$gt": "u0003"}}, {"$set": shown})
    if booked_until > BEGUN:
        players.write_until(booked_until)
        await momentum.check(booked_until.isoformat())
    players.write_until(ENDED)
    before = comparison.state(momentum.db)
    flags = ("--check", check, "--now", now.isoformat(), "--json", "--dry-run")

    for _ in range(2):  # all is due, and then nothing is
        notes = (await run(environment, JOB, *flags)).record["notes"]

        assert comparison.state(momentum.db) == before
        done = (await momentum.check(now.isoformat(), check)).record["notes"]
        assert notes == {_dry_name(name): count for name, count in done.items()}
        before = comparison.state(momentum.db)


def _dry_name(note: str) -> str:
    """The name of a count in a dry run; what is only found has the same name in both."""
    return note if note in ("invalid_timezones", "surplus_progress") else f"would_{note}"
