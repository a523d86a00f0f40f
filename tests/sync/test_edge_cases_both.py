"""The cases that a sync must handle on either site: 7, 8, 10 and 19 to 22 of the list."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from chesscoach.config import Settings
from chesscoach.context import open_context
from chesscoach.demo.fake_site import Fault, Handler
from chesscoach.demo.world import Site
from chesscoach.jobs import sync_games
from chesscoach.schedules.schedule import Slot
from chesscoach.worker.job import Stop
from chesscoach.worker.runner import result as record
from chesscoach.worker.runner import runner
from tests.support.sync_scenario import BOTH, EXPORT, LONG, SHORT, Club, Gate, on


def faults_of(club: Club, site: Site) -> Any:
    """What goes wrong next on a site."""
    return (club.sites.lichess if site == "lichess" else club.sites.chesscom).faults


# Case 7: what comes twice


@pytest.mark.parametrize("lost", ["the cursors", "the queue as well", "half of the games as well"])
async def test_case_07_a_crash_before_the_cursor_moved_doubles_nothing(
    club: Club, lost: str
) -> None:
    club.user("ann", lichess="Ann", chesscom="Ann", synced=club.ago(hours=6))
    club.user("new", lichess="New", chesscom="New")
    club.user("gone", lichess="Gone")
    club.world.players["lichess"]["gone"].closed = True
    for name in ("Ann", "New"):
        for site in BOTH:
            for hours in (1, 2, 3):
                club.play(site, name, club.ago(hours=hours))
    for site in BOTH:
        faults_of(club, site).append("403")
    await club.run()  # links the accounts, and checks none
    accounts = list(club.db.sync_accounts.find())
    assert len(accounts) == 5
    club.db.job_leases.update_many({}, {"$unset": {"closed_until": ""}})
    await club.later(minutes=1)
    games = {user: club.games(user) for user in ("ann", "new")}
    queue = {user: club.queued(user) for user in ("ann", "new")}
    for row in accounts:
        club.db.sync_accounts.replace_one({"_id": row["_id"]}, row)
    if lost != "the cursors":
        club.db.analysis_queue.delete_many({})
    if lost == "half of the games as well":
        for user, rows in games.items():
            club.db.games.delete_many(
                {"user_id": user, "url": {"$in": [r["url"] for r in rows[::2]]}}
            )

    await club.later(minutes=1)

    for user in ("ann", "new"):
        assert [len(games[user]), len(queue[user])] == [6, {"ann": 3, "new": 6}[user]]
        assert club.urls(user) == [row["url"] for row in games[user]]
        assert [row["game_id"] for row in club.games(user)] == [r["game_id"] for r in games[user]]
        # Which of the two sites gets at the day's allowance first is open.
        assert len(club.queued(user)) == len(set(club.queued(user))) == len(queue[user])
        assert lost != "the cursors" or club.queued(user) == queue[user]
    assert club.told("gone") == ["account_closed"]


async def test_case_07_a_game_that_the_application_imported_meanwhile_is_its_own(
    club: Club,
) -> None:
    club.user("ann", lichess="Ann", chesscom="Ann", synced=club.ago(hours=6))
    for site in BOTH:
        game = club.play(site, "Ann", club.ago(hours=1))
        club.db.games.insert_one({"game_id": f"own-{site}", "user_id": "ann", "url": game.url})
    before = list(club.db.games.find())

    for _ in range(2):
        await club.sync()
        club.clock.move(hours=6)

    assert list(club.db.games.find()) == before
    assert club.queued("ann") == []


# Case 8: users among themselves


@pytest.mark.parametrize("site", BOTH)
async def test_case_08_a_game_between_two_users_is_each_ones_own(club: Club, site: Site) -> None:
    for name in ("Ann", "Bob"):
        club.user(name.lower(), **on(site, name))
    game = club.play(site, "Ann", club.ago(hours=1), opponent="Bob")

    await club.sync()
    await club.later(hours=6)

    assert club.db.games.count_documents({}) == 2
    rows = {user: club.game(game, user) for user in ("ann", "bob")}
    assert {rows["ann"]["user_color"], rows["bob"]["user_color"]} == {"white", "black"}
    assert rows["ann"]["result"] == rows["bob"]["result"] == LONG.result
    assert (rows["ann"]["opponent"], rows["bob"]["opponent"]) == ("Bob", "Ann")
    assert rows["ann"]["user_rating"] == rows["bob"]["opponent_rating"]
    for user, row in rows.items():
        assert club.queued(user) == [row["game_id"]]


# Cases 10 and 20: sites that do not answer as they should


@pytest.mark.parametrize("site", BOTH)
async def test_case_10_after_each_429_there_is_a_pause_and_then_the_same_request_again(
    club: Club, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["Ann", "Bob", "Cid"]
    for name in names:
        club.user(name.lower(), lichess=name, chesscom=name, synced=club.ago(hours=6))
        for each in BOTH:
            club.play(each, name, club.ago(hours=1))
    faults_of(club, site).extend([None, "429", "429"])

    record = await club.sync()

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["platform"] for line in lines if line["event"] == "site_paused"] == [site] * 2
    asked = club.asked(site)
    assert asked[1] == asked[2] == asked[3]
    assert len(set(asked)) == len(asked) - 2
    assert (record["done"], record["failed"]) == (6, 0)
    assert record["notes"][f"{site.replace('.', '')}_429"] == 2
    stand_in = club.sites.lichess if site == "lichess" else club.sites.chesscom
    assert (stand_in.most_in_flight, stand_in.violations) == (1, [])
    assert club.db.games.count_documents({}) == 6


@pytest.mark.parametrize("site", BOTH)
async def test_case_10_a_third_429_leaves_the_site_alone_and_every_cursor_where_it_was(
    club: Club, site: Site
) -> None:
    for name in ("Ann", "Bob"):
        club.user(name.lower(), lichess=name, chesscom=name, synced=club.ago(hours=6))
        for each in BOTH:
            club.play(each, name, club.ago(hours=1))
    faults_of(club, site).extend([None, "429", "429", "429"])

    told = await club.run()

    other = BOTH[1 - BOTH.index(site)]
    assert club.db.games.count_documents({"platform": other}) == 2
    assert told["candidates"] == told["done"] + told["failed"] == 4
    waiting = list(club.db.sync_accounts.find({"platform": site, "checked_at": None}))
    assert waiting, "what was not reached is where it was"
    assert all(row["etags"] == {} for row in waiting)
    assert all(row["cursor"] in (None, club.ago(hours=6)) for row in waiting)
    assert club.db.sync_accounts.count_documents({"failures": {"$gt": 0}}) == 0
    club.db.job_leases.update_many({}, {"$unset": {"closed_until": ""}})
    await club.later(hours=6)
    assert club.db.games.count_documents({"platform": site}) == 2


async def test_case_10_a_days_allowance_that_is_spent_leaves_lichess_to_the_next_run(
    club: Club, capsys: pytest.CaptureFixture[str]
) -> None:
    club.user("ann", lichess="Ann", chesscom="Ann")
    await club.sync()
    spent = [
        {"at": datetime.now(UTC) - timedelta(hours=hours), "amount": 8000, "token": str(hours)}
        for hours in range(1, 16)
    ]
    club.db.job_leases.update_one({"_id": "lane:lichess"}, {"$set": {"spent": spent}})
    for site in BOTH:
        club.play(site, "Ann", club.clock.now)
    club.sites.forget()
    club.clock.move(hours=6)

    told = await club.run()

    assert club.asked("lichess") == []
    assert (told["done"], told["failed"]) == (1, 1)
    assert "day's allowance" in capsys.readouterr().out
    assert club.account("lichess:ann").get("failures", 0) == 0
    club.db.job_leases.update_one({"_id": "lane:lichess"}, {"$unset": {"spent": ""}})
    await club.later(hours=6)
    assert len(club.urls("ann")) == 2


async def html(request: web.Request) -> web.Response:
    """What stands before the site has a page to show."""
    return web.Response(text="<html><body>Just a moment...</body></html>", content_type="text/html")


@pytest.mark.parametrize("site", BOTH)
async def test_case_20_an_outage_of_days_blames_nobody_and_is_made_up_for(
    club: Club, site: Site
) -> None:
    outages: list[list[Fault | Handler]] = [
        ["403"],
        ["503"] * 3,
        [html] * 3,
        ["500", html, "503"],
        ["reset"] * 6,  # aiohttp asks a second time by itself
    ]
    names = ("Ann", "Bob", "Cid", "Dan")
    for name in names:
        club.user(name.lower(), lichess=name, chesscom=name, synced=club.ago(hours=6))
    await club.sync()
    for outage in outages:
        club.clock.move(days=1)
        for name in names:
            for each in BOTH:
                club.play(each, name, club.ago(hours=3), famous=SHORT)
        faults_of(club, site).extend(outage)
        club.sites.forget()
        told = await club.run(all=True)
        assert (told["done"], told["failed"]) == (4, 4), outage
        assert 1 <= len(club.asked(site)) <= len(outage)
        faults_of(club, site).clear()
        club.db.job_leases.update_many({}, {"$unset": {"closed_until": ""}})
    other = BOTH[1 - BOTH.index(site)]
    assert club.db.games.count_documents({"platform": other}) == 4 * len(outages)
    assert club.db.sync_accounts.count_documents({"failures": {"$gt": 0}}) == 0

    await club.later(hours=1)

    assert club.db.games.count_documents({}) == 8 * len(outages)
    assert club.db.notifications.count_documents({}) == 0


@pytest.mark.parametrize("site", BOTH)
async def test_case_20_while_a_site_is_left_alone_it_is_asked_nothing(
    club: Club, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    club.user("ann", lichess="Ann", chesscom="Ann")
    await club.sync()
    until = datetime.now(UTC) + timedelta(hours=1)
    club.db.job_leases.update_one({"_id": f"lane:{site}"}, {"$set": {"closed_until": until}})
    club.sites.forget()
    club.clock.move(hours=6)

    told = await club.run()

    assert (told["done"], told["failed"]) == (1, 1)
    assert club.asked(site) == []
    assert capsys.readouterr().out.count('"site_not_synced"') == 1
    assert club.db.sync_accounts.count_documents({"failures": {"$gt": 0}}) == 0


# Case 19: names


async def test_case_19_a_name_is_put_into_its_form_or_refused_before_any_request(
    club: Club,
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
        club.db.users.insert_one(
            {"user_id": f"u{number}", "lichess_username": name, "chess_com_username": name}
        )
    forms = ["mixed", "spaced", "under_score-9"]
    for site in BOTH:
        for form in forms:
            club.world.add_player(site, form, club.ago(days=1))
    record = await club.sync()

    assert (record["done"], record["skipped"]) == (6, 20)
    (bulk,) = [seen.body for seen in club.sites.lichess.seen if seen.path == "/api/users"]
    assert sorted(bulk.split(",")) == forms
    exported = {path.split("/")[-1] for path in club.asked("lichess")} - {"users"}
    assert exported <= set(forms)
    assert {path.split("/")[3] for path in club.asked("chess.com")} == set(forms)
    assert club.sites.chesscom.violations == []


# Case 21: two at once


async def test_case_21_a_second_run_is_refused_while_the_first_is_at_work_and_asks_nobody(
    club: Club, patient: Settings
) -> None:
    club.user("ann", chesscom="Ann")
    game = club.play("chess.com", "Ann", club.ago(hours=1))
    gate = Gate(club.sites.chesscom.month("ann", "2024-08")[0])
    club.sites.chesscom.faults.append(gate)
    running = asyncio.create_task(club.sync())
    await gate.reached.wait()
    club.sites.forget()

    async with open_context(patient, club.clock) as other:
        refused = await runner.by_hand(other, sync_games.JOB, sync_games.Args(), Stop())

    assert refused.exit_code == record.HELD == 75
    assert club.asked("lichess") == club.asked("chess.com") == []
    gate.open.set()
    await running
    assert club.urls("ann") == [game.url]
    assert len(club.queued("ann")) == 1
    assert club.sites.chesscom.violations == []


async def test_case_21_two_daemons_at_one_slot_work_it_once(club: Club, patient: Settings) -> None:
    club.user("ann", lichess="Ann", chesscom="Ann")
    for site in BOTH:
        club.play(site, "Ann", club.ago(hours=1))
    schedule = club.ctx.config.schedules["sync_games"]
    slot = Slot(schedule="sync_games", at=club.clock.now)

    async with open_context(patient, club.clock) as other:
        endings = await asyncio.gather(
            *(
                runner.of_slot(ctx, sync_games.JOB, schedule, slot, source="daemon", stop=Stop())
                for ctx in (club.ctx, other)
            )
        )

    assert [ending.exit_code for ending in endings] == [0, 0]
    assert club.db.job_runs.count_documents({}) == 1
    assert len(club.urls("ann")) == len(club.queued("ann")) == 2
    assert sorted(club.asked("lichess")) == ["/api/games/user/ann"] * 2 + ["/api/users"]
    assert len(set(club.asked("chess.com"))) == len(club.asked("chess.com"))


# Case 22: giants


async def test_case_22_a_first_link_to_a_giant_is_bounded(club: Club) -> None:
    club.user("ann", lichess="Ann")
    for number in range(1500):
        club.play("lichess", "Ann", club.ago(minutes=30 * number), famous=SHORT)
    club.sites.forget()

    await club.sync()

    newest = [game.url for game in club.world.players["lichess"]["ann"].games[:500]]
    assert club.urls("ann") == newest[::-1]
    exports = [seen for seen in club.sites.lichess.seen if seen.path == EXPORT]
    assert [seen.query["max"] for seen in exports] == ["300", "500"]
    await club.later(hours=6)
    assert len(club.urls("ann")) == 500, "what was left out stays out"


async def test_case_22_a_first_link_to_a_giant_of_chesscom_is_bounded(club: Club) -> None:
    club.user("ann", chesscom="Ann")
    club.user("bob", chesscom="Bob")
    for number in range(700):
        club.play("chess.com", "Ann", club.ago(hours=2 * number), famous=SHORT)
    old = club.play("chess.com", "Bob", club.ago(days=93))
    young = club.play("chess.com", "Bob", club.ago(days=91))

    await club.sync()
    await club.later(hours=6)

    newest = [game.url for game in club.world.players["chess.com"]["ann"].games[:500]]
    assert club.urls("ann") == newest[::-1]
    assert club.urls("bob") == [young.url]
    assert old.url not in club.urls("bob"), "older than three months"
    anns = [path for path in club.asked("chess.com") if "/ann/" in path]
    assert len(anns) == 2 + 1, "two months hold the newest, one is still open"


async def test_case_22_a_giants_news_come_in_one_run_and_after_those_of_others(club: Club) -> None:
    club.user("ann", lichess="Ann", synced=club.ago(days=60))
    for number in range(3200):
        status = "aborted" if number % 3 else "resign"
        club.play("lichess", "Ann", club.ago(minutes=1 + number), famous=SHORT, status=status)
    for name in ("Bob", "Cid"):
        club.user(name.lower(), lichess=name, synced=club.ago(hours=6))
        club.play("lichess", name, club.ago(hours=1))

    record = await club.sync()

    assert (record["done"], record["candidates"]) == (3, 3)
    assert len(club.urls("ann")) == 1067
    exports = [path.rpartition("/")[2] for path in club.asked("lichess") if "user/" in path]
    assert exports.index("bob") < len(exports) - 1 - exports[::-1].index("ann")
    assert exports.index("cid") < len(exports) - 1 - exports[::-1].index("ann")


async def test_case_22_thousands_of_aborted_games_end_like_any_others(club: Club) -> None:
    club.user("ann", lichess="Ann", synced=club.ago(days=60))
    for number in range(3100):
        club.play("lichess", "Ann", club.ago(minutes=60 + number), famous=SHORT, status="aborted")
    last = club.play("lichess", "Ann", club.ago(minutes=1))

    await club.sync()

    assert club.urls("ann") == [last.url]
    assert club.asked("lichess").count(EXPORT) <= 6
