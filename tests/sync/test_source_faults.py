"""Sources that refuse and fail: the cases 10 and 20 of the list."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chesscoach.config import Settings
from chesscoach.context import Context
from chesscoach.demo.fake_site import RecordedRequest, SiteFault
from chesscoach.demo.world import SourceName
from tests.conftest import Clock, FakeSites
from tests.support import processes
from tests.support.sync.fault_scenario import (
    NAMES,
    FaultScenario,
    failure_counts,
    open_process_context,
    other_platform,
)
from tests.support.sync.sync_members import (
    PLATFORMS,
    add_member,
    expected_urls,
    run_once,
    run_sync,
    stored_urls,
)
from tests.support.time_travel import advance_time

FAULTS: tuple[SiteFault, ...] = ("429", "500", "503", "reset", "cut", "short", "internal", "html")
"""Those that neither open the breaker at once nor need a short timeout."""

EXPECTED_NOTES: dict[SiteFault, set[str]] = {
    "reset": {"no_reply", "cut", "repeated"},
    "hang": {"no_reply"},
    "cut": {"cut", "no_reply"},
    "short": {"cut", "unusable"},
    "internal": {"unusable"},
}
"""What the record's notes call a fault where that is not its own name."""


@pytest.fixture
def scenario(settings: Settings, ctx: Context, db: Any, sites: FakeSites) -> FaultScenario:
    return FaultScenario(settings, ctx, db, sites)


def troubles_and_samples(record: dict[str, Any], source: SourceName) -> tuple[set[str], list[str]]:
    """The troubles that a record counts at a source, and its samples of errors there."""
    prefix = source.replace(".", "") + "_"
    noted = {key.removeprefix(prefix) for key in record["notes"] if key.startswith(prefix)}
    samples = [
        error["error"]
        for error in record["errors"]
        if error.get("platform") == source or error.get("account", "").startswith(f"{source}:")
    ]
    return noted - {"requests"}, samples


def assert_faults_noted(record: dict[str, Any], source: SourceName, *faults: SiteFault) -> None:
    """The notes name each fault of the source and none of the other, whose accounts are done."""
    noted, samples = troubles_and_samples(record, source)
    for fault in faults:
        assert noted & EXPECTED_NOTES.get(fault, {fault}) or any(
            "internal error" in sample for sample in samples
        )
    assert troubles_and_samples(record, other_platform(source)) == (set(), [])
    assert record["outcome"] == ("partial" if record["failed"] else "succeeded")
    assert record["done"] + record["failed"] == record["candidates"]
    assert bool(samples) == bool(record["failed"])


@pytest.mark.parametrize("fault", ["429", "reset", "hang", "internal", "403"])
async def test_a_source_that_only_fails_loses_nothing_but_time(
    scenario: FaultScenario, fault: SiteFault
) -> None:
    db, sites = scenario.db, scenario.sites
    await scenario.add_accounts_with_news()
    async with scenario.struck(fault) as struck:
        for source in PLATFORMS:
            faulty, healthy = scenario.source(source), other_platform(source)
            faulty.faults.extend([fault] * 200)

            record = (await run_once(struck, all=True)).record

            faulty.faults.clear()
            assert_faults_noted(record, source, fault)
            assert (record["done"], record["failed"]) == (len(NAMES), len(NAMES))
            assert failure_counts(db) == {}, "an outage is not the fault of an account"
            for name in NAMES:
                stored = db.games.distinct("url", {"user_id": name.lower(), "platform": healthy})
                assert stored == expected_urls(sites, name, healthy)
            scenario.assert_no_data_lost()
            advance_time(db, sites, seconds=901)
            scenario.play(healthy, *NAMES, seconds=1)

    await scenario.assert_recovery(*NAMES)


@pytest.mark.parametrize("source", PLATFORMS)
async def test_a_source_that_fails_every_second_time_costs_time_and_nothing_else(
    scenario: FaultScenario, source: SourceName
) -> None:
    await scenario.add_accounts_with_news()
    new = [f"New{number}" for number in range(2 * len(FAULTS))]
    for name in new:
        await add_member(scenario.ctx, scenario.db, scenario.sites, name, *PLATFORMS)
        for platform in PLATFORMS:
            scenario.play(platform, name, minutes=10)
    faulty = scenario.source(source)
    for fault in FAULTS:
        faulty.faults.extend([None, fault])

    async with scenario.struck() as struck:
        record = (await run_once(struck, all=True)).record

    assert not faulty.faults, "every fault was met"
    assert_faults_noted(record, source, *FAULTS)
    assert 0 < record["failed"] <= len(FAULTS)
    assert record["candidates"] == 2 * len([*NAMES, *new])
    scenario.assert_no_data_lost()
    await scenario.assert_recovery(*NAMES, *new)


# 429 and the breaker


def requested_players(requests: list[RecordedRequest]) -> list[str]:
    """Whom requests asked about one by one, in the order of the first time."""
    parts = [request.path.split("/") for request in requests if "/games/" in request.path]
    names = [part[4] if part[1] == "api" else part[3] for part in parts]
    return [name for name in dict.fromkeys(names) if name != "_ids"]


@pytest.mark.parametrize("source", PLATFORMS)
async def test_after_a_429_the_same_request_comes_again_once_the_pause_has_passed(
    scenario: FaultScenario, source: SourceName
) -> None:
    await scenario.add_accounts_with_news()
    known = scenario.db.sync_accounts.find({"platform": source}).sort([("due_at", 1), ("_id", 1)])
    order = [account["name"] for account in known] + ["cid", "dan"]  # newcomers come last
    asked = scenario.source(source)
    asked.faults.extend(["429", None, None, "429", "429", None, "429"])

    async with open_process_context(scenario.settings, first_pause_s=0.2) as patient:
        record = await run_sync(patient, all=True)

    assert troubles_and_samples(record, source) == ({"429"}, [])
    refused = [number for number, seen in enumerate(asked.requests) if seen.status == 429]
    assert len(refused) == record["notes"][f"{source.replace('.', '')}_429"] == 4
    for number in refused:
        first, again = asked.requests[number : number + 2]
        for field in ("method", "path", "query", "body"):
            assert getattr(first, field) == getattr(again, field)
        assert again.at - first.at >= (0.4 if number - 1 in refused else 0.2)
    assert requested_players(asked.requests) == order
    scenario.assert_complete(*NAMES)


@pytest.mark.parametrize(("source", "fault"), [("lichess", "429"), ("chess.com", "500")])
async def test_while_a_source_is_left_alone_no_process_asks_it_anything(
    scenario: FaultScenario, environment: dict[str, str], source: SourceName, fault: SiteFault
) -> None:
    await scenario.add_accounts_with_news()
    closed, open_one = scenario.source(source), scenario.source(other_platform(source))
    closed.faults.extend([fault] * 3)
    async with scenario.struck() as ours:
        await run_once(ours, all=True)
        closed.faults.clear()
        scenario.sites.clear_requests()
        again = (await run_once(ours, all=True)).record
    job = "chesscoach.jobs.sync_games"
    theirs = (await processes.run(environment, job, "--all", "--json")).record

    assert closed.requests == []
    assert open_one.requests != []
    for record in (again, theirs):
        (sample,) = troubles_and_samples(record, source)[1]
        assert f"{source} gets no request until 20" in sample
        assert (record["done"], record["failed"]) == (len(NAMES), len(NAMES))
    scenario.assert_no_data_lost()
    await scenario.assert_recovery(*NAMES)


# Which accounts are counted as failed


@pytest.mark.parametrize("source", PLATFORMS)
async def test_an_outage_of_many_runs_sets_no_account_aside(
    scenario: FaultScenario, capsys: pytest.CaptureFixture[str], source: SourceName
) -> None:
    """With two players alone, who are fewer than the failures that open the breaker."""
    ctx, db, sites = scenario.ctx, scenario.db, scenario.sites
    faults: tuple[SiteFault, ...] = ("429", "reset", "short", "internal")
    for name in NAMES[:2]:
        await add_member(ctx, db, sites, name, source)
    await run_sync(ctx)
    for fault in faults:
        scenario.play(source, *NAMES[:2], seconds=1)
        scenario.source(source).faults.extend([fault] * 20)
        record = (await run_once(ctx)).record
        assert (record["done"], record["failed"]) == (0, 2), fault
        scenario.source(source).faults.clear()
        advance_time(db, sites, hours=6)

    assert failure_counts(db) == {}
    scenario.assert_no_data_lost()
    log = capsys.readouterr().out
    assert "account_failed" not in log
    assert log.count("source_not_synced") == len(faults)
    assert (await run_sync(ctx))["done"] == 2, "they are due"
    for name in NAMES[:2]:
        assert stored_urls(db, name.lower()) == expected_urls(sites, name, source)


@pytest.mark.parametrize(("source", "fault"), [("chess.com", "internal"), ("lichess", "hang")])
async def test_an_account_that_fails_alone_is_set_aside_for_a_day_after_three_runs(
    scenario: FaultScenario, source: SourceName, fault: SiteFault
) -> None:
    db, sites = scenario.db, scenario.sites
    clock = Clock(datetime.now(UTC))
    sites.chesscom.now = clock
    for name in NAMES:
        await add_member(scenario.ctx, db, sites, name, source)
    await run_sync(scenario.ctx)
    scenario.source(source).ailing["/bob"] = fault
    key = f"{source}:bob"
    async with scenario.struck(fault, clock) as struck:
        for failures in (1, 2, 3):
            clock.move(hours=6)
            for name in NAMES:
                sites.world.add_game(source, name, clock.now - timedelta(hours=1))
            record = (await run_once(struck)).record
            assert (record["done"], record["failed"]) == (3, 1)
            assert [error["account"] for error in record["errors"]] == [key]
            assert failure_counts(db) == {key: failures}
        due_at = db.sync_accounts.find_one({"_id": key})["due_at"]
        assert abs(due_at - clock.now - timedelta(days=1)) < timedelta(seconds=1)

        clock.move(hours=6)
        assert (await run_once(struck)).record["candidates"] == 3
        clock.move(hours=18, minutes=1)
        scenario.source(source).ailing.clear()
        assert (await run_sync(struck))["done"] == 4

    assert failure_counts(db) == {}
    scenario.assert_no_data_lost()
    for name in NAMES:
        assert stored_urls(db, name.lower()) == expected_urls(sites, name, source)


async def test_a_source_that_does_not_know_a_player_has_answered(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    """So what it does not answer for is that account's own trouble, and not an outage."""
    await add_member(ctx, db, sites, "Ann", "chess.com")
    await ctx.users.link("zed", {"chess.com": "zed"})
    sites.chesscom.ailing["/ann"] = "500"

    record = (await run_once(ctx)).record

    assert (record["done"], record["failed"]) == (0, 2)
    assert failure_counts(db) == {"chess.com:ann": 1, "chess.com:zed": 1}
