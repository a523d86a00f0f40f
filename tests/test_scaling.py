"""The guide to scaling reckons rightly, with the limits and tiers of the code."""

import re
from math import ceil

from benchmarks import cleanup, ingest, many_accounts, memory, momentum, scheduler, weekly_emails
from chesscoach.config import Config
from chesscoach.sources.lichess import MAX_BULK_NAMES
from chesscoach.sync import polling
from tests.support.project_files import DOCS

GUIDE = (DOCS / "scaling.md").read_text()
SETTINGS = Config()
RUNS = 4
TIER_SHARES = (0.2, 0.2, 0.2, 0.4)
"""Of the players, by tier."""

SEALED = 12 / 35
"""Sealed months a day and account, but one a check at most; see docs/sync.md."""

ROW_KB, GAME_KB = 0.34, 2.0


def checks_per_day(runs: int = RUNS) -> list[float]:
    """A day, of one player of each tier."""
    days = [tier.period.total_seconds() / 86_400 for tier in polling.TIERS]
    return [runs if day == 0 else 1 / day for day in days]


def mixed_load(values: list[float]) -> float:
    """Of a player of the mix."""
    return sum(share * value for share, value in zip(TIER_SHARES, values, strict=True))


NAMES = mixed_load(checks_per_day())
EXPORTS = mixed_load([2.0, *(min(1 / 7, each) for each in checks_per_day()[1:])])
CHESSCOM = NAMES + mixed_load([min(SEALED, each) for each in checks_per_day()])
GAMES = mixed_load([3, 1 / 7, 0, 0])


def test_the_size_of_a_player_is_that_of_the_guide() -> None:
    for figure, sentence in (
        (NAMES, "{} names in bulk requests"),
        (EXPORTS, "{} exports"),
        (CHESSCOM, "{} requests to Chess.com"),
        (GAMES, "{} games"),
    ):
        assert sentence.format(f"{figure:.2f}") in GUIDE


def test_the_table_of_sizes_is_reckoned_rightly() -> None:
    rows = re.findall(r"^\| ([^|]+) \| ([0-9][^\n]*) \|$", GUIDE, re.MULTILINE)[:9]
    table = {name: cells.split(" | ") for name, cells in rows}
    players = [int(cell.replace(",", "")) for cell in table.pop("players")]
    weeks = SETTINGS.cleanup.keep_outbox_days / 7
    asked = [RUNS * ceil(NAMES * n / RUNS / MAX_BULK_NAMES) + EXPORTS * n for n in players]

    assert players == [10, 1_000, 10_000, 100_000, 1_000_000]
    assert list(table.values()) == [
        [f"{NAMES * n:,.0f}" for n in players],
        [f"{each:,.0f}" for each in asked],
        [f"{each * 0.5 / 3600:.1f}" for each in asked],
        [f"{CHESSCOM * n:,.0f}" for n in players],
        [f"{CHESSCOM * n * 0.15 / 3600:.1f}" for n in players],
        [f"{GAMES * 365 * n * GAME_KB / 1e6:.1f}" for n in players],
        [f"{weeks * n * ROW_KB / 1e6:.1f}" for n in players],
        [f"{n / SETTINGS.emails.sendgrid.in_flight * 0.1 / 60:.1f}" for n in players],
    ]


def test_the_limits_are_those_of_the_code() -> None:
    day = SETTINGS.sources.lichess.users_per_10min * 15
    seconds = RUNS * SETTINGS.jobs.sync_games.timeout_s

    def players(limit: float) -> str:
        return f"{round(limit, -3):,.0f} |"

    assert f"{day:,} names a day | {players(day / NAMES)}" in GUIDE
    assert f"at 0.5 s | {players(seconds / 0.5 / (EXPORTS + NAMES / MAX_BULK_NAMES))}" in GUIDE
    assert f"at 0.25 s | {players(seconds / 0.25 / CHESSCOM)}" in GUIDE
    assert f"at 0.1 s | {players(seconds / 0.1 / CHESSCOM)}" in GUIDE
    assert f"first limit would be {day // RUNS:,}" in GUIDE
    assert f"the first limit {round(day / mixed_load(checks_per_day(2)), -3):,.0f}" in GUIDE
    first = SETTINGS.sync.first_games
    assert f"up to {first} games at 20 a second are {first // 20} s" in GUIDE


def test_what_one_machine_does_is_what_the_benchmarks_demand() -> None:
    text = " ".join(GUIDE.partition("\n## One machine\n")[2].partition("\n## ")[0].split())

    assert memory.MAX_GROWTH_MB == weekly_emails.MAX_GROWTH_MB
    assert f"take {memory.MAX_GROWTH_MB} MB more than {memory.BASELINE_USERS:,}" in text
    assert f"at most {many_accounts.MAX_TIME_RATIO} times as long as a bare client" in text
    assert f"no less than {ingest.MIN_SPEED_RATIO} times the speed" in text
    assert weekly_emails.MIN_SPEEDUP == 10
    assert "at least ten times the plain loop" in text
    assert f"a p99 of less than {scheduler._MAX_LATENESS_S} s" in text
    assert f"at least {momentum.MIN_SPEEDUP} times as fast as a loop over players" in text
    assert f"below a p99 of {cleanup.MAX_P99_S * 1000:.0f} ms" in text
