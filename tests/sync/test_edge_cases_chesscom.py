"""The cases of Chess.com that a sync must handle: 5, 6 and 13 to 17 of the list."""

from datetime import UTC, datetime, timedelta

import msgspec

from tests.support.sync_scenario import AUGUST, JULY, LONG, NOT_FOUND, TURN, Club, error, sent_to

REVIEWED = (91.5, 77.25)


# Cases 5 and 6: games of other rules, and without moves


async def test_case_05_a_variant_keeps_its_name_and_its_position_and_is_not_queued(
    club: Club,
) -> None:
    club.user("ann", chesscom="Ann")
    variants = [
        ("bughouse", None),
        ("crazyhouse", None),
        ("chess960", "nqbrknbr/pppppppp/8/8/8/8/PPPPPPPP/NQBRKNBR w KQkq - 0 1"),
        ("chess", "8/8/8/4k3/8/4K3/4P3/8 w - - 0 1"),
        ("somethingnew", None),
    ]
    games = [
        club.play("chess.com", "Ann", club.ago(hours=1), variant=rules, initial_fen=fen)
        for rules, fen in variants
    ]
    games[0].fields = {"pgn": None, "initial_setup": ""}

    await club.sync()

    rows = [club.game(game, "ann") for game in games]
    assert [(row["variant"], row["initial_fen"]) for row in rows] == variants
    assert {row["result"] for row in rows} == {LONG.result}
    assert not any(row["analysable"] for row in rows)
    assert club.queued("ann") == []


async def test_case_06_a_game_without_a_pgn_is_stored_and_completed_when_it_comes(
    club: Club,
) -> None:
    club.user("ann", chesscom="Ann")
    games = [
        club.play("chess.com", "Ann", club.ago(hours=1), fields={"pgn": pgn})
        for pgn in (None, "", msgspec.Raw(b"null"), 17)
    ]
    await club.sync()
    before = [club.game(game, "ann") for game in games]
    assert {(row["pgn"], row["analysable"], row["result"]) for row in before} == {
        ("", False, LONG.result)
    }
    assert club.queued("ann") == []
    for game in games[:3]:
        game.fields = {}

    for _ in range(2):
        await club.later(hours=6)

    for game, bare in zip(games[:3], before, strict=False):
        full = club.game(game, "ann")
        assert full["pgn"].startswith("[Event")
        assert full == bare | {"pgn": full["pgn"], "analysable": True}
    assert club.game(games[3], "ann") == before[3]
    assert club.queued("ann") == sorted(row["game_id"] for row in before[:3])


# Cases 13 and 14, and 410: what is not found


async def test_case_13_an_internal_error_never_marks_an_account(club: Club) -> None:
    club.user("ann", chesscom="Ann")
    club.user("bob", chesscom="Bob")
    await club.sync()
    for _ in range(6):
        club.sites.chesscom.faults.append("internal")
        club.clock.move(hours=6)
        await club.run(all=True)
    game = club.play("chess.com", "Ann", club.ago(hours=1))

    await club.sync(all=True)

    assert club.urls("ann") == [game.url]
    assert club.db.notifications.count_documents({}) == 0
    assert club.account("chess.com:ann")["standing"] == "active"
    assert club.db.users.find_one({"user_id": "ann"})["chesscom_username"] == "Ann"


async def test_case_13_nor_does_one_that_hides_the_profile_of_a_player_whose_month_is_not_found(
    club: Club,
) -> None:
    club.user("ann", chesscom="Ann")
    for hidden in ["internal", sent_to("/pub/player/ann"), error("Slow down", 400)] * 2:
        club.sites.chesscom.faults.extend([NOT_FOUND, hidden])
        await club.run(all=True)
        club.clock.move(hours=6)

    await club.sync(all=True)

    assert club.told("ann") == []
    assert club.account("chess.com:ann")["absent"] == 0


async def test_case_14_a_month_that_has_not_come_for_the_site_is_an_empty_one(club: Club) -> None:
    club.clock.now = TURN + timedelta(hours=2)
    club.user("ann", chesscom="Ann")
    game = club.play("chess.com", "Ann", club.ago(hours=1), month="2024-07")
    future = error("Date cannot be set in the future")
    club.sites.chesscom.faults.append(future)
    await club.sync()
    assert club.urls("ann") == [game.url]
    assert not club.account("chess.com:ann")["etags"].get("2024-08")
    later = club.play("chess.com", "Ann", club.clock.now + timedelta(hours=4))

    await club.later(hours=6)

    assert club.urls("ann") == [game.url, later.url]


async def test_case_14_an_empty_month_is_asked_for_again_on_its_condition(club: Club) -> None:
    club.user("ann", chesscom="Ann")
    await club.sync()
    club.sites.forget()
    await club.later(hours=6)
    assert [seen.status for seen in club.sites.chesscom.seen] == [304]
    game = club.play("chess.com", "Ann", club.clock.now)

    await club.later(hours=6)

    assert club.urls("ann") == [game.url]


async def test_a_month_that_is_gone_is_never_asked_for_again(club: Club) -> None:
    club.user("ann", chesscom="Ann")
    club.world.players["chess.com"]["ann"].gone.add("2024-06")
    game = club.play("chess.com", "Ann", club.ago(days=30))
    await club.sync()
    assert club.urls("ann") == [game.url]

    for _ in range(8):
        club.clock.move(days=9)
        await club.sync(all=True)

    june = [path for path in club.asked("chess.com") if path.endswith("2024/06")]
    assert len(june) == 1


async def test_a_sealed_month_that_is_gone_does_not_hinder_the_verification_of_others(
    club: Club,
) -> None:
    club.user("ann", chesscom="Ann")
    for number in (5, 6, 7):
        club.play("chess.com", "Ann", datetime(2024, number, 20, tzinfo=UTC))
    await club.sync()
    club.world.players["chess.com"]["ann"].gone.add("2024-06")
    club.sites.forget()

    for _ in range(14):
        club.clock.move(days=8)
        await club.sync(all=True)

    for month in ("05", "07"):
        times = sum(path.endswith(f"2024/{month}") for path in club.asked("chess.com"))
        assert times >= 2, month
    assert sum(path.endswith("2024/06") for path in club.asked("chess.com")) == 1


# Case 15: the turn of a month


async def test_case_15_a_game_at_the_turn_of_a_month_is_found_in_either_and_stored_once(
    club: Club,
) -> None:
    club.clock.now = TURN - timedelta(hours=6)
    other = {"2024-07": "2024-08", "2024-08": "2024-07"}
    ends = (TURN - timedelta(minutes=20), TURN + timedelta(hours=2))
    kinds = [(month, ended) for month in other for ended in ends]
    for number in range(len(kinds)):
        club.user(f"ann{number}", chesscom=f"Ann{number}")
    await club.sync()
    games = [
        club.play("chess.com", f"Ann{number}", ended, month=month)
        for number, (month, ended) in enumerate(kinds)
    ]
    for hours in (6, 24, 30):
        await club.later(hours=hours)
    stored = [club.urls(f"ann{number}") for number in range(len(kinds))]
    assert stored == [[game.url] for game in games]
    for game in games:
        game.month = other[game.month or ""]

    for _ in range(5):
        await club.later(hours=12)

    assert [club.urls(f"ann{number}") for number in range(len(kinds))] == stored
    assert club.db.analysis_queue.count_documents({}) == len(kinds)


async def test_case_15_both_months_are_asked_for_until_the_old_one_is_three_days_over(
    club: Club,
) -> None:
    club.clock.now = TURN - timedelta(hours=6)
    club.user("ann", chesscom="Ann")
    await club.sync()
    club.clock.now = TURN + timedelta(hours=71, minutes=59)
    club.sites.forget()

    await club.sync(all=True)
    assert club.asked("chess.com") == [JULY, AUGUST]
    late = club.play("chess.com", "Ann", TURN - timedelta(hours=9))
    club.clock.move(minutes=2)
    await club.sync(all=True)
    assert club.urls("ann") == [late.url], "this check seals it, and still asks for it"
    club.sites.forget()
    club.clock.move(hours=6)
    await club.sync(all=True)

    assert club.asked("chess.com") == [AUGUST]
    assert "2024-07" in club.account("chess.com:ann")["sealed"]


async def test_case_15_after_an_outage_of_months_every_month_since_is_asked_for(
    club: Club,
) -> None:
    club.clock.now = datetime(2024, 2, 28, 12, tzinfo=UTC)
    club.user("ann", chesscom="Ann")
    await club.sync()
    days = [(2024, 2, 29), (2024, 3, 15), (2024, 4, 30), (2024, 5, 31)]
    games = [club.play("chess.com", "Ann", datetime(*day, 23, tzinfo=UTC)) for day in days]
    club.clock.now = datetime(2024, 6, 2, tzinfo=UTC)

    await club.sync()

    assert club.urls("ann") == [game.url for game in games]


# Case 16: what comes late


async def test_case_16_a_game_that_is_listed_late_in_an_open_month_is_found(club: Club) -> None:
    club.user("ann", chesscom="Ann")
    newest = club.play("chess.com", "Ann", club.ago(hours=1))
    await club.sync()
    late = club.play("chess.com", "Ann", club.ago(days=9))

    await club.later(hours=6)

    assert club.urls("ann") == [late.url, newest.url]


async def test_case_16_one_in_a_sealed_month_is_found_when_that_is_verified(club: Club) -> None:
    club.user("ann", chesscom="Ann")
    first = club.play("chess.com", "Ann", datetime(2024, 7, 20, tzinfo=UTC))
    await club.sync()
    late = club.play("chess.com", "Ann", datetime(2024, 7, 21, tzinfo=UTC))
    first.accuracies = REVIEWED
    club.db.games.update_one({"url": first.url}, {"$set": {"is_analyzed": True}})
    before = club.game(first, "ann")
    club.db.analysis_queue.delete_many({})

    for _ in range(9):
        club.clock.move(days=10)
        await club.sync(all=True)

    assert club.urls("ann") == [first.url, late.url]
    accuracies = {"white": REVIEWED[0], "black": REVIEWED[1]}
    assert club.game(first, "ann") == before | {"accuracies": accuracies}
    assert club.queued("ann") == [club.game(late, "ann")["game_id"]]
    assert club.db.notifications.count_documents({}) == 0
    asked = [path for path in club.asked("chess.com") if path == JULY]
    assert len(asked) <= 4, "once a month, besides the first time"


async def test_case_16_a_newcomers_back_fill_does_not_hide_a_late_game_from_the_others(
    club: Club,
) -> None:
    club.user("ann", chesscom="Ann")
    first = club.play("chess.com", "Ann", datetime(2024, 7, 20, tzinfo=UTC))
    await club.sync()
    late = club.play("chess.com", "Ann", datetime(2024, 7, 21, tzinfo=UTC))
    club.user("bob", chesscom="Ann")
    await club.later(hours=6)
    assert (club.urls("ann"), club.urls("bob")) == ([first.url], [first.url, late.url])

    for _ in range(6):
        club.clock.move(days=12)
        await club.sync(all=True)

    assert club.urls("ann") == club.urls("bob") == [first.url, late.url]


async def test_case_16_accuracies_are_added_and_nothing_else_is_touched(club: Club) -> None:
    club.user("ann", chesscom="Ann")
    game = club.play("chess.com", "Ann", club.ago(hours=1))
    await club.sync()
    club.db.games.update_one({}, {"$set": {"is_analyzed": True, "note": "the application's"}})
    club.db.analysis_queue.update_one({}, {"$set": {"status": "completed"}})
    before, queue = club.game(game, "ann"), list(club.db.analysis_queue.find())
    for accuracies in (REVIEWED, (50.0, 60.0), None):
        game.accuracies = accuracies
        await club.later(hours=6)

    assert club.game(game, "ann") == before | {"accuracies": {"white": 50.0, "black": 60.0}}
    assert list(club.db.analysis_queue.find()) == queue


async def test_case_16_a_game_that_comes_under_another_url_is_the_same_by_its_uuid(
    club: Club,
) -> None:
    club.user("ann", chesscom="Ann")
    game = club.play("chess.com", "Ann", club.ago(hours=1))
    await club.sync()
    before = club.games("ann")
    game.fields = {"url": f"https://www.chess.com/game/{game.id}"}

    await club.later(hours=6)

    assert club.games("ann") == before
    assert len(club.queued("ann")) == 1


# Case 17: what is no longer there


async def test_case_17_a_game_that_vanished_stays(club: Club) -> None:
    club.user("ann", chesscom="Ann")
    kept = [club.play("chess.com", "Ann", club.ago(hours=n)) for n in (3, 2, 1)]
    await club.sync()
    before = club.games("ann")
    club.world.players["chess.com"]["ann"].games[:] = kept[:1]

    await club.later(hours=6)
    club.world.players["chess.com"]["ann"].games.clear()
    await club.later(hours=6)

    assert club.games("ann") == before
