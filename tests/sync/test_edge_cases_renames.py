"""Case 18 of the list: a player's new name on Chess.com, and what only looks like one."""

from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from chesscoach.worker.shard import Shard
from tests.support.sync_scenario import AUGUST, SHORT, TURN, Club, sent_to


@pytest.mark.parametrize("months_move", [True, False])
async def test_case_18_a_renamed_player_is_followed_with_all_his_users(
    club: Club, months_move: bool
) -> None:
    club.user("ann", chesscom="Ann")
    club.user("coach", chesscom="ANN")
    club.db.users.update_one({"user_id": "coach"}, {"$set": {"chess_com_username": " ann "}})
    for days in (1, 20):
        club.play("chess.com", "Ann", club.ago(days=days))
    await club.sync()
    before = {user: club.games(user) for user in ("ann", "coach")}
    club.sites.chesscom.months_move = months_move
    club.world.rename("Ann", "Annette")
    club.clock.move(hours=5)
    later = club.play("chess.com", "Annette", club.clock.now)

    record = await club.later(hours=1)
    await club.later(hours=6)

    assert (record["candidates"], record["done"]) == (1, 1)
    for user in ("ann", "coach"):
        assert club.games(user)[:-1] == before[user]
        assert club.games(user)[-1]["url"] == later.url
        assert club.games(user)[-1]["username"] == "annette"
    names = {row["user_id"]: row for row in club.db.users.find()}
    assert names["ann"]["chesscom_username"] == "annette"
    assert names["coach"]["chesscom_username"] == names["coach"]["chess_com_username"] == "annette"
    (account,) = club.db.sync_accounts.find({"platform": "chess.com"})
    assert account["_id"] == "chess.com:annette"
    assert club.told("ann") == []
    assert club.sites.chesscom.violations == []


async def test_case_18_a_taken_over_user_whose_first_check_finds_a_rename_goes_on_from_there(
    club: Club,
) -> None:
    club.user("ann", chesscom="Ann", synced=club.ago(hours=6))
    club.play("chess.com", "Ann", club.ago(days=60))
    later = club.play("chess.com", "Ann", club.ago(hours=1))
    club.world.rename("Ann", "Annette")

    await club.sync()

    assert club.urls("ann") == [later.url]


async def test_case_18_games_that_a_first_sync_left_out_stay_out_after_a_rename(
    club: Club,
) -> None:
    club.user("ann", chesscom="Ann")
    for number in range(520):
        club.play("chess.com", "Ann", club.ago(minutes=10 * number + 10), famous=SHORT)
    await club.sync()
    assert len(club.urls("ann")) == 500
    club.world.rename("Ann", "Annette")
    club.play("chess.com", "Annette", club.clock.now, famous=SHORT)

    await club.later(hours=6)

    assert len(club.urls("ann")) == 501


async def test_case_18_sealed_months_are_verified_under_the_new_name_as_well(club: Club) -> None:
    club.user("ann", chesscom="Ann")
    first = club.play("chess.com", "Ann", datetime(2024, 7, 20, tzinfo=UTC))
    await club.sync()
    club.world.rename("Ann", "Annette")
    await club.later(hours=6)
    late = club.play("chess.com", "Annette", datetime(2024, 7, 21, tzinfo=UTC))

    for _ in range(6):
        club.clock.move(days=12)
        await club.sync(all=True)

    assert club.urls("ann") == [first.url, late.url]


async def test_case_18_a_rename_that_shows_in_the_middle_of_a_check_is_followed(
    club: Club,
) -> None:
    club.clock.now = TURN + timedelta(hours=12)
    club.user("ann", chesscom="Ann")
    await club.sync()
    game = club.play("chess.com", "Ann", club.ago(hours=13))
    month = club.sites.chesscom.month("ann", "2024-07")[0]
    club.world.rename("Ann", "Annette")

    async def before(request: web.Request) -> web.Response:
        return web.Response(body=month, content_type="application/json")

    club.sites.chesscom.faults.append(before)

    record = await club.later(hours=6)

    assert (record["done"], record["failed"]) == (1, 0)
    assert club.urls("ann") == [game.url]
    assert club.db.sync_accounts.distinct("_id") == ["chess.com:annette"]


@pytest.mark.parametrize("users_know", [True, False])
async def test_case_18_a_kill_in_the_middle_of_a_rename_loses_and_doubles_nothing(
    club: Club, users_know: bool
) -> None:
    """The old account is still there, and perhaps the users have their old name."""
    club.user("ann", chesscom="Ann")
    games = [club.play("chess.com", "Ann", club.ago(days=days)) for days in (20, 1)]
    await club.sync()
    old = club.account("chess.com:ann")
    club.world.rename("Ann", "Annette")
    await club.later(hours=6)
    fresh = club.account("chess.com:annette") | {"checked_at": None, "saved_at": None, "etags": {}}
    club.db.sync_accounts.replace_one({"_id": fresh["_id"]}, fresh)
    club.db.sync_accounts.insert_one(old)
    if not users_know:
        club.db.users.update_one({}, {"$set": {"chesscom_username": "Ann"}})
    games.append(club.play("chess.com", "Annette", club.clock.now))

    await club.later(hours=6)
    await club.later(hours=6)

    assert club.urls("ann") == [game.url for game in games]
    assert len(club.queued("ann")) == 3
    assert club.db.users.find_one()["chesscom_username"] == "annette"
    assert club.db.sync_accounts.distinct("_id", {"links.0": {"$exists": True}}) == [fresh["_id"]]


@pytest.mark.parametrize("first", ["aaa", "zzz"])
async def test_case_18_a_rename_to_a_name_that_another_user_has_linked_already(
    club: Club, first: str
) -> None:
    """Whether the new name's account is checked before the old one's or after it."""
    club.user("ann", chesscom="Mmm")
    before = club.play("chess.com", "Mmm", club.ago(days=20))
    await club.sync()
    club.world.rename("Mmm", first)
    club.user("bob", chesscom=first)
    new = club.play("chess.com", first, club.ago(hours=1))

    await club.later(hours=6)
    last = club.play("chess.com", first, club.clock.now)
    await club.later(hours=6)

    assert club.urls("ann") == club.urls("bob") == [before.url, new.url, last.url]
    (account,) = club.db.sync_accounts.find()
    assert account["_id"] == f"chess.com:{first}"
    assert sorted(link["user_id"] for link in account["links"]) == ["ann", "bob"]


async def test_case_18_a_player_who_was_missing_for_weeks_is_followed_without_a_gap(
    club: Club,
) -> None:
    club.user("ann", chesscom="Ann")
    club.play("chess.com", "Ann", club.ago(days=20))
    await club.sync()
    club.world.rename("Ann", "Annette")
    redirects = club.world.renamed.copy()
    club.world.renamed.clear()
    for _ in range(3):
        club.clock.move(hours=6)
        await club.run()
    assert club.told("ann") == ["account_missing"]
    gap = [
        club.play("chess.com", "Annette", datetime(2024, month, 20, tzinfo=UTC))
        for month in (8, 9, 10)
    ]
    for _ in range(12):
        await club.later(days=7)
    club.world.renamed = redirects

    await club.later(days=8)

    assert club.urls("ann")[1:] == [game.url for game in gap]
    assert club.account("chess.com:annette")["standing"] == "active"


async def test_case_18_names_that_lead_to_one_another_are_not_followed_for_ever(
    club: Club,
) -> None:
    club.user("ann", chesscom="Ann")
    club.user("bob", chesscom="Bob")
    club.play("chess.com", "Ann", club.ago(days=2))
    await club.sync()
    club.world.renamed = {"ann": "eve", "eve": "joe", "joe": "ann"}
    club.sites.forget()

    for _ in range(3):
        club.clock.move(hours=6)
        await club.run()

    assert len(club.asked("chess.com")) <= 3 * 12
    assert len(club.urls("ann")) == 1
    assert club.db.users.find_one({"user_id": "ann"})["chesscom_username"] is not None
    club.world.renamed = {}
    name = club.db.users.find_one({"user_id": "ann"})["chesscom_username"]
    if name.lower() != "ann":
        club.world.rename("Ann", name)
    game = club.play("chess.com", name, club.clock.now)
    await club.later(days=2)
    assert game.url in club.urls("ann")


async def test_case_18_a_redirect_to_what_is_no_other_player_changes_nothing(
    club: Club,
) -> None:
    club.user("ann", chesscom="Ann")
    await club.sync()
    for where in (
        "/pub/player/../../etc/passwd",
        "/pub/player/..%2f..%2fetc/games/2024/08",
        "/pub/player/a%20b/games/2024/08",
        "/pub/player/a;b/games/2024/08",
        "/pub/player//games/2024/08",
        "/pub/player/ann/games/2024/08",
        "/pub/player/ANN",
        "https://evil.example/",
        "/pub/player/" + "x" * 90,
        "",
    ):
        club.sites.forget()
        club.sites.chesscom.faults.append(sent_to(where))
        club.clock.move(hours=6)

        record = await club.run(all=True)

        assert (record["done"], record["failed"]) == (0, 1), where
        assert club.asked("chess.com") == [AUGUST], where
        assert club.db.users.find_one()["chesscom_username"] == "Ann"
        assert club.db.sync_accounts.distinct("_id") == ["chess.com:ann"]
    game = club.play("chess.com", "Ann", club.clock.now)
    club.clock.move(hours=6)
    await club.sync(all=True)
    assert club.urls("ann") == [game.url]


async def test_case_18_another_player_who_took_the_name_gives_his_games_to_nobody(
    club: Club,
) -> None:
    club.user("ann", chesscom="Ann")
    game = club.play("chess.com", "Ann", club.ago(hours=1))
    await club.sync()
    club.world.rename("Ann", "Annette")
    club.world.add_player("chess.com", "Ann", club.clock.now)
    for hours in (1, 2):
        club.play("chess.com", "Ann", club.clock.now + timedelta(hours=hours))

    for _ in range(4):
        club.clock.move(hours=6)
        await club.run()

    assert club.urls("ann") == [game.url]
    assert club.told("ann") == ["account_missing"]


async def test_case_18_a_redirect_to_another_player_is_not_followed(club: Club) -> None:
    club.user("ann", chesscom="Ann")
    game = club.play("chess.com", "Ann", club.ago(hours=1))
    await club.sync()
    club.world.add_player("chess.com", "Eve", club.clock.now)
    club.play("chess.com", "Eve", club.clock.now)
    club.world.renamed = {"ann": "eve"}

    for _ in range(4):
        club.clock.move(hours=6)
        await club.run()

    assert club.urls("ann") == [game.url]
    assert club.db.users.find_one()["chesscom_username"] == "Ann"
    assert club.account("chess.com:eve") is None


async def test_case_18_a_new_name_that_another_part_walks_is_left_to_it(club: Club) -> None:
    """Both parts are at work: the other's lane is the newer one."""
    mine, other = (Shard(index=index, of=2) for index in range(2))
    ann = next(f"ann{number}" for number in range(99) if mine.has(f"ann{number}"))
    bob = next(f"bob{number}" for number in range(99) if other.has(f"bob{number}"))
    club.user(ann, chesscom="Ann")
    game = club.play("chess.com", "Ann", club.ago(days=1))
    await club.sync()
    club.world.rename("Ann", "Annette")
    club.user(bob, chesscom="Annette")
    await club.sync(shard=other)
    newer = {"$set": {"fence": 2_000_000_000 * 2}}
    club.db.sync_accounts.update_one({"_id": "chess.com:annette"}, newer)
    club.clock.move(hours=6)
    later = club.play("chess.com", "Annette", club.ago(hours=1))

    await club.sync(shard=mine)
    club.db.sync_accounts.update_one({"_id": "chess.com:annette"}, {"$set": {"fence": 0}})
    await club.sync(shard=other)

    assert club.db.sync_accounts.distinct("_id") == ["chess.com:annette"]
    assert club.urls(ann) == club.urls(bob) == [game.url, later.url]
