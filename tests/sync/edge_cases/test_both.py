"""The cases 7, 8, 10, 19, 21 and 22 of the list; tests/sync/test_source_faults.py has 20."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from chesscoach.config import Settings
from chesscoach.context import open_context
from chesscoach.demo.world import SourceName
from chesscoach.jobs import sync_games
from chesscoach.schedules.schedule import Slot
from chesscoach.worker.runner import runner
from chesscoach.worker.shutdown import ShutdownRequest
from tests.support.sync.sync_members import ANALYSABLE_GAME, PLATFORMS, SHORT_GAME
from tests.support.sync.sync_scenario import EXPORT, SyncScenario, account_on

# Case 7: what comes twice


@pytest.mark.parametrize("lost", ["the cursors", "the queue and half of the games"])
async def test_case_07_a_crash_before_the_cursor_moved_doubles_nothing(
    sync: SyncScenario, lost: str
) -> None:
    sync.add_user("ann", lichess="Ann", chesscom="Ann", synced=sync.before_now(hours=6))
    sync.add_user("new", lichess="New", chesscom="New")
    sync.add_user("gone", lichess="Gone")
    sync.world.players["lichess"]["gone"].closed = True
    for name in ("Ann", "New"):
        for site in PLATFORMS:
            sync.add_games(site, name, *(sync.before_now(hours=hours) for hours in (1, 2, 3)))
    for site in PLATFORMS:
        sync.fake_site(site).faults.append("403")
    await sync.run()  # links the accounts, and checks none
    accounts = list(sync.db.sync_accounts.find())
    assert len(accounts) == 5
    sync.reopen_sources()
    await sync.run_later(minutes=1)
    games = {user: sync.games(user) for user in ("ann", "new")}
    queue = {user: sync.queued_game_ids(user) for user in ("ann", "new")}
    for account in accounts:
        sync.db.sync_accounts.replace_one({"_id": account["_id"]}, account)
    if lost != "the cursors":
        sync.db.analysis_queue.delete_many({})
        for user, stored in games.items():
            urls = [game["url"] for game in stored[::2]]
            sync.db.games.delete_many({"user_id": user, "url": {"$in": urls}})

    await sync.run_later(minutes=1)

    for user in ("ann", "new"):
        assert [len(games[user]), len(queue[user])] == [6, {"ann": 3, "new": 6}[user]]
        ids = [[game["game_id"] for game in stored] for stored in (sync.games(user), games[user])]
        assert ids[0] == ids[1]
        # Which of the two sites gets at the day's allowance first is open.
        queued = sync.queued_game_ids(user)
        assert len(queued) == len(set(queued)) == len(queue[user])
        assert lost != "the cursors" or queued == queue[user]
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
    ann, bob = sync.game(game, "ann"), sync.game(game, "bob")
    assert {ann["user_color"], bob["user_color"]} == {"white", "black"}
    assert ann["result"] == bob["result"] == ANALYSABLE_GAME.result
    assert (ann["opponent"], bob["opponent"]) == ("Bob", "Ann")
    assert ann["user_rating"] == bob["opponent_rating"]
    assert sync.queued_game_ids("ann") == [ann["game_id"]]
    assert sync.queued_game_ids("bob") == [bob["game_id"]]


# Case 10: the allowance; test_source_faults.py has the rest


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


# Case 19: names


async def test_case_19_a_name_is_put_into_its_form_or_refused_before_any_request(
    sync: SyncScenario,
) -> None:
    good = ["MiXeD", "  spaced\t", "under_score-9"]
    bad = ["a/../b", "a%2fb", "größe", "a\u200bb", "a b", "ann?x=1", "٣٤٥", "ann,bob", "x" * 300]
    no_texts = [42, ["ann"], {"$ne": None}, True, b"ann"]
    blank = ["", " ", "\t\n"]
    for number, name in enumerate([*good, *bad, *no_texts, *blank]):
        sync.db.users.insert_one(
            {"user_id": f"u{number}", "lichess_username": name, "chess_com_username": name}
        )
    forms = ["mixed", "spaced", "under_score-9"]
    for site in PLATFORMS:
        for form in forms:
            sync.world.add_player(site, form, sync.before_now(days=1))
    record = await sync.run_succeeding()

    assert (record["done"], record["skipped"]) == (6, 2 * len([*bad, *no_texts]))
    (bulk,) = [seen.body for seen in sync.sites.lichess.requests if seen.method == "POST"]
    assert sorted(bulk.split(",")) == forms
    exported = {path.split("/")[-1] for path in sync.requested_paths("lichess")} - {"users"}
    assert exported <= set(forms)
    assert {path.split("/")[3] for path in sync.requested_paths("chess.com")} == set(forms)
    assert sync.sites.chesscom.violations == []


# Case 21: two at once; tests/jobs/test_command.py has two processes


async def test_case_21_two_daemons_at_one_slot_run_it_once(
    sync: SyncScenario, long_lease_settings: Settings
) -> None:
    sync.add_user("ann", lichess="Ann", chesscom="Ann")
    for site in PLATFORMS:
        sync.add_game(site, "Ann", sync.before_now(hours=1))
    schedule = sync.ctx.config.schedules["sync_games"]
    slot = Slot(schedule="sync_games", at=sync.clock.now)

    async with open_context(long_lease_settings, sync.clock) as other:
        run_slot = partial(runner.run_slot, source="daemon", stop=ShutdownRequest())
        endings = await asyncio.gather(
            run_slot(sync.ctx.worker, sync_games.JOB, schedule, slot),
            run_slot(other.worker, sync_games.JOB, schedule, slot),
        )

    assert [ending.exit_code for ending in endings] == [0, 0]
    assert sync.db.job_runs.count_documents({}) == 1
    assert len(sync.urls("ann")) == len(sync.queued_game_ids("ann")) == 2
    assert sorted(sync.requested_paths("lichess")) == ["/api/games/user/ann"] * 2 + ["/api/users"]
    assert len(set(sync.requested_paths("chess.com"))) == len(sync.requested_paths("chess.com"))


# Case 22: giants


@pytest.mark.parametrize("site", PLATFORMS)
async def test_case_22_a_first_sync_of_a_giant_takes_the_newest_five_hundred_games(
    sync: SyncScenario, site: SourceName
) -> None:
    sync.add_user("ann", **account_on(site, "Ann"))
    urls = sync.add_history(site, "Ann", 520, hours=2)

    await sync.run_succeeding()
    await sync.run_later(hours=6)

    assert sync.urls("ann") == urls[499::-1], "what was left out stays out"
    if site == "lichess":
        exports = [seen for seen in sync.sites.lichess.requests if seen.path == EXPORT]
        assert [seen.query["max"] for seen in exports] == ["300", "500"]
    else:
        assert len(sync.requested_paths(site)) == 2 + 1, "two months hold them, one is open"


@pytest.mark.parametrize("site", PLATFORMS)
async def test_case_22_a_first_sync_goes_back_three_months(
    sync: SyncScenario, site: SourceName
) -> None:
    sync.add_user("bob", **account_on(site, "Bob"))
    sync.add_game(site, "Bob", sync.before_now(days=93))
    young = sync.add_game(site, "Bob", sync.before_now(days=91))

    await sync.run_succeeding()

    assert sync.urls("bob") == [young.url]


async def test_case_22_a_giants_news_come_in_one_run_and_after_those_of_others(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", lichess="Ann", synced=sync.before_now(days=60))
    kept = sync.add_history("lichess", "Ann", 100, minutes=30)
    sync.add_games(
        *("lichess", "Ann"),
        *(sync.before_now(minutes=1 + number) for number in range(3100)),
        famous=SHORT_GAME,
        status="aborted",
    )
    for name in ("Bob", "Cid"):
        sync.add_user(name.lower(), lichess=name, synced=sync.before_now(hours=6))
        sync.add_game("lichess", name, sync.before_now(hours=1))

    record = await sync.run_succeeding()

    assert (record["done"], record["candidates"]) == (3, 3)
    assert sync.urls("ann") == kept[::-1], "aborted games end like any others"
    exports = [path for path in sync.requested_paths("lichess") if "user/" in path]
    names = [path.rpartition("/")[2] for path in exports]
    assert names.count("ann") <= 5
    last = len(names) - 1 - names[::-1].index("ann")
    assert max(names.index("bob"), names.index("cid")) < last
