"""A new analysis with a low accuracy renews the review at the next run of snapshots."""

from datetime import timedelta
from typing import Any

from tests.support.training.scenario import TrainingScenario, utc

MONDAY = "2026-03-16T06:00:00Z"
WEDNESDAY = "2026-03-18T10:05:00Z"


def add_other_active(training: TrainingScenario, count: int) -> None:
    """Adds active recommendations of the week with priorities from 80 down."""
    training.db.adaptive_recommendations.insert_many(
        {
            "_id": f"u1|OTHER_{number}|2026-W12",
            "user_id": "u1",
            "recommendation_type": f"OTHER_{number}",
            "refresh_key": "2026-W12",
            "priority": 80 - number,
            "is_active": True,
            "is_weekly": True,
        }
        for number in range(count)
    )


async def test_a_review_is_added_within_the_hour_and_once(training: TrainingScenario) -> None:
    training.add_player()
    training.analyse("u1", "2026-03-12", 80)
    await training.recommend(MONDAY)
    before = training.active()
    training.analyse("u1", "2026-03-18 09:30:00", 41, game_id="bad")

    first = await training.snap(WEDNESDAY)
    review = training.active()["REVIEW_GAME"]
    second = await training.snap("2026-03-18T11:05:00Z")

    assert "REVIEW_GAME" not in before
    assert (review["metadata"]["game_ids"], review["refresh_key"]) == (["bad"], "2026-W12")
    assert first.record["notes"]["reviews_refreshed"] == 1
    assert "reviews_refreshed" not in second.record["notes"]
    assert training.active()["REVIEW_GAME"] == review


async def test_a_review_is_renewed_by_a_worse_game_and_not_by_a_good_one(
    training: TrainingScenario,
) -> None:
    training.add_player()
    training.analyse("u1", "2026-03-15", 60, game_id="g1")
    await training.recommend(MONDAY)
    training.analyse("u1", "2026-03-17 08:00:00", 75, game_id="good")
    await training.snap("2026-03-17T09:05:00Z")
    unchanged = training.active()["REVIEW_GAME"]["metadata"]["game_ids"]
    training.analyse("u1", "2026-03-17 10:00:00.123456", 50, game_id="g2")

    await training.snap("2026-03-17T11:05:00Z")

    assert unchanged == ["g1"]
    assert training.active()["REVIEW_GAME"]["metadata"]["game_ids"] == ["g2", "g1"]


async def test_a_dismissed_review_stays_so_until_monday(training: TrainingScenario) -> None:
    training.add_player()
    training.analyse("u1", "2026-03-15", 60)
    await training.recommend(MONDAY)
    training.db.adaptive_recommendations.update_one(
        {"recommendation_type": "REVIEW_GAME"},
        {"$set": {"is_active": False, "dismissed_at": utc("2026-03-16")}},
    )
    training.analyse("u1", "2026-03-17", 30)

    await training.snap(WEDNESDAY)
    dismissed = training.active()
    await training.recommend("2026-03-23T06:00:00Z")

    assert "REVIEW_GAME" not in dismissed
    assert training.active()["REVIEW_GAME"]["refresh_key"] == "2026-W13"


async def test_a_review_replaces_the_least_important_of_five(
    training: TrainingScenario,
) -> None:
    training.add_player()
    add_other_active(training, 5)
    training.analyse("u1", "2026-03-18", 30)

    await training.snap("2026-03-18T13:05:00Z")

    kept = ["REVIEW_GAME", "OTHER_0", "OTHER_1", "OTHER_2", "OTHER_3"]
    assert list(training.active()) == kept


async def test_before_six_on_monday_a_review_waits_for_the_weekly_run(
    training: TrainingScenario,
) -> None:
    training.add_player()
    training.analyse("u1", "2026-03-16 01:00:00", 30)

    await training.snap("2026-03-16T02:05:00Z")
    early = training.active()
    await training.recommend(MONDAY)

    assert early == {}
    assert "REVIEW_GAME" in training.active()


async def test_odd_documents_do_not_end_a_run(training: TrainingScenario) -> None:
    training.add_player("odd")
    training.add_player("u1")
    training.analyse("u1", "2026-03-15", 60)
    at = utc("2026-03-15")
    nan = float("nan")
    odd: list[Any] = [[1], {"a": 1}, "x", nan, None, True, -1, 2**62, at]
    for value in odd:
        training.db.player_profiles.insert_one({"user_id": "odd", "top_weaknesses": value})
        training.db.player_profiles.insert_one({"user_id": "odd", "top_weaknesses": [value]})
        training.db.mistake_cards.insert_one({"user_id": "odd", "next_review": value})
        training.db.games.insert_one(
            {"user_id": "odd", "imported_at": value, "game_id": f"{value}", "opening": value,
             "ending": value, "result": value, "user_color": value, "pgn": value,
             "ended_at": None if isinstance(value, list) else value}
        )  # fmt: skip
        training.db.game_analyses.insert_one(
            {"user_id": "odd", "game_id": f"a{value}", "created_at": at, "weaknesses": value,
             "identified_weaknesses": [value], "stockfish_analysis": value}
        )  # fmt: skip
        training.db.puzzle_attempts.insert_one(
            {"user_id": "odd", "created_at": value, "success": False, "puzzle_id": value}
        )
        training.db.adaptive_recommendations.insert_one(
            {"user_id": "odd", "refresh_key": "2026-W12", "is_active": True, "priority": value,
             "recommendation_type": value, "metadata": value, "dismissed_at": value}
        )  # fmt: skip

        training.analyse("other", "2026-03-15", 30, game_id=f"other{value}")
        training.db.game_analyses.update_one({"user_id": "other"}, {"$set": {"user_id": value}})
    training.analyse("other", "2026-03-15", 30)
    training.db.game_analyses.update_one({"user_id": "other"}, {"$unset": {"user_id": 1}})

    result = await training.recommend(MONDAY)
    await training.snap(WEDNESDAY)

    assert (result.record["done"], result.record["failed"]) == (2, 0)
    assert list(training.active("u1")) == ["REVIEW_GAME"]
    named = [error for error in result.record["errors"] if error["user_id"] == "odd"]
    assert "player_profiles" in named[0]["error"]


async def test_keys_never_go_back(training: TrainingScenario) -> None:
    training.add_player()
    await training.recommend("2026-03-23T06:00:00Z")

    await training.recommend(MONDAY)

    assert {item["refresh_key"] for item in training.active().values()} == {"2026-W13"}


async def test_only_the_player_whose_week_cannot_be_written_fails(
    training: TrainingScenario,
) -> None:
    for number in range(5):
        training.add_player(f"u{number}")
    validator = {"user_id": {"$ne": "u3"}}
    training.db.command("collMod", "adaptive_recommendations", validator=validator)

    result = await training.try_run_recommendations(MONDAY)

    training.db.command("collMod", "adaptive_recommendations", validator={})
    assert (result.record["done"], result.record["failed"]) == (4, 1)
    assert [error["user_id"] for error in result.record["errors"]] == ["u3"]
    assert len(training.db.adaptive_recommendations.distinct("user_id")) == 4


async def test_a_player_without_recent_activity_gets_resume_learning(
    training: TrainingScenario,
) -> None:
    training.add_player()
    training.analyse("u1", "2026-03-15", 80)
    old = utc("2026-03-15") - timedelta(days=400)
    training.db.game_analyses.update_many({}, {"$set": {"created_at": old}})

    await training.recommend(MONDAY)

    assert training.active()["RESUME_LEARNING"]["metadata"]["idle_days"] == 401


async def test_a_user_who_is_named_needs_no_account_and_a_deleted_one_gets_nothing(
    training: TrainingScenario,
) -> None:
    training.application.register("named")
    training.analyse("named", "2026-03-15", 60)
    training.analyse("deleted", "2026-03-15", 60)

    await training.recommend(MONDAY, user="named")
    await training.snap(WEDNESDAY)

    assert list(training.active("named")) == ["REVIEW_GAME"]
    assert training.db.adaptive_recommendations.distinct("user_id") == ["named"]
