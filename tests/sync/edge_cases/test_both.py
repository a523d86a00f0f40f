"""The cases that a sync must handle on either site: 7, 8, 10 and 19 to 22 of the list."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from chesscoach.config import Settings
from chesscoach.context import open_context
from chesscoach.demo.fake_site import Handler, SiteFault
from chesscoach.demo.world import SourceName
from chesscoach.jobs import sync_games
from chesscoach.schedules.schedule import Slot
from chesscoach.worker.runner import result as record
from chesscoach.worker.runner import runner
from chesscoach.worker.shutdown import ShutdownRequest
from tests.support.sync.sync_scenario import (
    ANALYSABLE_GAME,
    EXPORT,
    PLATFORMS,
    SHORT_GAME,
    HeldResponse,
    SyncScenario,
    account_on,
)


def fault_queue(club: SyncScenario, site: SourceName) -> Any:
    """What goes wrong next on a site."""
    return (club.sites.lichess if site == "lichess" else club.sites.chesscom).faults


# Case 7: what comes twice


@pytest.mark.parametrize("lost", ["the cursors", "the queue as well", "half of the games as well"])
async def test_case_07_a_crash_before_the_cursor_moved_doubles_nothing(
    sync: SyncScenario, lost: str
) -> None:
    sync.add_user("ann", lichess="Ann", chesscom="Ann", synced=sync.before_now(hours=6))
    sync.add_user("new", lichess="New", chesscom="New")
    sync.add_user("gone", lichess="Gone")
    sync.world.players["lichess"]["gone"].closed = True
    for name in ("Ann", "New"):
        for site in PLATFORMS:
            for hours in (1, 2, 3):
                sync.add_game(site, name, sync.before_now(hours=hours))
    for site in PLATFORMS:
        fault_queue(sync, site).append("403")
    await sync.run()  # links the accounts, and checks none
    accounts = list(sync.db.sync_accounts.find())
    assert len(accounts) == 5
    sync.db.job_leases.update_many({}, {"$unset": {"closed_until": ""}})
    await sync.run_later(minutes=1)
    games = {user: sync.games(user) for user in ("ann", "new")}
    queue = {user: sync.queued_game_ids(user) for user in ("ann", "new")}
    for row in accounts:
        sync.db.sync_accounts.replace_one({"_id": row["_id"]}, row)
    if lost != "the cursors":
        sync.db.analysis_queue.delete_many({})
    if lost == "half of the games as well":
        for user, rows in games.items():
            sync.db.games.delete_many(
                {"user_id": user, "url": {"$in": [r["url"] for r in rows[::2]]}}
            )

    await sync.run_later(minutes=1)

    for user in ("ann", "new"):
        assert [len(games[user]), len(queue[user])] == [6, {"ann": 3, "new": 6}[user]]
        assert sync.urls(user) == [row["url"] for row in games[user]]
        assert [row["game_id"] for row in sync.games(user)] == [r["game_id"] for r in games[user]]
        # Which of the two sites gets at the day's allowance first is open.
        assert (
            len(sync.queued_game_ids(user))
            == len(set(sync.queued_game_ids(user)))
            == len(queue[user])
        )
        assert lost != "the cursors" or sync.queued_game_ids(user) == queue[user]
    assert sync.notification_types("gone") == ["account_closed"]


async def test_case_07_a_game_that_the_application_imported_meanwhile_is_its_own(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", lichess="Ann", chesscom="Ann", synced=sync.before_now(hours=6))
    for site in PLATFORMS:
        game = sync.add_game(site, "Ann", sync.before_now(hours=1))
        sync.db.games.insert_one({"game_id": f"own-{site}", "user_id": "ann", "url": game.url})
    before = list(sync.db.games.find())

    for _ in range(2):
        await sync.run_succeeding()
        sync.clock.move(hours=6)

    assert list(sync.db.games.find()) == before
    assert sync.queued_game_ids("ann") == []


# Case 8: users among themselves


@pytest.mark.parametrize("site", PLATFORMS)
async def test_case_08_a_game_between_two_users_is_each_ones_own(
    sync: SyncScenario, site: SourceName
) -> None:
    for name in ("Ann", "Bob"):
        sync.add_user(name.lower(), **account_on(site, name))
    game = sync.add_game(site, "Ann", sync.before_now(hours=1), opponent="Bob")

    await sync.run_succeeding()
    await sync.run_later(hours=6)

    assert sync.db.games.count_documents({}) == 2
    rows = {user: sync.game(game, user) for user in ("ann", "bob")}
    assert {rows["ann"]["user_color"], rows["bob"]["user_color"]} == {"white", "black"}
    assert rows["ann"]["result"] == rows["bob"]["result"] == ANALYSABLE_GAME.result
    assert (rows["ann"]["opponent"], rows["bob"]["opponent"]) == ("Bob", "Ann")
    assert rows["ann"]["user_rating"] == rows["bob"]["opponent_rating"]
    for user, row in rows.items():
        assert sync.queued_game_ids(user) == [row["game_id"]]


# Cases 10 and 20: sites that do not answer as they should


@pytest.mark.parametrize("site", PLATFORMS)
async def test_case_10_after_each_429_there_is_a_pause_and_then_the_same_request_again(
    sync: SyncScenario, site: SourceName, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["Ann", "Bob", "Cid"]
    for name in names:
        sync.add_user(name.lower(), lichess=name, chesscom=name, synced=sync.before_now(hours=6))
        for each in PLATFORMS:
            sync.add_game(each, name, sync.before_now(hours=1))
    fault_queue(sync, site).extend([None, "429", "429"])

    record = await sync.run_succeeding()

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["platform"] for line in lines if line["event"] == "source_rate_limited"] == [
        site
    ] * 2
    asked = sync.requested_paths(site)
    assert asked[1] == asked[2] == asked[3]
    assert len(set(asked)) == len(asked) - 2
    assert (record["done"], record["failed"]) == (6, 0)
    assert record["notes"][f"{site.replace('.', '')}_429"] == 2
    stand_in = sync.sites.lichess if site == "lichess" else sync.sites.chesscom
    assert (stand_in.max_in_flight, stand_in.violations) == (1, [])
    assert sync.db.games.count_documents({}) == 6


@pytest.mark.parametrize("site", PLATFORMS)
async def test_case_10_a_third_429_leaves_the_site_alone_and_every_cursor_where_it_was(
    sync: SyncScenario, site: SourceName
) -> None:
    for name in ("Ann", "Bob"):
        sync.add_user(name.lower(), lichess=name, chesscom=name, synced=sync.before_now(hours=6))
        for each in PLATFORMS:
            sync.add_game(each, name, sync.before_now(hours=1))
    fault_queue(sync, site).extend([None, "429", "429", "429"])

    result = await sync.run()

    other = PLATFORMS[1 - PLATFORMS.index(site)]
    assert sync.db.games.count_documents({"platform": other}) == 2
    assert result["candidates"] == result["done"] + result["failed"] == 4
    waiting = list(sync.db.sync_accounts.find({"platform": site, "checked_at": None}))
    assert waiting, "what was not reached is where it was"
    assert sum(len(row["etags"]) for row in waiting) <= 1, "one month came before the first 429"
    assert all(row["cursor"] in (None, sync.before_now(days=92)) for row in waiting)
    assert sync.db.sync_accounts.count_documents({"failures": {"$gt": 0}}) == 0
    sync.db.job_leases.update_many({}, {"$unset": {"closed_until": ""}})
    await sync.run_later(hours=6)
    assert sync.db.games.count_documents({"platform": site}) == 2


async def test_case_10_a_days_allowance_that_is_spent_leaves_lichess_to_the_next_run(
    sync: SyncScenario, capsys: pytest.CaptureFixture[str]
) -> None:
    sync.add_user("ann", lichess="Ann", chesscom="Ann")
    await sync.run_succeeding()
    spent = [
        {"at": datetime.now(UTC) - timedelta(hours=hours), "amount": 8000, "token": str(hours)}
        for hours in range(1, 16)
    ]
    sync.db.job_leases.update_one({"_id": "lane:lichess"}, {"$set": {"spent": spent}})
    for site in PLATFORMS:
        sync.add_game(site, "Ann", sync.clock.now)
    sync.sites.clear_requests()
    sync.clock.move(hours=6)

    result = await sync.run()

    assert sync.requested_paths("lichess") == []
    assert (result["done"], result["failed"]) == (1, 1)
    assert "day's allowance" in capsys.readouterr().out
    assert sync.account("lichess:ann").get("failures", 0) == 0
    sync.db.job_leases.update_one({"_id": "lane:lichess"}, {"$unset": {"spent": ""}})
    await sync.run_later(hours=6)
    assert len(sync.urls("ann")) == 2


async def challenge_page(request: web.Request) -> web.Response:
    """What stands before the site has a page to show."""
    return web.Response(text="<html><body>Just a moment...</body></html>", content_type="text/html")


@pytest.mark.parametrize("site", PLATFORMS)
async def test_case_20_an_outage_of_days_blames_no_account_and_is_made_up_for(
    sync: SyncScenario, site: SourceName
) -> None:
    outages: list[list[SiteFault | Handler]] = [
        ["403"],
        ["503"] * 3,
        [challenge_page] * 3,
        ["500", challenge_page, "503"],
        ["reset"] * 6,  # aiohttp asks a second time by itself
    ]
    names = ("Ann", "Bob", "Cid", "Dan")
    for name in names:
        sync.add_user(name.lower(), lichess=name, chesscom=name, synced=sync.before_now(hours=6))
    await sync.run_succeeding()
    for outage in outages:
        sync.clock.move(days=1)
        for name in names:
            for each in PLATFORMS:
                sync.add_game(each, name, sync.before_now(hours=3), famous=SHORT_GAME)
        fault_queue(sync, site).extend(outage)
        sync.sites.clear_requests()
        result = await sync.run(all=True)
        assert (result["done"], result["failed"]) == (4, 4), outage
        assert 1 <= len(sync.requested_paths(site)) <= len(outage)
        fault_queue(sync, site).clear()
        sync.db.job_leases.update_many({}, {"$unset": {"closed_until": ""}})
    other = PLATFORMS[1 - PLATFORMS.index(site)]
    assert sync.db.games.count_documents({"platform": other}) == 4 * len(outages)
    assert sync.db.sync_accounts.count_documents({"failures": {"$gt": 0}}) == 0

    await sync.run_later(hours=1)

    assert sync.db.games.count_documents({}) == 8 * len(outages)
    assert sync.db.notifications.count_documents({"type": {"$ne": "game_analyzed"}}) == 0


@pytest.mark.parametrize("site", PLATFORMS)
async def test_case_20_while_a_site_is_left_alone_it_is_asked_nothing(
    sync: SyncScenario, site: SourceName, capsys: pytest.CaptureFixture[str]
) -> None:
    sync.add_user("ann", lichess="Ann", chesscom="Ann")
    await sync.run_succeeding()
    until = datetime.now(UTC) + timedelta(hours=1)
    sync.db.job_leases.update_one({"_id": f"lane:{site}"}, {"$set": {"closed_until": until}})
    sync.sites.clear_requests()
    sync.clock.move(hours=6)

    result = await sync.run()

    assert (result["done"], result["failed"]) == (1, 1)
    assert sync.requested_paths(site) == []
    assert capsys.readouterr().out.count('"source_not_synced"') == 1
    assert sync.db.sync_accounts.count_documents({"failures": {"$gt": 0}}) == 0


# Case 19: names


async def test_case_19_a_name_is_put_into_its_form_or_refused_before_any_request(
    sync: SyncScenario,
) -> None:
    good = ["MiXeD", "  spaced\t", "under_score-9"]
    bad = [
        "a/../b",
        "../../etc",
        "a%2fb",
        "größe",
        "İx",
        "a\u200bb",
        "a b",
        "ann?x=1",
        "٣٤٥",
        "ann#",
    ]
    for number, name in enumerate([*good, *bad]):
        sync.db.users.insert_one(
            {"user_id": f"u{number}", "lichess_username": name, "chess_com_username": name}
        )
    forms = ["mixed", "spaced", "under_score-9"]
    for site in PLATFORMS:
        for form in forms:
            sync.world.add_player(site, form, sync.before_now(days=1))
    record = await sync.run_succeeding()

    assert (record["done"], record["skipped"]) == (6, 20)
    (bulk,) = [seen.body for seen in sync.sites.lichess.requests if seen.path == "/api/users"]
    assert sorted(bulk.split(",")) == forms
    exported = {path.split("/")[-1] for path in sync.requested_paths("lichess")} - {"users"}
    assert exported <= set(forms)
    assert {path.split("/")[3] for path in sync.requested_paths("chess.com")} == set(forms)
    assert sync.sites.chesscom.violations == []


# Case 21: two at once


async def test_case_21_a_second_run_is_refused_while_the_first_is_in_progress_and_asks_no_source(
    sync: SyncScenario, long_lease_settings: Settings
) -> None:
    sync.add_user("ann", chesscom="Ann")
    game = sync.add_game("chess.com", "Ann", sync.before_now(hours=1))
    gate = HeldResponse(sync.sites.chesscom.month("ann", "2024-08")[0])
    sync.sites.chesscom.faults.append(gate)
    running = asyncio.create_task(sync.run_succeeding())
    await gate.reached.wait()
    sync.sites.clear_requests()

    async with open_context(long_lease_settings, sync.clock) as other:
        refused = await runner.run_manually(
            other.worker, sync_games.JOB, sync_games.Args(), ShutdownRequest()
        )

    assert refused.exit_code == record.EXIT_HELD == 75
    assert sync.requested_paths("lichess") == sync.requested_paths("chess.com") == []
    gate.open.set()
    await running
    assert sync.urls("ann") == [game.url]
    assert len(sync.queued_game_ids("ann")) == 1
    assert sync.sites.chesscom.violations == []


async def test_case_21_two_daemons_at_one_slot_work_it_once(
    sync: SyncScenario, long_lease_settings: Settings
) -> None:
    sync.add_user("ann", lichess="Ann", chesscom="Ann")
    for site in PLATFORMS:
        sync.add_game(site, "Ann", sync.before_now(hours=1))
    schedule = sync.ctx.config.schedules["sync_games"]
    slot = Slot(schedule="sync_games", at=sync.clock.now)

    async with open_context(long_lease_settings, sync.clock) as other:
        endings = await asyncio.gather(
            *(
                runner.run_slot(
                    ctx.worker,
                    sync_games.JOB,
                    schedule,
                    slot,
                    source="daemon",
                    stop=ShutdownRequest(),
                )
                for ctx in (sync.ctx, other)
            )
        )

    assert [ending.exit_code for ending in endings] == [0, 0]
    assert sync.db.job_runs.count_documents({}) == 1
    assert len(sync.urls("ann")) == len(sync.queued_game_ids("ann")) == 2
    assert sorted(sync.requested_paths("lichess")) == ["/api/games/user/ann"] * 2 + ["/api/users"]
    assert len(set(sync.requested_paths("chess.com"))) == len(sync.requested_paths("chess.com"))


# Case 22: giants


async def test_case_22_a_first_link_to_a_giant_is_bounded(sync: SyncScenario) -> None:
    sync.add_user("ann", lichess="Ann")
    for number in range(1500):
        sync.add_game("lichess", "Ann", sync.before_now(minutes=30 * number), famous=SHORT_GAME)
    sync.sites.clear_requests()

    await sync.run_succeeding()

    newest = [game.url for game in sync.world.players["lichess"]["ann"].games[:500]]
    assert sync.urls("ann") == newest[::-1]
    exports = [seen for seen in sync.sites.lichess.requests if seen.path == EXPORT]
    assert [seen.query["max"] for seen in exports] == ["300", "500"]
    await sync.run_later(hours=6)
    assert len(sync.urls("ann")) == 500, "what was left out stays out"


async def test_case_22_a_first_link_to_a_giant_of_chesscom_is_bounded(sync: SyncScenario) -> None:
    sync.add_user("ann", chesscom="Ann")
    sync.add_user("bob", chesscom="Bob")
    for number in range(700):
        sync.add_game("chess.com", "Ann", sync.before_now(hours=2 * number), famous=SHORT_GAME)
    old = sync.add_game("chess.com", "Bob", sync.before_now(days=93))
    young = sync.add_game("chess.com", "Bob", sync.before_now(days=91))

    await sync.run_succeeding()
    await sync.run_later(hours=6)

    newest = [game.url for game in sync.world.players["chess.com"]["ann"].games[:500]]
    assert sync.urls("ann") == newest[::-1]
    assert sync.urls("bob") == [young.url]
    assert old.url not in sync.urls("bob"), "older than three months"
    anns = [path for path in sync.requested_paths("chess.com") if "/ann/" in path]
    assert len(anns) == 2 + 1, "two months hold the newest, one is still open"


async def test_case_22_a_giants_news_come_in_one_run_and_after_those_of_others(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", lichess="Ann", synced=sync.before_now(days=60))
    for number in range(3200):
        status = "aborted" if number % 3 else "resign"
        sync.add_game(
            "lichess", "Ann", sync.before_now(minutes=1 + number), famous=SHORT_GAME, status=status
        )
    for name in ("Bob", "Cid"):
        sync.add_user(name.lower(), lichess=name, synced=sync.before_now(hours=6))
        sync.add_game("lichess", name, sync.before_now(hours=1))

    record = await sync.run_succeeding()

    assert (record["done"], record["candidates"]) == (3, 3)
    assert len(sync.urls("ann")) == 1067
    exports = [
        path.rpartition("/")[2] for path in sync.requested_paths("lichess") if "user/" in path
    ]
    assert exports.index("bob") < len(exports) - 1 - exports[::-1].index("ann")
    assert exports.index("cid") < len(exports) - 1 - exports[::-1].index("ann")


async def test_case_22_thousands_of_aborted_games_end_like_any_others(sync: SyncScenario) -> None:
    sync.add_user("ann", lichess="Ann", synced=sync.before_now(days=60))
    for number in range(3100):
        sync.add_game(
            "lichess",
            "Ann",
            sync.before_now(minutes=60 + number),
            famous=SHORT_GAME,
            status="aborted",
        )
    last = sync.add_game("lichess", "Ann", sync.before_now(minutes=1))

    await sync.run_succeeding()

    assert sync.urls("ann") == [last.url]
    assert sync.requested_paths("lichess").count(EXPORT) <= 6
