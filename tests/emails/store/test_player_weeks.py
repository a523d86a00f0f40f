"""The numbers of many players in a week, and how they are read."""

from collections import Counter
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from chesscoach.emails.store.player_weeks import PlayerWeeks
from chesscoach.emails.store.week_pipeline import pipeline
from chesscoach.emails.weekly.summary import summarise
from chesscoach.emails.weekly.values import PlayerWeek
from chesscoach.schedules import week_bounds as bounds
from chesscoach.schedules.iso_week import Week
from tests.emails.store.conftest import NEXT, UTC_ZONE, WEEK, CommandRecorder
from tests.emails.store.malformed_week import MalformedWeek
from tests.emails.store.plain_week import applications_summary, expected_week, read_weeks


def week_edges(week: Week, zone: ZoneInfo) -> tuple[datetime, datetime, datetime]:
    return (*bounds.week_bounds(week.before, zone), bounds.week_bounds(week, zone)[1])


def insert_documents(db: Any, made: MalformedWeek) -> None:
    for collection, documents in made.documents.items():
        db[collection].insert_many([document for document, _ in documents])
        # Data of players that are not in the batch.
        db[collection].insert_many(
            [
                {key: value for key, value in document.items() if key not in ("_id", "game_id")}
                | {"user_id": user_id, "game_id": f"{user_id}{place}"}
                for place, (document, _) in enumerate(documents[:50])
                for user_id in ("stranger", "player")
            ]
        )


@pytest.mark.parametrize(
    ("key", "zone"),
    [
        ("2026-W43", "Europe/Berlin"),  # 169 hours
        ("2021-W12", "Asia/Tehran"),  # its first hour is missing
    ],
)
async def test_the_numbers_of_200_players_in_all_odd_forms_are_those_of_a_plain_loop(
    store: PlayerWeeks, db: Any, commands: CommandRecorder, key: str, zone: str
) -> None:
    week, place = Week.parse(key), ZoneInfo(zone)
    before, start, end = week_edges(week, place)
    made = MalformedWeek((before, start, end), players=200, seed=week.year + week.number)
    insert_documents(db, made)
    read = await store.read(made.user_ids, week, place)
    assert commands.names == ["aggregate"]
    assert list(read) == made.user_ids
    games, seen = 0, Counter[str]()
    for user_id, ours in read.items():
        assert read_weeks(ours, "analysed") == expected_week(made, user_id, start, end)
        assert read_weeks(ours, "analysed_before") == expected_week(made, user_id, before, start)
        ended = {
            document["game_id"]: at
            for document, at in made.documents_of("games", user_id)
            if at is not None and start <= at < end
        }
        assert {game.game_id: game.ended_at for game in ours.played} == ended
        answers = [
            bool(document["move_correct"])
            for document, at in made.documents_of("reflection_results", user_id)
            if at is not None and start <= at < end
        ]
        assert (ours.reflections, ours.reflections_right) == (len(answers), sum(answers))
        games += len(ended)
        seen.update(analysed=len(ours.analysed), before=len(ours.analysed_before))
        assert user_id not in made.idle or ours == PlayerWeek(user_id=user_id, week=week)
    assert min(games, seen["analysed"], seen["before"]) > 200


async def test_the_numbers_of_regular_data_are_the_applications_own_at_that_mondays_midnight(
    store: PlayerWeeks, db: Any
) -> None:
    made = MalformedWeek(week_edges(WEEK, UTC_ZONE), players=200, seed=7)
    insert_documents(db, made)
    read = await store.read(made.regular, WEEK, UTC_ZONE)
    assert len(read) == 20
    trends = set()
    for user_id, player_week in read.items():
        analyses, reflections, profiles = (
            [document for document, _ in made.documents_of(collection, user_id)]
            for collection in ("game_analyses", "reflection_results", "player_profiles")
        )
        theirs = applications_summary(analyses, reflections, NEXT)
        ours = summarise(player_week, NEXT)
        trends.add(ours.trend)
        assert theirs == {
            "games": ours.accuracy.games,
            "blunders": ours.accuracy.blunders,
            "mistakes": ours.accuracy.mistakes,
            "best": ours.accuracy.best_moves,
            "average": ours.accuracy.per_game(ours.accuracy.blunders),
            "trend": ours.trend,
            "reflections": ours.reflections,
            "right": ours.reflections_right,
        }
        assert ours.weakness == profiles[0]["top_weaknesses"][0]["subcategory"]
        assert ours.strength == profiles[0]["strengths"][0]["subcategory"]
    assert len(trends) > 1


async def test_500_players_are_one_command_and_more_are_refused(
    store: PlayerWeeks, commands: CommandRecorder
) -> None:
    read = await store.read([f"u{number}" for number in range(500)], WEEK, UTC_ZONE)
    assert commands.names == ["aggregate"]
    assert read["u7"] == PlayerWeek(user_id="u7", week=WEEK)
    assert await store.read([], WEEK, UTC_ZONE) == {}
    with pytest.raises(ValueError, match="500"):
        await store.read([f"u{number}" for number in range(501)], WEEK, UTC_ZONE)
    assert commands.names == ["aggregate"]


async def test_no_collection_is_read_whole(store: PlayerWeeks, db: Any) -> None:
    made = MalformedWeek(week_edges(WEEK, UTC_ZONE), players=20, seed=3)
    insert_documents(db, made)
    db.user_progress.insert_one({"user_id": "ann"})
    stages = pipeline(made.user_ids, *week_edges(WEEK, UTC_ZONE))
    command = {"aggregate": "games", "pipeline": stages, "cursor": {}}
    plan = str(db.command("explain", command, verbosity="queryPlanner"))
    assert plan.count("IXSCAN") >= 5
    assert "COLLSCAN" not in plan
    for collection in ("games", "game_analyses", "reflection_results", "player_profiles"):
        db[collection].drop_indexes()
    assert "COLLSCAN" in str(db.command("explain", command, verbosity="queryPlanner"))
