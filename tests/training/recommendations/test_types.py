"""Each type of recommendation at its threshold, with its evidence."""

from datetime import timedelta
from typing import Any

from chesscoach.context import Context
from chesscoach.jobs import recommendations
from chesscoach.worker.runner import one_shot
from chesscoach.worker.shutdown import ShutdownRequest
from tests.conftest import Clock
from tests.support.training.scenario import TrainingScenario, utc
from tests.support.training.session_documents import insert_session

MONDAY = "2026-03-16T06:00:00Z"
NOON = utc("2026-03-15")


def add_games(
    training: TrainingScenario, count: int, days_ago: int = 1, user_id: str = "u1", **fields: Any
) -> None:
    """Adds lost games that ended some days before Monday."""
    ended = utc("2026-03-16") - timedelta(days=days_ago)
    for number in range(count):
        game = {
            "ended_at": (ended + timedelta(minutes=number)).isoformat(),
            "user_color": "black",
            "result": "1-0",
            "is_analyzed": True,
        }
        training.application.sync_game(user_id, ended, **game | fields)


async def recommended(training: TrainingScenario, now: str = MONDAY) -> dict[str, dict[str, Any]]:
    """The evidence of each active recommendation, by type."""
    await training.recommend(now)
    return {name: item["metadata"] for name, item in training.active().items()}


async def test_ten_hours_in_three_local_days_ask_for_a_break(training: TrainingScenario) -> None:
    for user_id, minutes, day in (
        ("tired", 600, "2026-03-14"),
        ("busy", 599, "2026-03-14"),
        ("rested", 600, "2026-03-13"),
    ):
        training.add_player(user_id)
        insert_session(training.db, user_id, day, actual_min=300)
        training.attempt(user_id, day, solved=True, seconds=60 * (minutes - 300))

    await training.recommend(MONDAY)

    tired = training.db.adaptive_recommendations.find({"recommendation_type": "TAKE_BREAK"})
    assert [item["user_id"] for item in tired] == ["tired"]


async def test_a_week_without_activity_counts_in_local_days(training: TrainingScenario) -> None:
    training.add_player(timezone="America/New_York")
    training.add_player("u2", timezone="America/New_York")
    training.application.import_game("u1", utc("2026-03-10 03:59:59"), is_analyzed=True)  # the 9th
    training.application.import_game("u2", utc("2026-03-10 04:00:00"), is_analyzed=True)

    evidence = await recommended(training, "2026-03-16T10:00:00Z")

    assert evidence["RESUME_LEARNING"] == {"idle_days": 7, "last_activity": "2026-03-09"}
    assert "RESUME_LEARNING" not in training.active("u2")


async def test_the_weakness_with_the_highest_score_today_is_the_focus(
    training: TrainingScenario,
) -> None:
    training.add_player()
    weaknesses = [
        ("forks", 20, "2025-12-16T06:00:00+00:00", 20.0),  # 90 days: 1.0
        ("pins", 5, "2026-03-06T06:00:00+00:00", 0.1),  # 10 days: 3.58
        ("time_trouble", 3, "2026-03-15T06:00:00+00:00", 3.0),  # 1 day: 2.9
    ]
    training.db.player_profiles.insert_one(
        {
            "user_id": "u1",
            "top_weaknesses": [
                {
                    "category": "tactical",
                    "subcategory": name,
                    "occurrence_count": count,
                    "last_occurrence": last,
                    "decayed_score": stored,
                }
                for name, count, last, stored in weaknesses
            ]
            + [None, "forks", {"subcategory": "odd", "occurrence_count": [9]}],
        }
    )
    training.analyse("u1", "2026-03-06", game_id="g1", weaknesses=[{"subcategory": "pins"}, 7])
    training.analyse("u1", "2026-03-05", game_id="g2", identified_weaknesses=["pins"])

    evidence = (await recommended(training))["FOCUS_ON_WEAKNESS"]

    assert evidence == {
        "weakness": "pins",
        "category": "tactical",
        "decayed_score": 3.58,
        "occurrences": 5,
        "last_occurrence": "2026-03-06",
        "game_ids": ["g1", "g2"],
    }
    assert training.active()["FOCUS_ON_WEAKNESS"]["priority"] == 88


async def test_a_weakness_of_two_in_two_decimals_and_local_days_is_the_focus(
    training: TrainingScenario,
) -> None:
    for user_id, zone, count, last in (
        ("below", "UTC", 5, "2026-02-13T06:00:00"),  # 31 days: 1.78
        ("rounded", "UTC", 6, "2026-02-11T06:00:00+00:00"),  # 33 days: 1.997
        ("east", "Pacific/Auckland", 2, "2026-03-15T12:00:00+00:00"),
    ):
        training.add_player(user_id, timezone=zone)
        weakness = {"subcategory": "forks", "occurrence_count": count, "last_occurrence": last}
        training.db.player_profiles.insert_one({"user_id": user_id, "top_weaknesses": [weakness]})

    await training.recommend("2026-03-15T17:00:00Z", user="east")
    await training.recommend(MONDAY)

    focus = training.db.adaptive_recommendations.find({"recommendation_type": "FOCUS_ON_WEAKNESS"})
    assert {item["user_id"]: item["metadata"]["decayed_score"] for item in focus} == {
        "rounded": 2,
        "east": 2,
    }


async def test_the_opening_with_the_worst_score_is_to_be_repaired(
    training: TrainingScenario,
) -> None:
    training.add_player()
    add_games(training, 3, opening="Grob")
    add_games(training, 2, opening="Grob", result="0-1")  # 40 %
    add_games(training, 4, opening="Bird")
    add_games(training, 9, opening="Réti", result="1/2-1/2")
    add_games(training, 1, days_ago=90, opening="Bird")  # too long ago

    evidence = (await recommended(training))["FIX_OPENING"]

    assert (evidence["opening"], evidence["games"], evidence["score"]) == ("Grob", 5, 40.0)
    assert len(evidence["game_ids"]) == 3


async def test_an_imported_game_has_its_opening_and_result_in_its_pgn(
    training: TrainingScenario,
) -> None:
    training.add_player()
    tags = ('UTCDate "2026.03.10"', 'Result "1-0"', 'Eco "C50"', 'Termination "x won on time"')
    pgn = "".join(f"[{tag}]\n" for tag in tags) + "\n1. e4"
    for _ in range(5):
        training.application.import_game("u1", NOON, pgn=pgn, result="?", opening=None)

    evidence = await recommended(training)

    assert evidence["FIX_OPENING"]["opening"] == "C50"
    assert evidence["MANAGE_TIME"]["losses_on_time"] == 5


async def test_three_losses_on_time_in_one_time_control_ask_to_manage_time(
    training: TrainingScenario,
) -> None:
    on_time: list[dict[str, Any]] = [
        {"ending": "timeout"},
        {"ending": "outoftime"},
        {"termination": "Time forfeit"},
        {"termination": "ann won on time"},
    ]
    others: list[dict[str, Any]] = [
        {"ending": "timeout", "result": "0-1"},
        {"ending": "resigned"},
        {"ending": ["timeout"], "termination": {"on": "time"}},
        {"ending": "timeout", "days_ago": 30},
    ]
    for number, fields in enumerate(on_time + others):
        training.add_player(f"u{number}")
        add_games(training, 3, user_id=f"u{number}", time_control="bullet", **fields)
        add_games(training, 2, user_id=f"u{number}", time_control="blitz", **fields)

    await training.recommend(MONDAY)

    late = training.db.adaptive_recommendations.find({"recommendation_type": "MANAGE_TIME"})
    assert {
        item["user_id"]: (item["metadata"]["time_control"], item["metadata"]["losses_on_time"])
        for item in late
    } == {f"u{number}": ("bullet", 3) for number in range(len(on_time))}


async def test_five_cards_that_are_due_are_to_be_reviewed(training: TrainingScenario) -> None:
    training.add_player()
    due: list[Any] = [
        "2026-03-16T06:00:00+00:00",
        "2026-03-01T00:00:00",
        NOON,
        "2026-03-16T07:00:00+02:00",
    ]
    others: list[Any] = ["2026-03-16T06:00:01+00:00", None, "soon", [NOON], 7]
    training.db.mistake_cards.insert_many(
        {"user_id": "u1", "card_id": f"c{number}", "next_review": at, "is_mastered": False}
        for number, at in enumerate(due + others)
    )
    mastered = {"user_id": "u1", "next_review": due[1], "is_mastered": True}
    training.db.mistake_cards.insert_one(mastered)
    assert "REVIEW_CARDS" not in await recommended(training)
    training.db.mistake_cards.insert_one({"user_id": "u1", "card_id": "c9", "next_review": NOON})

    evidence = (await recommended(training))["REVIEW_CARDS"]

    assert evidence["cards_due"] == 5
    assert set(evidence["card_ids"]) == {"c0", "c1", "c2", "c3", "c9"}


async def test_a_puzzle_that_was_never_solved_is_next_when_all_games_are_analysed(
    training: TrainingScenario,
) -> None:
    training.add_player()
    for day, puzzle, solved in ((1, 7, False), (2, 7, True), (3, 9, False), (4, 8, False)):
        training.application.attempt_puzzle_by_schema(
            "u1", utc(f"2026-03-{day:02}"), solved=solved, puzzle_id=puzzle
        )
    game = training.application.sync_game("u1", NOON)
    training.analyse("u1", "2026-03-15", game_id=game)

    assert (await recommended(training))["CONTINUE_LEARNING"] == {"puzzle": "9"}


async def test_at_most_five_are_active_and_the_others_wait(training: TrainingScenario) -> None:
    training.add_player()
    add_games(training, 6, opening="Grob", ending="timeout", is_analyzed=False)
    for number in range(6):
        training.analyse("u1", "2026-03-14", 40 + number)
    training.attempt("u1", "2026-03-14", solved=True, seconds=36_000)

    await training.recommend(MONDAY)

    assert list(training.active()) == [
        "TAKE_BREAK", "REVIEW_GAME", "FIX_OPENING", "MANAGE_TIME", "PRACTICE_MORE",
    ]  # fmt: skip
    training.db.adaptive_recommendations.update_one(
        {"recommendation_type": "TAKE_BREAK"},
        {"$set": {"is_active": False, "dismissed_at": NOON}},
    )
    await training.recommend(MONDAY)
    assert list(training.active()) == [
        "REVIEW_GAME", "FIX_OPENING", "MANAGE_TIME", "PRACTICE_MORE", "CONTINUE_LEARNING",
    ]  # fmt: skip


async def test_each_player_is_served_at_six_of_their_own_monday(
    training: TrainingScenario,
) -> None:
    training.add_player("east", "Pacific/Auckland")
    training.add_player("west", "Pacific/Honolulu")
    served = []
    for now in ("2026-03-15T16:00:00Z", "2026-03-15T17:00:00Z", "2026-03-16T16:00:00Z"):
        await training.run(recommendations.JOB, now)
        served.append({item["refresh_key"] for item in training.db.adaptive_recommendations.find()})

    assert [len(training.active(player)) for player in ("east", "west")] == [1, 1]
    assert served == [set(), {"2026-W12"}, {"2026-W12"}]


async def test_a_missed_player_is_served_later_in_the_week_but_not_on_sunday(
    training: TrainingScenario,
) -> None:
    training.add_player("early")
    await training.run(recommendations.JOB, "2026-03-14T23:00:00Z")
    training.add_player("late")
    await training.run(recommendations.JOB, "2026-03-15T00:00:00Z")
    await training.run(recommendations.JOB, "2026-03-15T23:00:00Z")

    assert training.db.adaptive_recommendations.distinct("_id") == ["early|START_LEARNING|2026-W11"]


async def test_a_scheduled_run_serves_each_player_once_a_week(
    contexts: Any, training: TrainingScenario
) -> None:
    training.add_player("east", "Pacific/Auckland")
    training.add_player("west", "Pacific/Honolulu")
    clock = Clock(utc("2026-03-15 16:00:00"))
    ctx: Context = await contexts(clock)
    done = []
    hours = (0, 1, 2, 23, 24)
    for hour in hours:
        clock.now = utc("2026-03-15 16:00:00") + timedelta(hours=hour)
        result = await one_shot.run_scheduled(
            ctx.worker, recommendations.JOB, "recommendations", ShutdownRequest()
        )
        done.append(result.record["done"])

    # In Honolulu it is still Sunday in the first run, whose new week serves the player.
    assert [hour for hour, count in zip(hours, done, strict=True) if count] == [1, 24]
    assert sum(done) == 2
