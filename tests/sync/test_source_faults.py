from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from chesscoach.config import Settings
from chesscoach.context import Context, open_context, utc_now
from chesscoach.demo.fake_site import FakeSite, RecordedRequest, SiteFault
from chesscoach.demo.world import SourceName
from chesscoach.jobs import sync_games
from chesscoach.worker.runner import runner
from chesscoach.worker.runner.result import RunResult
from chesscoach.worker.shutdown import ShutdownRequest
from tests.conftest import Clock, FakeSites
from tests.support import processes
from tests.support.sync.sync_members import (
    ANALYSABLE_GAME,
    add_member,
    before_now,
    expected_urls,
    run_sync,
    stored_urls,
)
from tests.support.time_travel import advance_time
from tests.sync.test_kills import JOB, PLATFORMS, missing_behind_cursors

NAMES = ("Ann", "Bob", "Cid", "Dan")
FAULTS: tuple[SiteFault, ...] = (
    *("429", "500", "503", "reset", "hang"),
    *("cut", "short", "internal", "403", "html"),
)
EXPECTED_NOTES: dict[SiteFault, set[str]] = {
    "reset": {"no_reply", "cut", "repeated"},
    "hang": {"no_reply"},
    "cut": {"cut", "no_reply"},
    "short": {"cut", "unusable"},
    "internal": {"unusable"},
}
"""What the record's notes call a fault where that is not its own name."""


def other_platform(source: SourceName) -> SourceName:
    return "chess.com" if source == "lichess" else "lichess"


def fake_site(sites: FakeSites, source: SourceName) -> FakeSite:
    return sites.lichess if source == "lichess" else sites.chesscom


@asynccontextmanager
async def open_process_context(
    settings: Settings, now: Callable[[], datetime] = utc_now, **sources: float
) -> AsyncIterator[Context]:
    """A context as another process would have it, with other settings of `[sources]`."""
    changed = replace(settings.config.sources, **sources)
    config = replace(settings.config, sources=changed)
    async with open_context(replace(settings, config=config), now) as ctx:
        yield ctx


async def run_once(ctx: Context, **args: Any) -> RunResult:
    """One run by hand, however it ends."""
    return await runner.run_manually(
        ctx.worker, sync_games.JOB, sync_games.Args(**args), ShutdownRequest()
    )


async def add_accounts_with_news(ctx: Context, db: Any, sites: FakeSites) -> None:
    """Two of them have been synced, one by the application, one by nobody; all have played."""
    play = sites.world.add_game
    for name in NAMES[:2]:
        await add_member(ctx, db, sites, name, *PLATFORMS)
        for source in PLATFORMS:
            play(source, name, before_now(days=20), famous=ANALYSABLE_GAME)
    slow = play("lichess", "Ann", None, started_at=before_now(hours=9), speed="correspondence")
    await run_sync(ctx)
    await add_member(ctx, db, sites, "Cid", *PLATFORMS, synced=before_now(hours=6))
    await add_member(ctx, db, sites, "Dan", *PLATFORMS)
    for name in NAMES:
        for source in PLATFORMS:
            for minutes in (10, 20, 30):
                play(source, name, before_now(minutes=minutes), famous=ANALYSABLE_GAME)
    slow.ended_at, slow.status = before_now(minutes=5), "resign"
    sites.clear_requests()


def assert_no_data_lost(db: Any, sites: FakeSites) -> None:
    """Whatever the sites answer, it is no reason to let a player go, or to forget a game."""
    for account in db.sync_accounts.find():
        assert (account["standing"], account["absent"]) == ("active", 0), account
        assert len(account["links"]) == 1, account
    for name in NAMES:
        user = db.users.find_one({"user_id": name.lower()})
        if user is not None:
            assert {user.get("lichess_username"), user.get("chesscom_username")} <= {name, None}
    assert db.notifications.count_documents({"type": {"$ne": "game_analyzed"}}) == 0
    assert missing_behind_cursors(db, sites) == []
    for site in (sites.lichess, sites.chesscom):
        assert site.violations == []
        assert site.max_in_flight <= 1


def assert_complete(db: Any, sites: FakeSites, *names: str) -> None:
    """Every game once, no queue item twice, and the users' rows say since when."""
    assert Counter((row["user_id"], row["url"]) for row in db.games.find()) == Counter(
        (name.lower(), url) for name in names for url in expected_urls(sites, name, *PLATFORMS)
    )
    items = [item["game_id"] for item in db.analysis_queue.find()]
    assert len(set(items)) == len(items) > 0
    for name in names:
        checks = [a["checked_at"] for a in db.sync_accounts.find({"links.user_id": name.lower()})]
        last_sync = db.users.find_one({"user_id": name.lower()})["last_game_sync"]
        assert abs(datetime.fromisoformat(last_sync) - min(checks)) < timedelta(milliseconds=1)


def failure_counts(db: Any) -> dict[str, int]:
    """Failed checks in a row of the accounts that have any."""
    rows = db.sync_accounts.find({"failures": {"$gt": 0}})
    return {row["_id"]: row["failures"] for row in rows}


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


async def assert_recovery(ctx: Context, db: Any, sites: FakeSites, *names: str) -> None:
    """The first run after the faults brings all that they held up."""
    advance_time(db, sites, seconds=901)
    begun = datetime.now(UTC)
    await run_sync(ctx, all=True)
    assert_complete(db, sites, *names)
    assert_no_data_lost(db, sites)
    for user in db.users.find():
        assert datetime.fromisoformat(user["last_game_sync"]) >= begun - timedelta(milliseconds=1)


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_source_that_only_fails_costs_time_and_nothing_else(
    settings: Settings, ctx: Context, db: Any, sites: FakeSites, fault: SiteFault
) -> None:
    await add_accounts_with_news(ctx, db, sites)
    timeout_s = 0.3 if fault == "hang" else 30.0
    async with open_process_context(settings, breaker_open_s=900.0, timeout_s=timeout_s) as struck:
        for source in PLATFORMS:
            faulty, healthy = fake_site(sites, source), other_platform(source)
            faulty.pause_s, faulty.breaker_s = settings.config.sources.first_pause_s, 900.0
            faulty.faults.extend([fault] * 200)

            record = (await run_once(struck, all=True)).record

            faulty.faults.clear()
            assert_faults_noted(record, source, fault)
            assert (record["done"], record["failed"]) == (len(NAMES), len(NAMES))
            assert failure_counts(db) == {}, "an outage is not the fault of an account"
            for name in NAMES:
                stored = db.games.find({"user_id": name.lower(), "platform": healthy})
                assert sorted(game["url"] for game in stored) == expected_urls(sites, name, healthy)
            assert_no_data_lost(db, sites)
            advance_time(db, sites, seconds=901)
            for name in NAMES:
                sites.world.add_game(healthy, name, before_now(seconds=1), famous=ANALYSABLE_GAME)

    await assert_recovery(ctx, db, sites, *NAMES)


@pytest.mark.parametrize("source", PLATFORMS)
async def test_a_source_that_fails_every_second_time_costs_time_and_nothing_else(
    settings: Settings, ctx: Context, db: Any, sites: FakeSites, source: SourceName
) -> None:
    """All faults in one run, but for those that open the breaker or need a short timeout."""
    faults = [fault for fault in FAULTS if fault not in ("403", "hang")]
    await add_accounts_with_news(ctx, db, sites)
    names = [*NAMES, *(f"New{number}" for number in range(2 * len(faults)))]
    for name in names[len(NAMES) :]:
        await add_member(ctx, db, sites, name, *PLATFORMS)
        for platform in PLATFORMS:
            sites.world.add_game(platform, name, before_now(minutes=10), famous=ANALYSABLE_GAME)
    faulty = fake_site(sites, source)
    faulty.pause_s, faulty.breaker_s = settings.config.sources.first_pause_s, 900.0
    for fault in faults:
        faulty.faults.extend([None, fault])

    async with open_process_context(settings, breaker_open_s=900.0) as struck:
        record = (await run_once(struck, all=True)).record

    assert not faulty.faults, "every fault was met"
    assert_faults_noted(record, source, *faults)
    assert 0 < record["failed"] <= len(faults)
    assert record["candidates"] == 2 * len(names)
    assert_no_data_lost(db, sites)
    await assert_recovery(ctx, db, sites, *names)


# 429 and the breaker


def requested_players(requests: list[RecordedRequest]) -> list[str]:
    """Whom requests asked about one by one, in the order of the first time."""
    parts = [request.path.split("/") for request in requests if "/games/" in request.path]
    names = [part[4] if part[1] == "api" else part[3] for part in parts]
    return [name for name in dict.fromkeys(names) if name != "_ids"]


@pytest.mark.parametrize("source", PLATFORMS)
async def test_after_a_429_the_same_request_comes_again_once_the_pause_is_over(
    settings: Settings, ctx: Context, db: Any, sites: FakeSites, source: SourceName
) -> None:
    await add_accounts_with_news(ctx, db, sites)
    known = db.sync_accounts.find({"platform": source}).sort([("due_at", 1), ("_id", 1)])
    order = [row["name"] for row in known] + ["cid", "dan"]  # newcomers are the least stale
    asked = fake_site(sites, source)
    asked.faults.extend(["429", None, None, "429", "429", None, "429"])

    async with open_process_context(settings, first_pause_s=0.2) as patient:
        record = await run_sync(patient, all=True)

    assert troubles_and_samples(record, source) == ({"429"}, [])
    refused = [number for number, each in enumerate(asked.requests) if each.status == 429]
    assert len(refused) == 4
    for number in refused:
        first, again = asked.requests[number : number + 2]
        assert (first.method, first.path, first.query, first.body) == (
            *(again.method, again.path, again.query),
            again.body,
        )
        assert again.at - first.at >= (0.4 if number - 1 in refused else 0.2)
    assert requested_players(asked.requests) == order
    assert_complete(db, sites, *NAMES)


@pytest.mark.parametrize("fault", ["403", "429", "500"])
@pytest.mark.parametrize("source", PLATFORMS)
async def test_while_a_site_is_left_alone_no_process_asks_it_anything(
    settings: Settings,
    environment: dict[str, str],
    ctx: Context,
    db: Any,
    sites: FakeSites,
    source: SourceName,
    fault: SiteFault,
) -> None:
    await add_accounts_with_news(ctx, db, sites)
    closed, open_one = fake_site(sites, source), fake_site(sites, other_platform(source))
    closed.faults.extend([fault] * 3)
    async with open_process_context(settings, breaker_open_s=900.0) as ours:
        await run_once(ours, all=True)
        closed.faults.clear()
        sites.clear_requests()
        again = (await run_once(ours, all=True)).record
    theirs = (await processes.run(environment, JOB, "--all", "--json")).record

    assert closed.requests == []
    assert open_one.requests != []
    for record in (again, theirs):
        (sample,) = troubles_and_samples(record, source)[1]
        assert f"{source} gets no request until 20" in sample
        assert (record["done"], record["failed"]) == (len(NAMES), len(NAMES))
    assert_no_data_lost(db, sites)
    advance_time(db, sites, seconds=901)
    await run_sync(ctx, all=True)
    assert_complete(db, sites, *NAMES)


# Who is to blame


@pytest.mark.parametrize("source", PLATFORMS)
async def test_an_outage_of_many_runs_sets_no_account_aside(
    settings: Settings,
    ctx: Context,
    db: Any,
    sites: FakeSites,
    capsys: pytest.CaptureFixture[str],
    source: SourceName,
) -> None:
    """With two players alone, who are fewer than the failures that open the breaker."""
    faults: tuple[SiteFault, ...]
    faults = ("429", "503", "reset", "hang", "short", "internal", "html")
    for name in NAMES[:2]:
        await add_member(ctx, db, sites, name, source)
    await run_sync(ctx)
    for fault in faults:
        for name in NAMES[:2]:
            sites.world.add_game(source, name, before_now(seconds=1), famous=ANALYSABLE_GAME)
        fake_site(sites, source).faults.extend([fault] * 20)
        async with open_process_context(
            settings, timeout_s=0.2 if fault == "hang" else 30.0
        ) as struck:
            record = (await run_once(struck)).record
        assert (record["done"], record["failed"]) == (0, 2), fault
        fake_site(sites, source).faults.clear()
        advance_time(db, sites, hours=6)

    assert failure_counts(db) == {}
    assert_no_data_lost(db, sites)
    log = capsys.readouterr().out
    assert "account_failed" not in log
    assert log.count("source_not_synced") == len(faults)
    assert (await run_sync(ctx))["done"] == 2, "they are due"
    for name in NAMES[:2]:
        assert stored_urls(db, name.lower()) == expected_urls(sites, name, source)


@pytest.mark.parametrize(
    ("source", "fault"),
    [("chess.com", "internal"), ("chess.com", "500"), ("lichess", "hang"), ("lichess", "short")],
)
async def test_an_account_that_fails_alone_is_set_aside_for_a_day_after_three_runs(
    settings: Settings,
    ctx: Context,
    db: Any,
    sites: FakeSites,
    source: SourceName,
    fault: SiteFault,
) -> None:
    clock = Clock(datetime.now(UTC))
    sites.chesscom.now = clock
    for name in NAMES:
        await add_member(ctx, db, sites, name, source)
    await run_sync(ctx)
    fake_site(sites, source).ailing["/bob"] = fault
    key = f"{source}:bob"
    async with open_process_context(
        settings, clock, timeout_s=0.3 if fault == "hang" else 30.0
    ) as struck:
        for failures in (1, 2, 3):
            clock.move(hours=6)
            for name in NAMES:
                sites.world.add_game(
                    source, name, clock.now - timedelta(hours=1), famous=ANALYSABLE_GAME
                )
            record = (await run_once(struck)).record
            assert (record["done"], record["failed"]) == (3, 1)
            assert [error["account"] for error in record["errors"]] == [key]
            assert failure_counts(db) == {key: failures}
        due_at = db.sync_accounts.find_one({"_id": key})["due_at"]
        assert abs(due_at - clock.now - timedelta(days=1)) < timedelta(seconds=1)

        clock.move(hours=6)
        assert (await run_once(struck)).record["candidates"] == 3
        clock.move(hours=18, minutes=1)
        fake_site(sites, source).ailing.clear()
        assert (await run_sync(struck))["done"] == 4

    assert failure_counts(db) == {}
    assert_no_data_lost(db, sites)
    for name in NAMES:
        assert stored_urls(db, name.lower()) == expected_urls(sites, name, source)


async def test_a_site_that_knows_no_such_player_has_answered(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    """So what it does not answer for is that account's own trouble, and no outage."""
    await add_member(ctx, db, sites, "Ann", "chess.com")
    await ctx.users.link("zed", {"chess.com": "zed"})
    sites.chesscom.ailing["/ann"] = "500"

    record = (await run_once(ctx)).record

    assert (record["done"], record["failed"]) == (0, 2)
    assert failure_counts(db) == {"chess.com:ann": 1, "chess.com:zed": 1}
