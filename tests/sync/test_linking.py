from typing import Any

import pytest
from bson.datetime_ms import DatetimeMS

from chesscoach.context import Context
from tests.conftest import FakeSites
from tests.support.sync.sync_members import (
    add_member,
    before_now,
    expected_urls,
    run_sync,
    stored_urls,
)


@pytest.mark.parametrize(
    "name",
    [
        "../../etc",
        "a/b",
        "x?y=1",
        "a,b",
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


@pytest.mark.parametrize("blank", ["", " ", "\t\n"])
async def test_a_blank_text_is_no_name(ctx: Context, db: Any, sites: FakeSites, blank: str) -> None:
    db.users.insert_one({"user_id": "odd", "lichess_username": blank, "chess_com_username": blank})
    await add_member(ctx, db, sites, "Ann", "lichess", "chess.com")

    record = await run_sync(ctx)

    assert (record["candidates"], record["skipped"], record["done"]) == (2, 0, 2)
    assert "invalid_usernames" not in record["notes"]


async def test_a_user_whose_names_become_blank_is_asked_about_no_more(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    await add_member(ctx, db, sites, "Ann", "lichess", "chess.com")
    await run_sync(ctx)
    db.users.update_one({}, {"$set": {"lichess_username": "", "chesscom_username": " "}})
    sites.clear_requests()

    await run_sync(ctx, all=True)

    assert (sites.lichess.requests, sites.chesscom.requests) == ([], [])


async def test_the_newer_spelling_comes_first_where_the_names_differ(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    names = {"chesscom_username": "old", "chess_com_username": "new"}
    db.users.insert_one({"user_id": "ann", **names})
    for name in names.values():
        sites.world.add_player("chess.com", name, before_now(days=1))
        sites.world.add_game("chess.com", name, before_now(days=1))

    await run_sync(ctx)

    assert stored_urls(db, "ann") == expected_urls(sites, "new", "chess.com")
    assert db.users.find_one({}, {**dict.fromkeys(names, 1), "_id": 0}) == names


async def test_a_name_in_other_capitals_is_the_same_account(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    await add_member(ctx, db, sites, "Ann", "lichess", "chess.com")
    sites.world.add_game("lichess", "Ann", before_now(days=2))
    sites.world.add_game("chess.com", "Ann", before_now(days=2))
    await run_sync(ctx)
    names = {"lichess_username": "aNN", "chesscom_username": " ANN ", "chess_com_username": "ann"}
    db.users.update_one({}, {"$set": names})
    db.users.insert_one({"user_id": "other", **names})
    later = sites.world.add_game("lichess", "Ann", before_now(hours=1))

    record = await run_sync(ctx, all=True)

    assert sorted(row["_id"] for row in db.sync_accounts.find()) == ["chess.com:ann", "lichess:ann"]
    assert "renamed_accounts" not in record["notes"]
    for user in ("ann", "other"):
        assert stored_urls(db, user) == expected_urls(sites, "Ann", "lichess", "chess.com")
    assert db.games.find_one({"user_id": "ann", "url": later.url})["username"] == "aNN"
    assert db.users.find_one({"user_id": "ann"}, {**dict.fromkeys(names, 1), "_id": 0}) == names


async def test_both_spellings_of_the_chesscom_name_count(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    for user, field in (("one", "chesscom_username"), ("two", "chess_com_username")):
        db.users.insert_one({"user_id": user, field: user})
        sites.world.add_player("chess.com", user, before_now(days=1))
        sites.world.add_game("chess.com", user, before_now(days=1))

    await run_sync(ctx)

    assert {row["user_id"] for row in db.games.find()} == {"one", "two"}


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


async def test_a_document_that_cannot_be_read_costs_no_other_user_their_games(
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
