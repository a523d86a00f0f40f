"""Databases that each version of the application has written: what its pages read after a run."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import Decimal128

from tests.support.momentum.application import VERSIONS, Application, Version
from tests.support.momentum.scenario import MomentumScenario

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
NOW = "2026-03-04T18:05:00Z"
_NUMBERS = (
    *("xp", "level", "games_imported", "games_analyzed", "puzzles_solved", "fast_puzzles"),
    *("no_blunders_games", "current_streak", "longest_streak"),
)
BROKEN: tuple[dict[str, Any], ...] = (
    {"xp": None},
    {"xp": "many"},
    {"xp": 12.0},
    {"xp": float("nan")},
    {"xp": float("inf"), "momentum_xp": float("-inf")},
    {"xp": Decimal128("12.5"), "weekly_xp": Decimal128("NaN"), "weekly_key": "2026-W09"},
    {"xp": 1 << 62},
    {"week_closed": 7, "month_closed": ["2026-02"]},
    {"added": {"by": "the application"}},
    {"level": "Pawn"},
    {"current_streak": None, "longest_streak": "long"},
    {"last_activity_date": "2026-03-03T10:00:00+00:00"},
    {"last_activity_date": "yesterday"},
    {"weekly_xp": None, "weekly_key": 7},
    {"monthly_key": "march", "monthly_xp": []},
    {"momentum_xp": "x", "momentum_batch": "y"},
    {"games_imported": {}, "best_accuracy": None},
    {"user_id": 7},
)


def play(application: Application, user_id: str) -> int:
    """A day of a player: what the application pays itself, and what nobody has paid yet.

    Returns the points of the latter, without rewards.
    """
    for number in range(2):
        application.import_game(user_id, NOON + timedelta(minutes=number))  # paid
        application.sync_game(user_id, NOON + timedelta(minutes=number))
    application.analyse_on_page(user_id, NOON, accuracy=95, blunders=0)  # paid
    application.analyse_automatically(user_id, NOON, accuracy=95)  # paid
    application.touch_streak(user_id, NOON)
    application.attempt_puzzle(user_id, NOON, solved=True, seconds=12)
    application.attempt_puzzle(user_id, NOON, solved=False, seconds=12)
    application.reflect(user_id, NOON)
    application.reflect(user_id, NOON, right=False)
    points = 2 * 5 + 2 * 10
    if application.version == "C":
        points += 25  # the only version that says whether a puzzle was solved
    if application.version != "A":
        application.analyse_by_worker(user_id, NOON, accuracy=92, blunders=0)
        application.analyse_by_worker(user_id, NOON, accuracy=99, stockfish_failed=True)
        application.analyse_by_worker(user_id, NOON, accuracy=0)
        application.analyse_by_worker(user_id, NOON, moves=2, blunders=0)
        points += 25 + 30 + 20
    return points


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> Version:
    found: Version = request.param
    return found


async def test_its_pages_read_right_values_of_the_right_types(
    momentum: MomentumScenario, version: Version
) -> None:
    application = momentum.application = Application(momentum.db, version)
    await momentum.begin("2026-03-01T00:00:00Z")
    application.register("u1")
    application.start_progress("u1", xp=60, games_imported=2, games_analyzed=2)
    theirs = ("first_steps", "curious_mind", "sharp_player", "precision_master", "computer_like")
    momentum.unlock("u1", *theirs, "careful_player")
    points = play(application, "u1")
    facts = ("games", "game_analyses", "puzzle_attempts", "reflection_results", "users")
    before = {name: list(momentum.db[name].find()) for name in facts}

    for _ in range(2):
        await momentum.check(NOW)

    progress = momentum.progress()
    rewards = 50 if version == "C" else 0  # puzzle_starter
    assert progress["xp"] == 60 + points + rewards
    assert progress["momentum_xp"] == points + rewards
    assert progress["level"] == sum(progress["xp"] >= limit for limit in (0, 100, 250))
    assert (progress["current_streak"], progress["longest_streak"]) == (1, 1)
    assert progress["games_imported"] == 2 + 2
    assert progress["games_analyzed"] == 2 + (version != "A")
    assert progress["puzzles_solved"] == progress["fast_puzzles"] == int(version == "C")
    assert {name: type(progress[name]) for name in _NUMBERS} == dict.fromkeys(_NUMBERS, int)
    for name in ("last_activity_date", "created_at", "updated_at"):
        assert isinstance(progress[name], datetime), name
    assert progress["last_activity_date"].date() == NOON.date()
    assert progress["last_daily_claim"] is None
    assert len(momentum.achievements()) == len(set(momentum.achievements()))
    for unlocked in momentum.db.user_achievements.find():
        assert isinstance(unlocked["unlocked_at"], datetime)
    assert {name: list(momentum.db[name].find()) for name in facts} == before


async def test_its_notifications_can_be_shown_and_dismissed(momentum: MomentumScenario) -> None:
    await momentum.begin("2026-03-01T00:00:00Z")
    momentum.add_player("u1", xp=95)
    momentum.application.reflect("u1", NOON)

    await momentum.check(NOW)

    (notice,) = momentum.notices("level_up")
    assert notice["notification_id"]
    assert (notice["dismissed"], notice["read"]) == (False, False)
    assert isinstance(notice["created_at"], str)
    assert isinstance(notice["title"], str)
    assert isinstance(notice["message"], str)
    assert isinstance(notice["data"], dict)


async def test_a_redone_analysis_and_a_doubled_run_pay_nothing_more(
    momentum: MomentumScenario,
) -> None:
    await momentum.begin("2026-03-01T00:00:00Z")
    momentum.add_player("u1")
    game = momentum.application.analyse_by_worker("u1", NOON, accuracy=70, blunders=2)
    await momentum.check(NOW)
    first = momentum.fields("xp", "games_analyzed")

    momentum.db.game_analyses.update_one(
        {"game_id": game}, {"$set": {"created_at": NOON + timedelta(hours=6, minutes=30)}}
    )
    await momentum.check("2026-03-04T19:05:00Z")

    assert momentum.fields("xp", "games_analyzed") == first


async def test_an_analysis_that_the_page_repeats_after_us_is_not_paid_by_us_again(
    momentum: MomentumScenario,
) -> None:
    await momentum.begin("2026-03-01T00:00:00Z")
    momentum.add_player("u1")
    game = momentum.application.analyse_by_worker("u1", NOON)
    await momentum.check(NOW)
    first = momentum.fields("xp")

    momentum.application.analyse_on_page("u1", NOON + timedelta(hours=6), game_id=game + "-2")
    await momentum.check("2026-03-04T19:05:00Z")

    assert momentum.fields("xp") == first


async def test_of_several_progress_documents_of_a_user_the_oldest_counts(
    momentum: MomentumScenario,
) -> None:
    await momentum.begin("2026-03-01T00:00:00Z")
    momentum.application.register("u1", timezone="UTC")
    oldest = momentum.application.start_progress("u1", xp=100)
    momentum.application.start_progress("u1", xp=900)
    momentum.application.reflect("u1", NOON)
    other = momentum.db.user_progress.find_one({"xp": 900})

    result = await momentum.check(NOW)

    assert momentum.db.user_progress.find_one({"_id": oldest})["xp"] == 110
    assert momentum.db.user_progress.find_one({"_id": other["_id"]}) == other
    assert momentum.db.user_progress.count_documents({}) == 2
    assert result.record["notes"]["surplus_progress"] == 1


async def test_a_player_without_progress_gets_one_that_the_application_can_read(
    momentum: MomentumScenario,
) -> None:
    await momentum.begin("2026-03-01T00:00:00Z")
    momentum.application.register("u1")
    momentum.application.reflect("u1", NOON)

    await momentum.check(NOW)

    assert momentum.fields("xp", "level", "current_streak") == (10, 1, 1)
    assert momentum.db.user_progress.count_documents({"user_id": "u1"}) == 1


async def test_a_progress_document_of_one_statistic_is_completed(
    momentum: MomentumScenario,
) -> None:
    await momentum.begin("2026-03-01T00:00:00Z")
    momentum.application.register("u1")
    momentum.db.user_progress.insert_one({"user_id": "u1", "games_imported": 4, "updated_at": NOON})
    momentum.unlock("u1", "first_steps")
    momentum.application.sync_game("u1", NOON)

    await momentum.check(NOW)

    assert momentum.fields("xp", "level", "games_imported") == (5, 1, 5)


async def test_evidence_of_a_deleted_user_pays_no_player(momentum: MomentumScenario) -> None:
    await momentum.begin("2026-03-01T00:00:00Z")
    momentum.application.reflect("ghost", NOON)

    await momentum.check(NOW)

    assert momentum.db.user_progress.count_documents({}) == 0


async def test_values_of_other_types_in_the_progress_affect_no_other_player(
    momentum: MomentumScenario,
) -> None:
    await momentum.begin("2026-03-01T00:00:00Z")
    users = [f"broken-{number}" for number in range(len(BROKEN))]
    for user_id, broken in zip(users, BROKEN, strict=True):
        momentum.add_player(user_id)
        momentum.db.user_progress.update_one({"user_id": user_id}, {"$set": broken})
    momentum.add_player("u2")
    for user_id in (*users, "u2"):
        momentum.application.reflect(user_id, NOON)
        momentum.application.analyse_by_worker(user_id, NOON)

    await momentum.check(NOW)
    await momentum.check("2026-03-09T18:05:00Z")

    assert momentum.fields("momentum_xp", "level", user_id="u2") == (35 + 50, 1)
    for user_id, broken in zip(users, BROKEN, strict=True):
        if "user_id" in broken:
            continue
        progress = momentum.progress(user_id)
        assert isinstance(progress["xp"], int), broken
        assert (progress["weekly_prev_xp"], progress["weekly_prev_key"]) == (85, "2026-W10"), broken
        assert progress["week_closed"] == "2026-W10", broken
        assert progress.get("added") == broken.get("added")


async def test_odd_values_in_the_evidence_do_not_fail_a_run(momentum: MomentumScenario) -> None:
    await momentum.begin("2026-03-01T00:00:00Z")
    momentum.add_player("u1")
    write = momentum.application
    odd: Any
    for odd in (None, 7, "soon", [], {}, "2026-03-04", NOON, "2026-03-04T12:00:00Z"):
        write.sync_game("u1", NOON, imported_at=odd)
        write.analyse_by_worker("u1", NOON, created_at=odd)
        write.attempt_puzzle("u1", NOON, attempted_at=odd)
        write.reflect("u1", NOON, created_at=odd)
    for odd in (None, 7, "x", [], {"accuracy": "high"}, {"accuracy": 80, "move_evaluations": 3}):
        write.analyse_by_worker("u1", NOON, stockfish_analysis=odd)
    strange_users: tuple[Any, ...] = (None, 7, ["u1"], {"a": 1})
    for odd in strange_users:
        write.reflect(odd, NOON)
        write.sync_game(odd, NOON)
    for odd in ("yes", 1, None, "true"):
        write.attempt_puzzle("u1", NOON, success=odd, correct=odd, time_taken_seconds="fast")
    for odd in (None, 7, "soon", "2026-02-30", NOON, []):
        session = {"user_id": "u1", "local_date": odd, "status": "completed"}
        momentum.db.training_sessions.insert_one(session)

    await momentum.check(NOW)
    await momentum.check("2026-03-09T18:05:00Z")

    # Two values of each kind are instants: a date, and a text with a Z.
    by_action = {event["action"] for event in momentum.events()}
    assert sum(event["points"] == 10 for event in momentum.events()) == 2, by_action
