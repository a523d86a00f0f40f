from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from chesscoach.config import Settings
from chesscoach.context import Context, open_context, utc_now
from chesscoach.demo.fake_site import Fault, Seen, StandIn
from chesscoach.demo.world import Site
from chesscoach.jobs import sync_games
from chesscoach.worker.job import Stop
from chesscoach.worker.runner import runner
from chesscoach.worker.runner.result import Ending
from tests.conftest import Clock, Sites
from tests.support import processes
from tests.support.time_travel import elapse
from tests.sync.test_cycle import LONG, ago, member, stored, sync, truth
from tests.sync.test_kills import JOB, SITES, missing_behind_cursors

NAMES = ("Ann", "Bob", "Cid", "Dan")
KINDS: tuple[Fault, ...] = (
    *("429", "500", "503", "reset", "hang"),
    *("cut", "short", "internal", "403", "html"),
)
WHEN: dict[str, list[int]] = {
    "first": [1, 1, 1],
    "every second": [0, 1] * 100,
    "all": [1] * 200,
}
SAID: dict[Fault, set[str]] = {
    "reset": {"no_reply", "cut", "repeated"},
    "hang": {"no_reply"},
    "cut": {"cut", "no_reply"},
    "short": {"cut", "unusable"},
    "internal": {"unusable"},
}
"""What the record's notes call a fault where that is not its own name."""


def other(site: Site) -> Site:
    return "chess.com" if site == "lichess" else "lichess"


def stand_in(sites: Sites, site: Site) -> StandIn:
    return sites.lichess if site == "lichess" else sites.chesscom


@asynccontextmanager
async def process(
    settings: Settings, now: Callable[[], datetime] = utc_now, **sources: float
) -> AsyncIterator[Context]:
    """A context as another process would have it, with other settings of `[sources]`."""
    changed = replace(settings.config.sources, **sources)
    config = replace(settings.config, sources=changed)
    async with open_context(replace(settings, config=config), now) as ctx:
        yield ctx


async def once(ctx: Context, **args: Any) -> Ending:
    """One run by hand, however it ends."""
    return await runner.by_hand(ctx, sync_games.JOB, sync_games.Args(**args), Stop())


async def a_club_with_news(ctx: Context, db: Any, sites: Sites) -> None:
    """Two of them have been synced, one by the application, one by nobody; all have played."""
    play = sites.world.play
    for name in NAMES[:2]:
        await member(ctx, db, sites, name, *SITES)
        for site in SITES:
            play(site, name, ago(days=20), famous=LONG)
    slow = play("lichess", "Ann", None, started_at=ago(hours=9), speed="correspondence")
    await sync(ctx)
    await member(ctx, db, sites, "Cid", *SITES, synced=ago(hours=6))
    await member(ctx, db, sites, "Dan", *SITES)
    for name in NAMES:
        for site in SITES:
            for minutes in (10, 20, 30):
                play(site, name, ago(minutes=minutes), famous=LONG)
    slow.ended_at, slow.status = ago(minutes=5), "resign"
    sites.forget()


def assert_nobody_is_harmed(db: Any, sites: Sites) -> None:
    """Whatever the sites answer, it is no reason to let a player go, or to forget a game."""
    for account in db.sync_accounts.find():
        assert (account["standing"], account["absent"]) == ("active", 0), account
        assert len(account["links"]) == 1, account
    for name in NAMES:
        user = db.users.find_one({"user_id": name.lower()})
        if user is not None:
            assert {user.get("lichess_username"), user.get("chesscom_username")} <= {name, None}
    assert db.notifications.count_documents({}) == 0
    assert missing_behind_cursors(db, sites) == []
    for site in (sites.lichess, sites.chesscom):
        assert site.violations == []
        assert site.most_in_flight <= 1


def assert_all_is_there(db: Any, sites: Sites, *names: str) -> None:
    """Every game once, no queue item twice, and the users' rows say since when."""
    assert Counter((row["user_id"], row["url"]) for row in db.games.find()) == Counter(
        (name.lower(), url) for name in names for url in truth(sites, name, *SITES)
    )
    items = [item["game_id"] for item in db.analysis_queue.find()]
    assert len(set(items)) == len(items) > 0
    for name in names:
        checks = [a["checked_at"] for a in db.sync_accounts.find({"links.user_id": name.lower()})]
        told = db.users.find_one({"user_id": name.lower()})["last_game_sync"]
        assert abs(datetime.fromisoformat(told) - min(checks)) < timedelta(milliseconds=1)


def blamed(db: Any) -> dict[str, int]:
    """Failed checks in a row of the accounts that have any."""
    rows = db.sync_accounts.find({"failures": {"$gt": 0}})
    return {row["_id"]: row["failures"] for row in rows}


def told_of(record: dict[str, Any], site: Site) -> tuple[set[str], list[str]]:
    """The troubles that a record counts at a site, and its samples of errors there."""
    prefix = site.replace(".", "") + "_"
    noted = {key.removeprefix(prefix) for key in record["notes"] if key.startswith(prefix)}
    samples = [
        error["error"]
        for error in record["errors"]
        if error.get("platform") == site or error.get("account", "").startswith(f"{site}:")
    ]
    return noted - {"requests"}, samples


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("fault", KINDS)
@pytest.mark.parametrize("site", SITES)
async def test_a_faulty_site_costs_time_and_nothing_else(
    settings: Settings, ctx: Context, db: Any, sites: Sites, site: Site, fault: Fault, when: str
) -> None:
    await a_club_with_news(ctx, db, sites)
    faulty, healthy = stand_in(sites, site), other(site)
    faulty.pause_s, faulty.breaker_s = settings.config.sources.pause_s, 900.0
    faulty.faults.extend(fault if each else None for each in WHEN[when])
    timeout_s = 1.0 if fault == "hang" else 30.0

    async with process(settings, breaker_s=900.0, timeout_s=timeout_s) as struck:
        record = (await once(struck, all=True)).record

    noted, samples = told_of(record, site)
    assert noted & SAID.get(fault, {fault}) or any("internal error" in each for each in samples)
    assert told_of(record, healthy) == (set(), [])
    assert record["outcome"] == ("partial" if record["failed"] else "succeeded")
    assert record["done"] + record["failed"] == record["candidates"] == 2 * len(NAMES)
    assert bool(samples) == bool(record["failed"])
    if when == "all":
        assert (record["done"], record["failed"]) == (len(NAMES), len(NAMES))
        assert blamed(db) == {}
    for name in NAMES:
        at_healthy = db.games.find({"user_id": name.lower(), "platform": healthy})
        assert sorted(row["url"] for row in at_healthy) == truth(sites, name, healthy)
    assert_nobody_is_harmed(db, sites)

    faulty.faults.clear()
    elapse(db, sites, seconds=901)
    begun = datetime.now(UTC)
    await sync(ctx, all=True)

    assert_all_is_there(db, sites, *NAMES)
    assert_nobody_is_harmed(db, sites)
    for user in db.users.find():
        assert datetime.fromisoformat(user["last_game_sync"]) >= begun - timedelta(milliseconds=1)


# 429 and the breaker


def players_in(requests: list[Seen]) -> list[str]:
    """Whom requests asked about one by one, in the order of the first time."""
    parts = [each.path.split("/") for each in requests if "/games/" in each.path]
    names = [part[4] if part[1] == "api" else part[3] for part in parts]
    return [name for name in dict.fromkeys(names) if name != "_ids"]


@pytest.mark.parametrize("site", SITES)
async def test_after_a_429_the_same_request_comes_again_once_the_pause_is_over(
    settings: Settings, ctx: Context, db: Any, sites: Sites, site: Site
) -> None:
    await a_club_with_news(ctx, db, sites)
    known = db.sync_accounts.find({"platform": site}).sort([("due_at", 1), ("_id", 1)])
    order = [row["name"] for row in known] + ["cid", "dan"]  # newcomers are the least stale
    asked = stand_in(sites, site)
    asked.faults.extend(["429", None, None, "429", "429", None, "429"])

    async with process(settings, pause_s=0.2) as patient:
        record = await sync(patient, all=True)

    assert told_of(record, site) == ({"429"}, [])
    refused = [number for number, each in enumerate(asked.seen) if each.status == 429]
    assert len(refused) == 4
    for number in refused:
        first, again = asked.seen[number : number + 2]
        assert (first.method, first.path, first.query, first.body) == (
            *(again.method, again.path, again.query),
            again.body,
        )
        assert again.at - first.at >= (0.4 if number - 1 in refused else 0.2)
    assert players_in(asked.seen) == order
    assert_all_is_there(db, sites, *NAMES)


@pytest.mark.parametrize("fault", ["403", "429", "500"])
@pytest.mark.parametrize("site", SITES)
async def test_while_a_site_is_left_alone_no_process_asks_it_anything(
    settings: Settings,
    environment: dict[str, str],
    ctx: Context,
    db: Any,
    sites: Sites,
    site: Site,
    fault: Fault,
) -> None:
    await a_club_with_news(ctx, db, sites)
    closed, open_one = stand_in(sites, site), stand_in(sites, other(site))
    closed.faults.extend([fault] * 3)
    async with process(settings, breaker_s=900.0) as ours:
        await once(ours, all=True)
        closed.faults.clear()
        sites.forget()
        again = (await once(ours, all=True)).record
    theirs = (await processes.run(environment, JOB, "--all", "--json")).record

    assert closed.seen == []
    assert open_one.seen != []
    for record in (again, theirs):
        (sample,) = told_of(record, site)[1]
        assert f"{site} is left alone until 20" in sample
        assert (record["done"], record["failed"]) == (len(NAMES), len(NAMES))
    assert_nobody_is_harmed(db, sites)
    elapse(db, sites, seconds=901)
    await sync(ctx, all=True)
    assert_all_is_there(db, sites, *NAMES)


# Who is to blame


@pytest.mark.parametrize("fault", ["429", "503", "reset", "hang", "short", "internal", "html"])
@pytest.mark.parametrize("site", SITES)
async def test_an_outage_of_many_runs_is_nobodys_fault(
    settings: Settings,
    ctx: Context,
    db: Any,
    sites: Sites,
    capsys: pytest.CaptureFixture[str],
    site: Site,
    fault: Fault,
) -> None:
    """With two players alone, who are fewer than the failures that close a site."""
    for name in NAMES[:2]:
        await member(ctx, db, sites, name, site)
    await sync(ctx)
    for _ in range(5):
        for name in NAMES[:2]:
            sites.world.play(site, name, ago(seconds=1), famous=LONG)
        stand_in(sites, site).faults.extend([fault] * 20)
        async with process(settings, timeout_s=0.2 if fault == "hang" else 30.0) as struck:
            record = (await once(struck)).record
        assert (record["done"], record["failed"]) == (0, 2)
        elapse(db, sites, hours=6)
    stand_in(sites, site).faults.clear()

    assert blamed(db) == {}
    assert_nobody_is_harmed(db, sites)
    log = capsys.readouterr().out
    assert "account_failed" not in log
    assert log.count("site_not_synced") == 5
    assert (await sync(ctx))["done"] == 2, "they are due"
    for name in NAMES[:2]:
        assert stored(db, name.lower()) == truth(sites, name, site)


@pytest.mark.parametrize(
    ("site", "fault"),
    [("chess.com", "internal"), ("chess.com", "500"), ("lichess", "hang"), ("lichess", "short")],
)
async def test_an_account_that_fails_alone_is_set_aside_for_a_day_after_three_runs(
    settings: Settings, ctx: Context, db: Any, sites: Sites, site: Site, fault: Fault
) -> None:
    clock = Clock(datetime.now(UTC))
    sites.chesscom.now = clock
    for name in NAMES:
        await member(ctx, db, sites, name, site)
    await sync(ctx)
    stand_in(sites, site).ailing["/bob"] = fault
    key = f"{site}:bob"
    async with process(settings, clock, timeout_s=1.0 if fault == "hang" else 30.0) as struck:
        for failures in (1, 2, 3):
            clock.move(hours=6)
            for name in NAMES:
                sites.world.play(site, name, clock.now - timedelta(hours=1), famous=LONG)
            record = (await once(struck)).record
            assert (record["done"], record["failed"]) == (3, 1)
            assert [error["account"] for error in record["errors"]] == [key]
            assert blamed(db) == {key: failures}
        due_at = db.sync_accounts.find_one({"_id": key})["due_at"]
        assert abs(due_at - clock.now - timedelta(days=1)) < timedelta(seconds=1)

        clock.move(hours=6)
        assert (await once(struck)).record["candidates"] == 3
        clock.move(hours=18, minutes=1)
        stand_in(sites, site).ailing.clear()
        assert (await sync(struck))["done"] == 4

    assert blamed(db) == {}
    assert_nobody_is_harmed(db, sites)
    for name in NAMES:
        assert stored(db, name.lower()) == truth(sites, name, site)


async def test_a_site_that_knows_no_such_player_has_answered(
    ctx: Context, db: Any, sites: Sites
) -> None:
    """So what it does not answer for is that account's own trouble, and no outage."""
    await member(ctx, db, sites, "Ann", "chess.com")
    await ctx.store.users.link("zed", {"chess.com": "zed"})
    sites.chesscom.ailing["/ann"] = "500"

    record = (await once(ctx)).record

    assert (record["done"], record["failed"]) == (0, 2)
    assert blamed(db) == {"chess.com:ann": 1, "chess.com:zed": 1}
