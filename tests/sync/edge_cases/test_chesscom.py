"""The cases of Chess.com that a sync must handle: 5, 6 and 13 to 17 of the list."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from chesscoach.demo.fake_site import SiteFault
from tests.support.sync.sync_scenario import (
    ANALYSABLE_GAME,
    AUGUST,
    JULY,
    MONTH_START,
    NOT_FOUND,
    PLATFORMS,
    SyncScenario,
    error_handler,
    redirect_handler,
)

REVIEWED = (91.5, 77.25)


# Cases 5 and 6: games of other rules, and without moves


async def test_case_05_a_variant_keeps_its_name_and_its_position_and_is_not_queued(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", chesscom="Ann")
    variants = [
        ("bughouse", None),
        ("crazyhouse", None),
        ("chess960", "nqbrknbr/pppppppp/8/8/8/8/PPPPPPPP/NQBRKNBR w KQkq - 0 1"),
        ("chess", "8/8/8/4k3/8/4K3/4P3/8 w - - 0 1"),
        ("somethingnew", None),
    ]
    games = [
        sync.add_game("chess.com", "Ann", sync.before_now(hours=1), variant=rules, initial_fen=fen)
        for rules, fen in variants
    ]
    games[0].fields = {"pgn": None, "initial_setup": ""}

    await sync.run_succeeding()

    rows = [sync.game(game, "ann") for game in games]
    assert [(row["variant"], row["initial_fen"]) for row in rows] == variants
    assert {row["result"] for row in rows} == {ANALYSABLE_GAME.result}
    assert not any(row["analysable"] for row in rows)
    assert sync.queued_game_ids("ann") == []


async def test_case_06_a_game_without_a_pgn_is_stored_and_completed_when_it_comes(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", chesscom="Ann")
    games = [
        sync.add_game("chess.com", "Ann", sync.before_now(hours=1), fields={"pgn": pgn})
        for pgn in (None, "", msgspec.Raw(b"null"), 17)
    ]
    await sync.run_succeeding()
    before = [sync.game(game, "ann") for game in games]
    assert {(row["pgn"], row["analysable"], row["result"]) for row in before} == {
        ("", False, ANALYSABLE_GAME.result)
    }
    assert sync.queued_game_ids("ann") == []
    for game in games[:3]:
        game.fields = {}

    for _ in range(2):
        await sync.run_later(hours=6)

    for game, bare in zip(games[:3], before, strict=False):
        full = sync.game(game, "ann")
        assert full["pgn"].startswith("[Event")
        moves = {"pgn": full["pgn"], "analysable": True, "opening": full["opening"]}
        assert full == bare | moves
    assert sync.game(games[3], "ann") == before[3]
    assert sync.queued_game_ids("ann") == sorted(row["game_id"] for row in before[:3])


# Cases 13 and 14, and 410: what is not found


async def test_case_13_an_internal_error_never_marks_an_account(sync: SyncScenario) -> None:
    sync.add_user("ann", chesscom="Ann")
    sync.add_user("bob", chesscom="Bob")
    await sync.run_succeeding()
    for _ in range(6):
        sync.sites.chesscom.faults.append("internal")
        sync.clock.move(hours=6)
        await sync.run(all=True)
    game = sync.add_game("chess.com", "Ann", sync.before_now(hours=1))

    await sync.run_succeeding(all=True)

    assert sync.urls("ann") == [game.url]
    assert sync.db.notifications.count_documents({"type": {"$ne": "game_analyzed"}}) == 0
    assert sync.account("chess.com:ann")["standing"] == "active"
    assert sync.db.users.find_one({"user_id": "ann"})["chesscom_username"] == "Ann"


async def test_case_13_nor_does_one_that_hides_the_profile_of_a_player_whose_month_is_not_found(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", chesscom="Ann")
    for hidden in [
        "internal",
        redirect_handler("/pub/player/ann"),
        error_handler("Slow down", 400),
    ] * 2:
        sync.sites.chesscom.faults.extend([NOT_FOUND, hidden])
        await sync.run(all=True)
        sync.clock.move(hours=6)

    await sync.run_succeeding(all=True)

    assert sync.notification_types("ann") == []
    assert sync.account("chess.com:ann")["absent"] == 0


async def test_case_14_a_month_that_has_not_come_for_the_site_is_an_empty_one(
    sync: SyncScenario,
) -> None:
    sync.clock.now = MONTH_START + timedelta(hours=2)
    sync.add_user("ann", chesscom="Ann")
    game = sync.add_game("chess.com", "Ann", sync.before_now(hours=1), month="2024-07")
    future = error_handler("Date cannot be set in the future")
    sync.sites.chesscom.faults.append(future)
    await sync.run_succeeding()
    assert sync.urls("ann") == [game.url]
    assert not sync.account("chess.com:ann")["etags"].get("2024-08")
    later = sync.add_game("chess.com", "Ann", sync.clock.now + timedelta(hours=4))

    await sync.run_later(hours=6)

    assert sync.urls("ann") == [game.url, later.url]


async def test_case_14_an_empty_month_is_asked_for_again_on_its_condition(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", chesscom="Ann")
    await sync.run_succeeding()
    sync.sites.clear_requests()
    await sync.run_later(hours=6)
    assert [seen.status for seen in sync.sites.chesscom.requests] == [304]
    game = sync.add_game("chess.com", "Ann", sync.clock.now)

    await sync.run_later(hours=6)

    assert sync.urls("ann") == [game.url]


async def test_a_month_that_is_gone_is_never_asked_for_again(sync: SyncScenario) -> None:
    sync.add_user("ann", chesscom="Ann")
    sync.world.players["chess.com"]["ann"].gone.add("2024-06")
    game = sync.add_game("chess.com", "Ann", sync.before_now(days=30))
    await sync.run_succeeding()
    assert sync.urls("ann") == [game.url]

    for _ in range(8):
        sync.clock.move(days=9)
        await sync.run_succeeding(all=True)

    june = [path for path in sync.requested_paths("chess.com") if path.endswith("2024/06")]
    assert len(june) == 1


async def test_the_running_month_is_never_gone_for_ever(sync: SyncScenario) -> None:
    sync.add_user("ann", chesscom="Ann")
    before = sync.add_game("chess.com", "Ann", sync.before_now(hours=2))
    await sync.run_succeeding()
    player = sync.world.players["chess.com"]["ann"]
    player.gone.add("2024-08")
    await sync.run_later(hours=6)
    assert sync.account("chess.com:ann")["gone"] == []
    player.gone.clear()
    game = sync.add_game("chess.com", "Ann", sync.clock.now)

    await sync.run_later(hours=6)

    assert sync.urls("ann") == [before.url, game.url]


async def test_a_first_sync_in_which_the_running_month_is_gone_asks_for_it_again(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", chesscom="Ann")
    game = sync.add_game("chess.com", "Ann", sync.before_now(hours=2))
    player = sync.world.players["chess.com"]["ann"]
    player.gone.update({"2024-08", "2024-06"})
    await sync.run_succeeding()
    assert sync.account("chess.com:ann")["gone"] == ["2024-06"]
    player.gone.clear()

    await sync.run_later(hours=6)

    assert sync.urls("ann") == [game.url]


async def test_a_sealed_month_that_is_gone_does_not_hinder_the_verification_of_others(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", chesscom="Ann")
    for number in (5, 6, 7):
        sync.add_game("chess.com", "Ann", datetime(2024, number, 20, tzinfo=UTC))
    await sync.run_succeeding()
    sync.world.players["chess.com"]["ann"].gone.add("2024-06")
    sync.sites.clear_requests()

    for _ in range(14):
        sync.clock.move(days=8)
        await sync.run_succeeding(all=True)

    for month in ("05", "07"):
        times = sum(path.endswith(f"2024/{month}") for path in sync.requested_paths("chess.com"))
        assert times >= 2, month
    assert sum(path.endswith("2024/06") for path in sync.requested_paths("chess.com")) == 1


# Case 15: the turn of a month


async def test_case_15_a_game_at_the_turn_of_a_month_is_found_in_either_and_stored_once(
    sync: SyncScenario,
) -> None:
    sync.clock.now = MONTH_START - timedelta(hours=6)
    other = {"2024-07": "2024-08", "2024-08": "2024-07"}
    ends = (MONTH_START - timedelta(minutes=20), MONTH_START + timedelta(hours=2))
    kinds = [(month, ended) for month in other for ended in ends]
    for number in range(len(kinds)):
        sync.add_user(f"ann{number}", chesscom=f"Ann{number}")
    await sync.run_succeeding()
    games = [
        sync.add_game("chess.com", f"Ann{number}", ended, month=month)
        for number, (month, ended) in enumerate(kinds)
    ]
    for hours in (6, 24, 30):
        await sync.run_later(hours=hours)
    stored = [sync.urls(f"ann{number}") for number in range(len(kinds))]
    assert stored == [[game.url] for game in games]
    for game in games:
        game.month = other[game.month or ""]

    for _ in range(5):
        await sync.run_later(hours=12)

    assert [sync.urls(f"ann{number}") for number in range(len(kinds))] == stored
    assert sync.db.analysis_queue.count_documents({}) == len(kinds)


async def test_case_15_both_months_are_asked_for_until_the_old_one_is_three_days_over(
    sync: SyncScenario,
) -> None:
    sync.clock.now = MONTH_START - timedelta(hours=6)
    sync.add_user("ann", chesscom="Ann")
    await sync.run_succeeding()
    sync.clock.now = MONTH_START + timedelta(hours=71, minutes=59)
    sync.sites.clear_requests()

    await sync.run_succeeding(all=True)
    assert sync.requested_paths("chess.com") == [JULY, AUGUST]
    late = sync.add_game("chess.com", "Ann", MONTH_START - timedelta(hours=9))
    sync.clock.move(minutes=2)
    await sync.run_succeeding(all=True)
    assert sync.urls("ann") == [late.url], "this check seals it, and still asks for it"
    sync.sites.clear_requests()
    sync.clock.move(hours=6)
    await sync.run_succeeding(all=True)

    assert sync.requested_paths("chess.com") == [AUGUST]
    assert "2024-07" in sync.account("chess.com:ann")["sealed"]


async def test_case_15_after_an_outage_of_months_every_month_since_is_asked_for(
    sync: SyncScenario,
) -> None:
    sync.clock.now = datetime(2024, 2, 28, 12, tzinfo=UTC)
    sync.add_user("ann", chesscom="Ann")
    await sync.run_succeeding()
    days = [(2024, 2, 29), (2024, 3, 15), (2024, 4, 30), (2024, 5, 31)]
    games = [sync.add_game("chess.com", "Ann", datetime(*day, 23, tzinfo=UTC)) for day in days]
    sync.clock.now = datetime(2024, 6, 2, tzinfo=UTC)

    await sync.run_succeeding()

    assert sync.urls("ann") == [game.url for game in games]


# Case 16: what comes late


async def test_case_16_a_game_that_is_listed_late_in_an_open_month_is_found(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", chesscom="Ann")
    newest = sync.add_game("chess.com", "Ann", sync.before_now(hours=1))
    await sync.run_succeeding()
    late = sync.add_game("chess.com", "Ann", sync.before_now(days=9))

    await sync.run_later(hours=6)

    assert sync.urls("ann") == [late.url, newest.url]


async def test_case_16_one_in_a_sealed_month_is_found_when_that_is_verified(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", chesscom="Ann")
    first = sync.add_game("chess.com", "Ann", datetime(2024, 7, 20, tzinfo=UTC))
    await sync.run_succeeding()
    late = sync.add_game("chess.com", "Ann", datetime(2024, 7, 21, tzinfo=UTC))
    first.accuracies = REVIEWED
    sync.db.games.update_one({"url": first.url}, {"$set": {"is_analyzed": True}})
    before = sync.game(first, "ann")
    sync.db.analysis_queue.delete_many({})

    for _ in range(9):
        sync.clock.move(days=10)
        await sync.run_succeeding(all=True)

    assert sync.urls("ann") == [first.url, late.url]
    accuracies = {"white": REVIEWED[0], "black": REVIEWED[1]}
    assert sync.game(first, "ann") == before | {"accuracies": accuracies}
    assert sync.queued_game_ids("ann") == [sync.game(late, "ann")["game_id"]]
    assert sync.db.notifications.count_documents({"type": {"$ne": "game_analyzed"}}) == 0
    asked = [path for path in sync.requested_paths("chess.com") if path == JULY]
    assert len(asked) <= 4, "once a month, besides the first time"


async def test_case_16_a_newcomers_back_fill_does_not_hide_a_late_game_from_the_others(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", chesscom="Ann")
    first = sync.add_game("chess.com", "Ann", datetime(2024, 7, 20, tzinfo=UTC))
    await sync.run_succeeding()
    late = sync.add_game("chess.com", "Ann", datetime(2024, 7, 21, tzinfo=UTC))
    sync.add_user("bob", chesscom="Ann")
    await sync.run_later(hours=6)
    assert (sync.urls("ann"), sync.urls("bob")) == ([first.url], [first.url, late.url])

    for _ in range(6):
        sync.clock.move(days=12)
        await sync.run_succeeding(all=True)

    assert sync.urls("ann") == sync.urls("bob") == [first.url, late.url]


async def test_case_16_accuracies_are_added_and_nothing_else_is_touched(sync: SyncScenario) -> None:
    sync.add_user("ann", chesscom="Ann")
    game = sync.add_game("chess.com", "Ann", sync.before_now(hours=1))
    await sync.run_succeeding()
    sync.db.games.update_one({}, {"$set": {"is_analyzed": True, "note": "the application's"}})
    sync.db.analysis_queue.update_one({}, {"$set": {"status": "completed"}})
    before, queue = sync.game(game, "ann"), list(sync.db.analysis_queue.find())
    for accuracies in (REVIEWED, (50.0, 60.0), None):
        game.accuracies = accuracies
        await sync.run_later(hours=6)

    assert sync.game(game, "ann") == before | {"accuracies": {"white": 50.0, "black": 60.0}}
    assert list(sync.db.analysis_queue.find()) == queue


async def test_case_16_a_game_that_comes_under_another_url_is_the_same_by_its_uuid(
    sync: SyncScenario,
) -> None:
    sync.add_user("ann", chesscom="Ann")
    game = sync.add_game("chess.com", "Ann", sync.before_now(hours=1))
    await sync.run_succeeding()
    before = sync.games("ann")
    game.fields = {"url": f"https://www.chess.com/game/{game.id}"}

    await sync.run_later(hours=6)

    assert sync.games("ann") == before
    assert len(sync.queued_game_ids("ann")) == 1


# Case 17: what is no longer there


async def test_case_17_a_game_that_vanished_stays(sync: SyncScenario) -> None:
    sync.add_user("ann", chesscom="Ann")
    kept = [sync.add_game("chess.com", "Ann", sync.before_now(hours=n)) for n in (3, 2, 1)]
    await sync.run_succeeding()
    before = sync.games("ann")
    sync.world.players["chess.com"]["ann"].games[:] = kept[:1]

    await sync.run_later(hours=6)
    sync.world.players["chess.com"]["ann"].games.clear()
    await sync.run_later(hours=6)

    assert sync.games("ann") == before


# A month that never comes


@pytest.mark.parametrize("kind", ["500", "internal", "html", "cut"])
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


@pytest.mark.parametrize("kind", ["500", "internal"])
async def test_neither_do_two_months_nor_do_they_close_the_source_for_others(
    sync: SyncScenario, kind: SiteFault
) -> None:
    for name in ("ann", "bob"):
        sync.add_user(name, chesscom=name, synced=sync.before_now(days=20))
        for month in (5, 6, 7, 8):
            sync.add_game("chess.com", name, datetime(2024, month, 12, tzinfo=UTC))
    for month in (5, 6, 7):
        sync.sites.chesscom.ailing[f"/ann/games/2024/{month:02}"] = kind

    record = await sync.run()

    assert (record["failed"], record["done"]) == (1, 1)
    assert [row["ended_at"][:7] for row in sync.games("ann")] == ["2024-08"]
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

    for _ in range(9):
        sync.clock.move(days=10)
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
        rows = list(sync.db.games.find({"platform": site}).sort("imported_at", 1))
        assert len({row["imported_at"] for row in rows}) == 6
        assert [row["ended_at"] for row in rows] == sorted(row["ended_at"] for row in rows)


async def test_a_month_is_asked_for_once_for_all_who_wait(sync: SyncScenario) -> None:
    for number in range(40):
        sync.add_user(f"user{number:02}", chesscom="Ann", lichess="Ann")
    for site in PLATFORMS:
        for days in (1, 40, 80):
            sync.add_game(site, "Ann", sync.before_now(days=days))
    await sync.run_succeeding()

    asked = Counter(sync.requested_paths("chess.com"))
    assert set(asked.values()) == {1}
    assert len(sync.requested_paths("lichess")) == 3, "bulk, unfinished, newest"
    assert sync.db.games.count_documents({}) == 40 * 6
    for number in range(40, 60):
        sync.add_user(f"user{number}", chesscom="ANN", lichess="aNN")
    sync.sites.clear_requests()

    await sync.run_later(hours=6)

    asked = Counter(sync.requested_paths("chess.com"))
    assert set(asked.values()) == {1}
    assert len(sync.requested_paths("lichess")) <= 4
    assert sync.db.games.count_documents({}) == 60 * 6
