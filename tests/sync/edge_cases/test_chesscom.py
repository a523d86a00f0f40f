"""The cases of Chess.com that a sync must handle: 6 and 13 to 17 of the list."""

from datetime import UTC, datetime, timedelta

import msgspec

from chesscoach.demo.fake_site import Handler, SiteFault
from tests.support.sync.sync_members import ANALYSABLE_GAME
from tests.support.sync.sync_scenario import (
    AUGUST,
    JULY,
    MONTH_START,
    NOT_FOUND,
    SyncScenario,
    error_handler,
    redirect_handler,
)

REVIEWED = (91.5, 77.25)


# Case 6: games without moves


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
    kept = {(game["pgn"], game["analysable"], game["result"]) for game in before}
    assert kept == {("", False, ANALYSABLE_GAME.result)}
    assert sync.queued_game_ids("ann") == []
    for game in games[:3]:
        game.fields = {}

    await sync.run_cycles(2, hours=6)

    for game, bare in zip(games[:3], before, strict=False):
        full = sync.game(game, "ann")
        assert full["pgn"].startswith("[Event")
        moves = {"pgn": full["pgn"], "analysable": True, "opening": full["opening"]}
        assert full == bare | moves
    assert sync.game(games[3], "ann") == before[3]
    assert sync.queued_game_ids("ann") == sorted(game["game_id"] for game in before[:3])


# Cases 13 and 14, and 410: what is not found


async def test_case_13_no_error_of_the_source_marks_an_account(sync: SyncScenario) -> None:
    """An internal error, or one that hides the profile of a player whose month is not found."""
    sync.add_user("ann", chesscom="Ann")
    sync.add_user("bob", chesscom="Bob")
    await sync.run_succeeding()
    faults: list[list[SiteFault | Handler]] = [
        ["internal"],
        [NOT_FOUND, "internal"],
        [NOT_FOUND, redirect_handler("/pub/player/ann")],
        [NOT_FOUND, error_handler("Slow down", 400)],
    ]
    for fault in (*faults, *faults[:2]):
        sync.sites.chesscom.faults.extend(fault)
        sync.clock.move(hours=6)
        await sync.run(all=True)
        sync.sites.chesscom.faults.clear()
    game = sync.add_game("chess.com", "Ann", sync.before_now(hours=1))

    await sync.run_succeeding(all=True)

    assert sync.urls("ann") == [game.url]
    assert sync.notification_types("ann") == sync.notification_types("bob") == []
    account = sync.account("chess.com:ann")
    assert (account["standing"], account["absent"]) == ("active", 0)
    assert sync.db.users.find_one({"user_id": "ann"})["chesscom_username"] == "Ann"


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
    await sync.sync_ann("chess.com")
    sync.sites.clear_requests()
    await sync.run_later(hours=6)
    assert [seen.status for seen in sync.sites.chesscom.requests] == [304]
    game = sync.add_game("chess.com", "Ann", sync.clock.now)

    await sync.run_later(hours=6)

    assert sync.urls("ann") == [game.url]


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

    await sync.run_cycles(5, hours=12)

    assert [sync.urls(f"ann{number}") for number in range(len(kinds))] == stored
    assert sync.db.analysis_queue.count_documents({}) == len(kinds)


async def test_case_15_both_months_are_asked_for_until_the_old_one_is_three_days_over(
    sync: SyncScenario,
) -> None:
    sync.clock.now = MONTH_START - timedelta(hours=6)
    await sync.sync_ann("chess.com")
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
    await sync.sync_ann("chess.com")
    days = [(2024, 2, 29), (2024, 3, 15), (2024, 4, 30), (2024, 5, 31)]
    games = [sync.add_game("chess.com", "Ann", datetime(*day, 23, tzinfo=UTC)) for day in days]
    sync.clock.now = datetime(2024, 6, 2, tzinfo=UTC)

    await sync.run_succeeding()

    assert sync.urls("ann") == [game.url for game in games]


# Case 16: what comes late


async def test_case_16_a_game_that_is_listed_late_in_an_open_month_is_found(
    sync: SyncScenario,
) -> None:
    (newest,) = await sync.sync_ann("chess.com", sync.before_now(hours=1))
    late = sync.add_game("chess.com", "Ann", sync.before_now(days=9))

    await sync.run_later(hours=6)

    assert sync.urls("ann") == [late.url, newest.url]


async def test_case_16_one_in_a_sealed_month_is_found_when_that_is_verified(
    sync: SyncScenario,
) -> None:
    (first,) = await sync.sync_ann("chess.com", datetime(2024, 7, 20, tzinfo=UTC))
    late = sync.add_game("chess.com", "Ann", datetime(2024, 7, 21, tzinfo=UTC))
    first.accuracies = REVIEWED
    sync.db.games.update_one({"url": first.url}, {"$set": {"is_analyzed": True}})
    before = sync.game(first, "ann")
    sync.db.analysis_queue.delete_many({})

    await sync.run_cycles(7, days=13, all=True)

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
    (first,) = await sync.sync_ann("chess.com", datetime(2024, 7, 20, tzinfo=UTC))
    late = sync.add_game("chess.com", "Ann", datetime(2024, 7, 21, tzinfo=UTC))
    sync.add_user("bob", chesscom="Ann")
    await sync.run_later(hours=6)
    assert (sync.urls("ann"), sync.urls("bob")) == ([first.url], [first.url, late.url])

    await sync.run_cycles(6, days=12, all=True)

    assert sync.urls("ann") == sync.urls("bob") == [first.url, late.url]


async def test_case_16_accuracies_are_added_and_nothing_else_is_touched(sync: SyncScenario) -> None:
    (game,) = await sync.sync_ann("chess.com", sync.before_now(hours=1))
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
    (game,) = await sync.sync_ann("chess.com", sync.before_now(hours=1))
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
