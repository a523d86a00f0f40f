import asyncio
import random
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson.datetime_ms import DatetimeMS
from msgspec.structs import replace

from chesscoach.config import Settings
from chesscoach.context import Context, open_context
from chesscoach.demo.world import SimulatedPlayer, SourceName, historical_games
from chesscoach.errors import ConfigError
from chesscoach.jobs import sync_games
from chesscoach.sources.game import Platform
from chesscoach.sync import archive_months
from chesscoach.worker.runner import runner
from chesscoach.worker.shutdown import ShutdownRequest
from tests.conftest import FakeSites

ANALYSABLE_GAME = next(game for game in historical_games() if len(game.moves.split()) >= 40)
SHORT_GAME = min(historical_games(), key=lambda game: len(game.moves.split()))


def before_now(**delta: float) -> datetime:
    return datetime.now(UTC) - timedelta(**delta)


async def run_sync(ctx: Context, **args: Any) -> dict[str, Any]:
    """One run by hand, which must succeed; its record."""
    ending = await runner.run_manually(
        ctx.worker, sync_games.JOB, sync_games.Args(**args), ShutdownRequest()
    )
    assert ending.record["outcome"] == "succeeded", ending.record
    return ending.record


async def add_member(
    ctx: Context,
    db: Any,
    sites: FakeSites,
    name: str,
    *platforms: SourceName,
    synced: datetime | None = None,
) -> list[SimulatedPlayer]:
    """A user with accounts on the sites; `synced` says when the application last synced him."""
    names: dict[Platform, str | None] = dict.fromkeys(platforms, name)
    await ctx.users.link(name.lower(), names)
    if synced is not None:
        db.users.update_one(
            {"user_id": name.lower()}, {"$set": {"last_game_sync": synced.isoformat()}}
        )
    return [sites.world.add_player(site, name, before_now(days=3)) for site in platforms]


def stored_urls(db: Any, user_id: str) -> list[str]:
    return sorted(row["url"] for row in db.games.find({"user_id": user_id}))


def expected_urls(sites: FakeSites, name: str, *platforms: SourceName) -> list[str]:
    games = [game for site in platforms for game in sites.world.finished_games(site, name)]
    return sorted(game.url for game in games)


async def test_a_first_sync_stores_every_game_once_in_the_applications_shape(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    await add_member(ctx, db, sites, "Ann", "lichess", "chess.com")
    for days in (1, 5, 40):
        sites.world.add_game("lichess", "Ann", before_now(days=days), famous=ANALYSABLE_GAME)
        sites.world.add_game("chess.com", "Ann", before_now(days=days), famous=ANALYSABLE_GAME)

    record = await run_sync(ctx)

    assert stored_urls(db, "ann") == expected_urls(sites, "Ann", "lichess", "chess.com")
    assert record["candidates"] == record["done"] == 2
    row = db.games.find_one({"user_id": "ann", "platform": "lichess"})
    game = next(g for g in sites.world.finished_games("lichess", "Ann") if g.url == row["url"])
    assert row["user_color"] == ("white" if game.white == "Ann" else "black")
    assert row["username"] == "Ann"
    assert row["result"] == ANALYSABLE_GAME.result
    assert row["time_control"] == "rapid"
    assert (row["is_analyzed"], row["auto_synced"]) == (False, True)
    assert datetime.fromisoformat(row["imported_at"]).utcoffset() == timedelta(0)
    assert row["imported_at"].endswith("+00:00")
    assert str(uuid.UUID(row["game_id"])) == row["game_id"]
    assert ANALYSABLE_GAME.moves.split()[0] in row["pgn"]


async def test_a_second_run_stores_nothing_and_asks_as_little_as_the_sites_allow(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    await add_member(ctx, db, sites, "Ann", "lichess", "chess.com")
    for days in (1, 5, 40):
        sites.world.add_game("lichess", "Ann", before_now(days=days))
        sites.world.add_game("chess.com", "Ann", before_now(days=days))
    await run_sync(ctx)
    before = list(db.games.find().sort("_id"))
    sites.clear_requests()

    record = await run_sync(ctx, all=True)

    assert list(db.games.find().sort("_id")) == before
    assert "games_stored" not in record["notes"]
    assert [seen.path for seen in sites.lichess.requests] == ["/api/users"]
    open_months = 1 + (
        archive_months.first_open_month(datetime.now(UTC))
        != archive_months.month_of(datetime.now(UTC))
    )
    assert [seen.status for seen in sites.chesscom.requests] == [304] * open_months


async def test_five_hundred_users_taken_over_cost_the_fewest_requests(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    chance = random.Random(5)
    synced = before_now(hours=6)
    imported = 0
    for number in range(500):
        name = f"Player{number}"
        old = synced - timedelta(days=2)
        await add_member(ctx, db, sites, name, "lichess", "chess.com", synced=synced)
        both: tuple[SourceName, SourceName] = ("lichess", "chess.com")
        for site in both:
            sites.world.players[site][name.lower()].seen_at = old
        if number % 100 < 15:
            for site in both:
                for _ in range(2):
                    game = sites.world.add_game(
                        site, name, before_now(hours=chance.uniform(0.1, 5))
                    )
                if chance.random() < 0.3:  # the application was faster with this one
                    imported += 1
                    db.games.insert_one(
                        {
                            "game_id": str(uuid.uuid4()),
                            "user_id": name.lower(),
                            "platform": site,
                            "url": game.url,
                        }
                    )

    record = await run_sync(ctx)

    assert record["candidates"] == record["done"] == 1000
    assert record["notes"]["games_stored"] == 75 * 2 * 2 - imported
    for number in range(500):
        name = f"Player{number}"
        assert stored_urls(db, name.lower()) == expected_urls(sites, name, "lichess", "chess.com")
    assert len(sites.lichess.requests) == 2 + 75
    open_months = 1 + (
        archive_months.first_open_month(synced) != archive_months.month_of(datetime.now(UTC))
    )
    assert len(sites.chesscom.requests) == 500 * open_months
    assert (sites.lichess.violations, sites.chesscom.violations) == ([], [])
    assert (sites.lichess.max_in_flight, sites.chesscom.max_in_flight) == (1, 1)


async def test_take_over_starts_ten_minutes_before_the_applications_last_sync(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    synced = before_now(hours=6)
    await add_member(ctx, db, sites, "Ann", "lichess", synced=synced)
    play = sites.world.add_game
    play("lichess", "Ann", synced, started_at=synced - timedelta(minutes=11))
    just = play("lichess", "Ann", synced, started_at=synced - timedelta(minutes=9))
    later = play("lichess", "Ann", before_now(hours=1))

    await run_sync(ctx)

    assert stored_urls(db, "ann") == sorted([just.url, later.url])


async def test_a_first_sync_takes_the_newest_games_of_three_months(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    await add_member(ctx, db, sites, "Ann", "lichess", "chess.com")
    both: tuple[SourceName, SourceName] = ("lichess", "chess.com")
    for site in both:
        sites.world.add_game(site, "Ann", before_now(days=120))
        for number in range(510):
            sites.world.add_game(site, "Ann", before_now(hours=number * 4 + 1), famous=SHORT_GAME)

    await run_sync(ctx)

    for site in both:
        games = sorted(
            sites.world.finished_games(site, "Ann"), key=lambda g: g.ended_at or before_now()
        )
        newest = {game.url for game in games[-500:]}
        assert {row["url"] for row in db.games.find({"platform": site})} == newest
    sites.world.add_game("chess.com", "Ann", before_now(minutes=1))

    record = await run_sync(ctx, all=True)  # the month comes again, and the old games stay out

    assert record["notes"]["games_stored"] == 1


async def test_a_newcomer_to_a_known_account_gets_his_own_back_fill(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    await add_member(ctx, db, sites, "Ann", "lichess", "chess.com")
    both: tuple[SourceName, SourceName] = ("lichess", "chess.com")
    for site in both:
        for days in (2, 20):
            sites.world.add_game(site, "Ann", before_now(days=days))
    await run_sync(ctx)
    db.games.delete_one({"url": list(sites.world.finished_games("lichess", "Ann"))[1].url})
    kept = stored_urls(db, "ann")
    await ctx.users.link("coach", {"lichess": "ann", "chess.com": "ANN"})
    for site in both:
        sites.world.add_game(site, "Ann", before_now(minutes=3))
    new = expected_urls(sites, "Ann", *both)

    await run_sync(ctx)

    assert stored_urls(db, "coach") == new
    assert len(stored_urls(db, "ann")) == len(kept) + 2, "the old user gets what is new, no more"


async def test_a_user_who_adds_a_second_site_gets_a_first_sync_there(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    await add_member(ctx, db, sites, "Ann", "lichess", synced=before_now(hours=6))
    await run_sync(ctx)
    sites.world.add_player("chess.com", "Ann", before_now(days=30))
    sites.world.add_game("chess.com", "Ann", before_now(days=30))
    await ctx.users.link("ann", {"chess.com": "Ann"})

    await run_sync(ctx)

    assert stored_urls(db, "ann") == expected_urls(sites, "Ann", "chess.com")


async def test_a_changed_name_leaves_the_old_account_and_keeps_its_games(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    await add_member(ctx, db, sites, "Ann", "lichess")
    sites.world.add_game("lichess", "Ann", before_now(days=1))
    await run_sync(ctx)
    sites.world.add_player("lichess", "Annette", before_now(days=1))
    sites.world.add_game("lichess", "Annette", before_now(hours=2))
    await ctx.users.link("ann", {"lichess": "Annette"})
    sites.world.add_game("lichess", "Ann", before_now(minutes=5))

    await run_sync(ctx, all=True)

    assert len(stored_urls(db, "ann")) == 2
    assert db.sync_accounts.find_one({"_id": "lichess:ann"})["links"] == []


async def test_a_long_history_is_walked_page_by_page(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    await add_member(ctx, db, sites, "Ann", "lichess", synced=before_now(days=60))
    for number in range(1203):
        status = "aborted" if number % 7 == 0 else "resign"
        sites.world.add_game(
            "lichess", "Ann", before_now(minutes=2 + number), famous=SHORT_GAME, status=status
        )

    record = await run_sync(ctx)

    expected = sorted(
        g.url for g in sites.world.finished_games("lichess", "Ann") if g.status == "resign"
    )
    assert stored_urls(db, "ann") == expected
    assert record["notes"]["lichess_requests"] == 3


async def test_an_unfinished_game_is_stored_when_it_ends_however_long_ago_it_began(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    await add_member(ctx, db, sites, "Ann", "lichess", synced=before_now(hours=6))
    slow = sites.world.add_game(
        "lichess", "Ann", None, started_at=before_now(hours=5), speed="correspondence"
    )
    sites.world.add_game("lichess", "Ann", before_now(hours=1))
    await run_sync(ctx)
    assert slow.url not in stored_urls(db, "ann")
    slow.ended_at, slow.status = before_now(minutes=1), "resign"

    await run_sync(ctx, all=True)
    await run_sync(ctx, all=True)

    assert stored_urls(db, "ann") == expected_urls(sites, "Ann", "lichess")
    assert db.sync_accounts.find_one({"_id": "lichess:ann"})["pending"] == []


async def test_games_worth_it_are_queued_within_the_days_allowance(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    await add_member(ctx, db, sites, "New", "lichess")
    await add_member(ctx, db, sites, "Old", "lichess", "chess.com", synced=before_now(hours=6))
    for number in range(20):
        sites.world.add_game("lichess", "New", before_now(hours=1 + number), famous=ANALYSABLE_GAME)
    for number in range(4):
        sites.world.add_game(
            "lichess", "Old", before_now(minutes=30 + number), famous=ANALYSABLE_GAME
        )
        sites.world.add_game(
            "chess.com", "Old", before_now(minutes=40 + number), famous=ANALYSABLE_GAME
        )
    sites.world.add_game("lichess", "Old", before_now(minutes=5), famous=SHORT_GAME)
    sites.world.add_game(
        "lichess", "Old", before_now(minutes=6), famous=ANALYSABLE_GAME, speed="bullet"
    )

    await run_sync(ctx)

    assert db.analysis_queue.count_documents({"user_id": "new"}) == 15
    items = list(db.analysis_queue.find({"user_id": "old"}))
    assert len(items) == 3
    for item in items:
        game = db.games.find_one({"game_id": item["game_id"], "user_id": "old"})
        assert game["time_control"] == "rapid"
        assert (item["status"], item["started_at"]) == ("pending", None)
        assert item["created_at"].endswith("+00:00")
    newest = sorted(
        sites.world.finished_games("lichess", "New"), key=lambda g: g.ended_at or before_now()
    )[-15:]
    queued = {item["game_id"] for item in db.analysis_queue.find({"user_id": "new"})}
    urls = {row["url"] for row in db.games.find({"game_id": {"$in": list(queued)}})}
    assert urls == {game.url for game in newest}


@pytest.mark.parametrize(
    "name",
    [
        "../../etc",
        "a/b",
        "x?y=1",
        "a,b",
        "",
        " ",
        "x" * 300,
        "größe",
        "ann\nbob",
        "ann%2f",
        "١٢٣",
        42,
        ["ann"],
        {"$ne": None},
        True,
        b"ann",
    ],
)
async def test_a_name_that_no_site_could_have_is_refused_without_a_request(
    ctx: Context, db: Any, sites: FakeSites, name: object
) -> None:
    db.users.insert_one({"user_id": "odd", "lichess_username": name, "chess_com_username": name})
    await add_member(ctx, db, sites, "Ann", "lichess", "chess.com")

    record = await run_sync(ctx)

    assert (record["skipped"], record["done"]) == (2, 2)
    assert [seen.body for seen in sites.lichess.requests if seen.path == "/api/users"] == ["ann"]
    assert all("ann" in seen.path for seen in sites.chesscom.requests)


async def test_both_spellings_of_the_chesscom_name_count(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    for user, field in (("one", "chesscom_username"), ("two", "chess_com_username")):
        db.users.insert_one({"user_id": user, field: user})
        sites.world.add_player("chess.com", user, before_now(days=1))
        sites.world.add_game("chess.com", user, before_now(days=1))

    await run_sync(ctx)

    assert {row["user_id"] for row in db.games.find()} == {"one", "two"}


async def test_one_failing_account_fails_alone_and_says_for_whom(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    await add_member(ctx, db, sites, "Ann", "lichess", "chess.com")
    db.users.insert_one({"user_id": "ghost", "lichess_username": "nobody_here"})
    sites.world.add_game("lichess", "Ann", before_now(days=1))

    ending = await runner.run_manually(
        ctx.worker, sync_games.JOB, sync_games.Args(), ShutdownRequest()
    )

    assert (ending.record["outcome"], ending.exit_code) == ("partial", 1)  # 2 of 3 is below 0.9
    assert (ending.record["done"], ending.record["failed"]) == (2, 1)
    sample = ending.record["errors"][0]
    assert (sample["account"], sample["user_id"]) == ("lichess:nobody_here", "ghost")
    assert len(stored_urls(db, "ann")) == 1


async def test_an_account_that_keeps_failing_is_set_aside_and_no_longer_fails_the_runs(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    await add_member(ctx, db, sites, "Ann", "chess.com")
    await add_member(ctx, db, sites, "Bob", "chess.com")
    for _ in range(3):
        sites.chesscom.faults.append("internal")
        ending = await runner.run_manually(
            ctx.worker, sync_games.JOB, sync_games.Args(user="ann"), ShutdownRequest()
        )
        assert ending.record["failed"] == 1

    record = await run_sync(ctx)

    assert record["done"] == record["candidates"] == 1
    record = await run_sync(ctx, all=True)
    assert record["done"] == 2


async def test_a_site_that_is_down_fails_its_accounts_and_not_the_others(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    for name in ("Ann", "Bob", "Cid", "Dan"):
        await add_member(ctx, db, sites, name, "lichess", "chess.com")
        sites.world.add_game("lichess", name, before_now(days=1))
        sites.world.add_game("chess.com", name, before_now(days=1))
    sites.chesscom.faults.append("403")

    ending = await runner.run_manually(
        ctx.worker, sync_games.JOB, sync_games.Args(), ShutdownRequest()
    )

    assert (ending.record["done"], ending.record["failed"]) == (4, 4)
    assert "403" in ending.record["errors"][0]["error"]
    assert len(sites.chesscom.requests) == 1
    assert db.games.count_documents({"platform": "lichess"}) == 4
    assert db.sync_accounts.count_documents({"failures": {"$gt": 0}}) == 0, "no account is blamed"


async def test_without_a_contact_chesscom_is_skipped_and_the_run_says_so(
    settings: Settings, db: Any, sites: FakeSites, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = replace(settings.config.sources, contact="")
    quiet = replace(settings, config=replace(settings.config, sources=sources))
    async with open_context(quiet) as ctx:
        await ctx.indexes.create()
        await add_member(ctx, db, sites, "Ann", "lichess", "chess.com")

        record = await run_sync(ctx)

    assert (record["done"], record["skipped"]) == (1, 1)
    assert sites.chesscom.requests == []
    assert capsys.readouterr().out.count("chesscom_skipped") == 1


async def test_last_game_sync_becomes_the_older_of_the_sites_last_successes(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    await add_member(ctx, db, sites, "Ann", "lichess", "chess.com")
    await run_sync(ctx)
    checks = [row["checked_at"] for row in db.sync_accounts.find()]
    told = db.users.find_one({"user_id": "ann"})["last_game_sync"]

    assert abs(datetime.fromisoformat(told) - min(checks)) < timedelta(milliseconds=1)
    assert told.endswith("+00:00")
    sites.lichess.faults.append("403")
    await runner.run_manually(
        ctx.worker, sync_games.JOB, sync_games.Args(all=True), ShutdownRequest()
    )
    stays = db.sync_accounts.find_one({"_id": "lichess:ann"})["checked_at"]
    now = datetime.fromisoformat(db.users.find_one({"user_id": "ann"})["last_game_sync"])
    assert abs(now - stays) < timedelta(milliseconds=1)


async def test_only_those_due_are_taken_unless_all_or_one_is_asked_for(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    await add_member(ctx, db, sites, "Ann", "lichess")
    await add_member(ctx, db, sites, "Bob", "lichess")
    await run_sync(ctx)
    later = datetime.now(UTC) + timedelta(days=1)
    db.sync_accounts.update_many({}, {"$set": {"due_at": later}})

    assert (await run_sync(ctx))["candidates"] == 0
    assert (await run_sync(ctx, all=True))["candidates"] == 2
    db.sync_accounts.update_many({}, {"$set": {"due_at": later}})
    assert (await run_sync(ctx, user="bob"))["candidates"] == 1


async def test_an_unknown_user_is_a_usage_error(ctx: Context) -> None:
    ending = await runner.run_manually(
        ctx.worker, sync_games.JOB, sync_games.Args(user="nobody"), ShutdownRequest()
    )

    assert ending.exit_code == 2
    assert "nobody" in ending.record["errors"][0]["error"]


async def test_a_dry_run_asks_nobody_and_changes_nothing(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    await add_member(ctx, db, sites, "Ann", "lichess", "chess.com")
    db.users.insert_one({"user_id": "odd", "lichess_username": "a/b"})
    args = sync_games.Args()

    ending = await runner.dry_run(ctx.worker, sync_games.JOB, args, ShutdownRequest())

    assert ending.record["notes"] == {
        "invalid_usernames": 1,
        "would_check_lichess": 1,
        "would_check_chesscom": 1,
    }
    assert sites.lichess.requests == sites.chesscom.requests == []
    assert db.sync_accounts.count_documents({}) == db.job_runs.count_documents({}) == 0


async def test_a_database_without_the_unique_index_is_refused(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    db.games.drop_indexes()

    with pytest.raises(
        ConfigError, match=r"no unique index on \(game_id\): run `chesscoach db init`"
    ):
        await runner.run_manually(ctx.worker, sync_games.JOB, sync_games.Args(), ShutdownRequest())


async def test_a_stop_in_the_middle_leaves_the_rest_for_the_next_run(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    for number in range(30):
        await add_member(ctx, db, sites, f"Player{number}", "chess.com")
        sites.world.add_game("chess.com", f"Player{number}", before_now(days=1))
    stop = ShutdownRequest()
    sites.chesscom.delay_s = 0.01

    def observe(counts: Any) -> None:
        if len(sites.chesscom.requests) >= 10 and not stop.requested.is_set():
            stop.request(15)

    ending = await runner.run_manually(ctx.worker, sync_games.JOB, sync_games.Args(), stop, observe)

    assert (ending.record["outcome"], ending.exit_code) == ("cancelled", 143)
    done = ending.record["done"]
    assert 0 < done < 30
    record = await run_sync(ctx)
    assert db.games.count_documents({}) == 30
    assert record["done"] == 30
    first = [s.path.split("/")[3] for s in sites.chesscom.requests[-4 * 30 :]]
    assert len(set(first)) == 30


async def test_what_a_kill_left_behind_is_finished_with_no_game_or_item_twice(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    """The state between the writes of games and queue items, and between those and the cursor."""
    await add_member(ctx, db, sites, "Ann", "lichess", "chess.com", synced=before_now(hours=6))
    for minutes in (30, 40, 50, 60):
        sites.world.add_game("lichess", "Ann", before_now(minutes=minutes), famous=ANALYSABLE_GAME)
        sites.world.add_game(
            "chess.com", "Ann", before_now(minutes=minutes), famous=ANALYSABLE_GAME
        )
    await run_sync(ctx, user="ann")
    games = stored_urls(db, "ann")
    accounts = {row["_id"]: row for row in db.sync_accounts.find()}
    assert db.analysis_queue.count_documents({}) == 3
    for row in accounts.values():  # as if never checked: games there, cursor and queue not
        for field in ("checked_at", "settled_at", "fingerprint", "saved_at"):
            row[field] = None if field != "fingerprint" else ""
        row["due_at"], row["etags"] = before_now(days=1), {}
        if row["platform"] == "lichess":
            row["cursor"] = before_now(hours=6)
        db.sync_accounts.replace_one({"_id": row["_id"]}, row)
    db.analysis_queue.delete_many({})

    await run_sync(ctx)

    assert stored_urls(db, "ann") == games == expected_urls(sites, "Ann", "lichess", "chess.com")
    assert db.analysis_queue.count_documents({}) == 3
    assert len(db.analysis_queue.distinct("game_id")) == 3


@pytest.mark.parametrize("how", ["unlinked", "null", "deleted"])
async def test_a_user_who_names_nothing_any_more_is_asked_about_no_more(
    ctx: Context, db: Any, sites: FakeSites, how: str
) -> None:
    await add_member(ctx, db, sites, "Ann", "lichess", "chess.com")
    await add_member(ctx, db, sites, "Bob", "lichess")
    await run_sync(ctx)
    if how == "unlinked":
        await ctx.users.link("ann", {"lichess": None, "chess.com": None})
    elif how == "null":
        gone = {"lichess_username": None, "chesscom_username": None}
        db.users.update_one({"user_id": "ann"}, {"$set": gone})
    else:
        db.users.delete_one({"user_id": "ann"})
    sites.world.add_game("lichess", "Ann", before_now(minutes=1))
    sites.clear_requests()

    await run_sync(ctx, all=True)

    assert stored_urls(db, "ann") == []
    assert sites.chesscom.requests == []
    assert [seen.body for seen in sites.lichess.requests] == ["bob"]


async def test_a_document_that_cannot_be_read_costs_nobody_else_his_games(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    await add_member(ctx, db, sites, "Ann", "lichess")
    await add_member(ctx, db, sites, "Bob", "lichess")
    sites.world.add_game("lichess", "Ann", before_now(days=1))
    far = DatetimeMS(2**55)
    db.users.update_one({"user_id": "bob"}, {"$set": {"last_game_sync": far}})
    db.users.insert_one({"user_id": "odd", "lichess_username": far})

    record = await run_sync(ctx)

    assert stored_urls(db, "ann") == expected_urls(sites, "Ann", "lichess")
    assert (record["done"], record["skipped"]) == (2, 1)


@pytest.mark.parametrize(
    "last_sync", ["garbage", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00"]
)
async def test_a_last_sync_that_cannot_be_one_makes_a_first_sync(
    ctx: Context, db: Any, sites: FakeSites, last_sync: str
) -> None:
    await add_member(ctx, db, sites, "Ann", "lichess", "chess.com")
    db.users.update_one({"user_id": "ann"}, {"$set": {"last_game_sync": last_sync}})
    sites.world.add_game("lichess", "Ann", before_now(days=20))
    sites.world.add_game("chess.com", "Ann", before_now(days=20))

    await run_sync(ctx)

    assert stored_urls(db, "ann") == expected_urls(sites, "Ann", "lichess", "chess.com")


async def test_a_newcomer_whom_the_application_synced_is_not_forgotten_on_a_known_account(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    """The account was made for another user, who left before it was ever checked."""
    await ctx.users.link("ann", {"lichess": "Zed"})
    await runner.run_manually(
        ctx.worker, sync_games.JOB, sync_games.Args(), ShutdownRequest()
    )  # no such player yet
    await ctx.users.link("ann", {"lichess": None})
    await add_member(ctx, db, sites, "Zed", "lichess", synced=before_now(hours=6))
    await run_sync(ctx)
    sites.world.add_game("lichess", "Zed", before_now(minutes=1))

    await run_sync(ctx, all=True)

    assert stored_urls(db, "zed") == expected_urls(sites, "Zed", "lichess")


async def test_the_usable_spelling_of_a_name_counts(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    for number, useless in enumerate(["  ", 7, "a/b", ""]):
        name = f"good{number}"
        names = {"chesscom_username": useless, "chess_com_username": name}
        db.users.insert_one({"user_id": name, **names})
        sites.world.add_player("chess.com", name, before_now(days=1))

    record = await run_sync(ctx)

    assert (record["done"], record["skipped"]) == (4, 0)


async def test_a_stop_does_not_wait_for_a_lane_that_another_has(
    ctx: Context, contexts: Any, db: Any, sites: FakeSites
) -> None:
    await add_member(ctx, db, sites, "Ann", "lichess")
    other = await contexts()
    stop = ShutdownRequest()
    loop = asyncio.get_running_loop()
    async with other.lichess.client.lane.acquire({}), other.leases.renewing():
        loop.call_later(0.3, stop.request, 15)
        begun = loop.time()
        ending = await runner.run_manually(ctx.worker, sync_games.JOB, sync_games.Args(), stop)

    assert ending.record["outcome"] == "cancelled"
    assert loop.time() - begun < 1.5
    assert sites.lichess.requests == []


async def test_a_stream_that_is_cut_before_any_game_leaves_the_account_to_the_next_run(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    await add_member(ctx, db, sites, "Ann", "lichess", synced=before_now(days=5))
    for number in range(50):
        sites.world.add_game("lichess", "Ann", before_now(minutes=200 - number), famous=SHORT_GAME)
    sites.lichess.faults.extend([None, "reset", "reset"])  # aiohttp asks a second time by itself

    ending = await runner.run_manually(
        ctx.worker, sync_games.JOB, sync_games.Args(), ShutdownRequest()
    )

    assert (ending.record["done"], ending.record["failed"]) == (0, 1)
    await run_sync(ctx)
    assert stored_urls(db, "ann") == expected_urls(sites, "Ann", "lichess")


async def test_unfinished_games_that_could_not_be_asked_about_fail_nobody_and_are_kept(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    await add_member(ctx, db, sites, "Ann", "lichess")
    await add_member(ctx, db, sites, "Bob", "lichess")
    slow = sites.world.add_game(
        "lichess", "Ann", None, started_at=before_now(hours=5), speed="correspondence"
    )
    later = sites.world.add_game("lichess", "Ann", before_now(hours=1))
    await run_sync(ctx)
    slow.ended_at, slow.status = before_now(minutes=1), "resign"
    for _ in range(3):
        sites.lichess.faults.append("500")
        record = await run_sync(ctx, all=True)
        assert record["done"] == 2
        assert stored_urls(db, "ann") == [later.url]

    await run_sync(ctx, all=True)

    assert stored_urls(db, "ann") == expected_urls(sites, "Ann", "lichess")
