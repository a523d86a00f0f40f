"""Months of Chess.com that are gone or never come, and months that many users wait for."""

from collections import Counter
from datetime import UTC, datetime

import pytest

from chesscoach.demo.fake_site import SiteFault
from tests.support.sync.sync_members import PLATFORMS
from tests.support.sync.sync_scenario import JULY, SyncScenario

# A month that is gone


async def test_a_month_that_is_gone_is_never_asked_for_again_unless_it_is_the_running_one(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", chesscom="Ann")
    game = sync.add_game("chess.com", "Ann", sync.before_now(hours=2))
    gone = sync.world.players["chess.com"]["ann"].gone
    gone.update({"2024-08", "2024-06"})
    await sync.run_succeeding()
    assert sync.account("chess.com:ann")["gone"] == ["2024-06"]
    gone.remove("2024-08")
    await sync.run_later(hours=6)
    assert sync.urls("ann") == [game.url]
    gone.add("2024-08")
    await sync.run_later(hours=6)
    gone.remove("2024-08")
    later = sync.add_game("chess.com", "Ann", sync.clock.now)

    await sync.run_cycles(4, days=9, all=True)

    assert sync.urls("ann") == [game.url, later.url]
    assert [path[-7:] for path in sync.requested_paths("chess.com")].count("2024/06") == 1


async def test_a_sealed_month_that_is_gone_does_not_hinder_the_verification_of_others(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", chesscom="Ann")
    for number in (5, 6, 7):
        sync.add_game("chess.com", "Ann", datetime(2024, number, 20, tzinfo=UTC))
    await sync.run_succeeding()
    sync.world.players["chess.com"]["ann"].gone.add("2024-06")
    sync.sites.clear_requests()

    await sync.run_cycles(10, days=12, all=True)

    months = [path[-7:] for path in sync.requested_paths("chess.com")]
    assert months.count("2024/06") == 1
    assert min(months.count("2024/05"), months.count("2024/07")) >= 2


# A month that never comes


@pytest.mark.parametrize("kind", ["500", "html", "cut"])
async def test_a_month_that_never_comes_keeps_no_other_from_being_asked_for(
    sync: SyncScenario, kind: SiteFault
) -> None:
    sync.add_user("ann", chesscom="Ann", synced=sync.before_now(days=20))
    before = sync.add_game("chess.com", "Ann", datetime(2024, 6, 20, tzinfo=UTC))
    lost = sync.add_game("chess.com", "Ann", datetime(2024, 7, 20, tzinfo=UTC))
    games = [before, sync.add_game("chess.com", "Ann", sync.before_now(hours=2))]
    sync.sites.chesscom.ailing[JULY] = kind

    for _ in range(2):
        record = await sync.run()
        assert (record["failed"], record["done"]) == (1, 0)
        assert "2024-07" in record["errors"][0]["error"]
        assert sync.urls("ann") == [game.url for game in games]
        assert JULY in sync.requested_paths("chess.com"), "it is asked for again"
        sync.sites.clear_requests()
        sync.clock.move(hours=6)
        games.append(sync.add_game("chess.com", "Ann", sync.before_now(hours=1)))
    sync.sites.chesscom.ailing.clear()

    await sync.run_succeeding(all=True)

    assert sync.urls("ann") == [game.url for game in (before, lost, *games[1:])]


async def test_neither_do_three_months_nor_do_they_close_the_source_for_others(
    sync: SyncScenario,
) -> None:
    for name in ("ann", "bob"):
        sync.add_user(name, chesscom=name, synced=sync.before_now(days=20))
        for month in (5, 6, 7, 8):
            sync.add_game("chess.com", name, datetime(2024, month, 12, tzinfo=UTC))
    for month in (5, 6, 7):
        sync.sites.chesscom.ailing[f"/ann/games/2024/{month:02}"] = "internal"

    record = await sync.run()

    assert (record["failed"], record["done"]) == (1, 1)
    assert [game["ended_at"][:7] for game in sync.games("ann")] == ["2024-08"]
    assert len(sync.games("bob")) == 4


async def test_a_first_sync_waits_for_a_month_that_does_not_come_and_has_the_others(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", chesscom="Ann")
    lost = sync.add_game("chess.com", "Ann", datetime(2024, 7, 20, tzinfo=UTC))
    game = sync.add_game("chess.com", "Ann", sync.before_now(hours=2))
    sync.sites.chesscom.ailing[JULY] = "500"

    record = await sync.run()
    assert record["failed"] == 1
    assert sync.urls("ann") == [game.url]
    sync.sites.chesscom.ailing.clear()
    await sync.run_later(hours=6)

    assert sync.urls("ann") == [lost.url, game.url]


async def test_a_sealed_month_that_never_comes_leaves_the_others_their_turn(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", chesscom="Ann")
    for month in (6, 7):
        sync.add_game("chess.com", "Ann", datetime(2024, month, 20, tzinfo=UTC))
    await sync.run_succeeding()
    late = sync.add_game("chess.com", "Ann", datetime(2024, 7, 21, tzinfo=UTC))
    sync.sites.chesscom.ailing["/games/2024/06"] = "500"

    for _ in range(6):
        sync.clock.move(days=13)
        await sync.run(all=True)

    assert late.url in sync.urls("ann")


async def test_the_games_of_a_first_sync_are_imported_in_the_order_of_their_ends(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", chesscom="Ann", lichess="Ann")
    for days in (70, 40, 33, 10, 9, 1):
        for site in PLATFORMS:
            sync.add_game(site, "Ann", sync.before_now(days=days))

    await sync.run_succeeding()

    for site in PLATFORMS:
        stored = list(sync.db.games.find({"platform": site}).sort("imported_at", 1))
        assert len({game["imported_at"] for game in stored}) == 6
        ends = [game["ended_at"] for game in stored]
        assert ends == sorted(ends)


async def test_a_month_is_asked_for_once_for_all_who_wait(sync: SyncScenario) -> None:
    for number in range(6):
        sync.add_user(f"user{number}", chesscom="Ann", lichess="Ann")
    for site in PLATFORMS:
        sync.add_games(site, "Ann", *(sync.before_now(days=days) for days in (1, 40, 80)))
    await sync.run_succeeding()
    assert set(Counter(sync.requested_paths("chess.com")).values()) == {1}
    assert len(sync.requested_paths("lichess")) == 3, "bulk, unfinished, newest"
    assert sync.db.games.count_documents({}) == 6 * 6
    for number in range(6, 9):
        sync.add_user(f"user{number}", chesscom="ANN", lichess="aNN")
    sync.sites.clear_requests()

    await sync.run_later(hours=6)

    assert set(Counter(sync.requested_paths("chess.com")).values()) == {1}
    assert len(sync.requested_paths("lichess")) <= 4
    assert sync.db.games.count_documents({}) == 9 * 6
