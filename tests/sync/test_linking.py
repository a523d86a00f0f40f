"""Which account a user is linked to by the names in the application."""

from typing import Any

import pytest
from bson.datetime_ms import DatetimeMS

from chesscoach.context import Context
from tests.conftest import FakeSites
from tests.support.sync.sync_members import (
    PLATFORMS,
    add_member,
    before_now,
    expected_urls,
    run_sync,
    stored_urls,
)

SPELLINGS: tuple[tuple[object, object, str | None], ...] = (
    ("one", None, "one"),
    (None, "two", "two"),
    ("old", "new", "new"),
    *((useless, f"good{n}", f"good{n}") for n, useless in enumerate(["  ", 7, "a/b", ""])),
    ("", " ", None),
)
"""`chesscom_username`, the newer `chess_com_username`, and the name that counts."""


async def test_of_both_spellings_of_a_name_the_usable_one_and_first_the_newer_one_counts(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    expected: dict[str, str] = {}
    for number, (old, new, name) in enumerate(SPELLINGS):
        names = {"chesscom_username": old, "chess_com_username": new}
        db.users.insert_one({"user_id": f"u{number}", **names})
        for known in {old, new} & {"old", name} - {None}:
            sites.world.add_player("chess.com", str(known), before_now(days=1))
        expected |= {f"u{number}": f"chess.com:{name}"} if name else {}

    record = await run_sync(ctx)

    assert (record["done"], record["skipped"]) == (len(expected), 0)
    accounts = db.sync_accounts.find()
    assert {account["links"][0]["user_id"]: account["_id"] for account in accounts} == expected
    assert "invalid_usernames" not in record["notes"]
    assert db.users.find_one({"user_id": "u2"})["chesscom_username"] == "old"


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

    assert sorted(db.sync_accounts.distinct("_id")) == ["chess.com:ann", "lichess:ann"]
    assert "renamed_accounts" not in record["notes"]
    for user in ("ann", "other"):
        assert stored_urls(db, user) == expected_urls(sites, "Ann", "lichess", "chess.com")
    assert db.games.find_one({"user_id": "ann", "url": later.url})["username"] == "aNN"
    assert db.users.find_one({"user_id": "ann"}, {**dict.fromkeys(names, 1), "_id": 0}) == names


@pytest.mark.parametrize("how", ["unlinked", "null", "blank", "deleted"])
async def test_a_user_who_names_nothing_any_more_is_asked_about_no_more(
    ctx: Context, db: Any, sites: FakeSites, how: str
) -> None:
    await add_member(ctx, db, sites, "Ann", "lichess", "chess.com")
    await add_member(ctx, db, sites, "Bob", "lichess")
    await run_sync(ctx)
    if how == "unlinked":
        await ctx.users.link("ann", {"lichess": None, "chess.com": None})
    elif how == "deleted":
        db.users.delete_one({"user_id": "ann"})
    else:
        names = (None, None) if how == "null" else ("", " ")
        gone = dict(zip(("lichess_username", "chesscom_username"), names, strict=True))
        db.users.update_one({"user_id": "ann"}, {"$set": gone})
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


async def test_a_last_sync_that_cannot_be_one_makes_a_first_sync(
    ctx: Context, db: Any, sites: FakeSites
) -> None:
    odd = ("garbage", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00")
    for number, last_sync in enumerate(odd):
        name = f"Ann{number}"
        await add_member(ctx, db, sites, name, *PLATFORMS)
        db.users.update_one({"user_id": name.lower()}, {"$set": {"last_game_sync": last_sync}})
        for site in PLATFORMS:
            sites.world.add_game(site, name, before_now(days=20))

    await run_sync(ctx)

    for number in range(len(odd)):
        name = f"Ann{number}"
        assert stored_urls(db, name.lower()) == expected_urls(sites, name, *PLATFORMS)
