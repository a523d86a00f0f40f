import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import bson
import pytest
from bson.datetime_ms import DatetimeMS
from bson.raw_bson import RawBSONDocument
from pymongo import monitoring

from chesscoach.config import Settings
from chesscoach.context import Context
from chesscoach.emails.store.player_weeks import PlayerWeeks
from chesscoach.emails.store.week_pipeline import pipeline
from chesscoach.emails.weekly.summary import summarise
from chesscoach.emails.weekly.values import PlayerWeek
from chesscoach.mongo.client import Document, connect
from chesscoach.schedules import week_bounds as bounds
from chesscoach.schedules.iso_week import Week
from tests.emails.store.malformed_week import MalformedWeek
from tests.emails.store.plain_week import applications_summary, expected_week, read_weeks

WEEK, UTC_ZONE = Week(2026, 47), ZoneInfo("UTC")
MONDAY, NEXT = bounds.week_bounds(WEEK, UTC_ZONE)
TUESDAY = MONDAY + timedelta(days=1, hours=10)
NOT_TIMES: tuple[object, ...] = (
    "2026-02-30", "yesterday", "", 5, None, [TUESDAY], {}, DatetimeMS(10**17),
)  # fmt: skip
TAGS = (
    '[White "Bob"]\n[Black "ann"]\n[BlackElo "1500"]\n[BlackRatingDiff "+7"]\n'
    '[UTCDate "2026.11.18"]\n[UTCTime "09:00:00"]\n'
)


class CommandRecorder(monitoring.CommandListener):
    """Records the commands that the server gets."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Record the name of a command."""
        self.names.append(event.command_name)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Do nothing."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Do nothing."""


@pytest.fixture
def commands() -> CommandRecorder:
    return CommandRecorder()


@pytest.fixture
async def store(
    ctx: Context, settings: Settings, commands: CommandRecorder
) -> AsyncIterator[PlayerWeeks]:
    """The store on a connection whose commands are recorded; the indexes exist."""
    loop, url = asyncio.get_running_loop(), settings.process.mongo_url
    assert url is not None
    client = await asyncio.to_thread(connect, url, settings.config.database, loop, [commands])
    await client.admin.command("ping")
    commands.names.clear()
    try:
        yield PlayerWeeks(client[settings.config.database.name])
    finally:
        await asyncio.to_thread(client.close)


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


async def test_a_game_is_read_with_its_fields_and_its_tags(store: PlayerWeeks, db: Any) -> None:
    ours = {"ended_at": TUESDAY, "user_rating": 1400, "opponent": "Bob", "user_color": "black"}
    theirs = {"username": "Ann", "pgn": TAGS + "\n1. e4 *", "imported_at": NEXT.isoformat()}
    common = {"user_id": "ann", "time_control": "blitz", "result": "0-1", "url": "u"}
    db.games.insert_many(
        [
            common | ours | {"game_id": "a", "platform": "chess.com"},
            common | ours | {"game_id": "b", "platform": "lichess", "variant": "atomic"},
            common | theirs | {"game_id": "c", "platform": "lichess"},
        ]
    )
    games = (await store.read(["ann"], WEEK, UTC_ZONE))["ann"].played
    assert {(game.speed, game.result, game.url) for game in games} == {("blitz", "0-1", "u")}
    assert {
        game.game_id: (game.opponent, game.colour, game.rating_before, game.rating_after)
        for game in games
    } == {
        "a": ("Bob", "black", None, 1400),
        "b": ("Bob", "black", None, None),
        "c": ("Bob", "black", 1500, 1507),
    }


@pytest.mark.parametrize("filling", [2000, 200_000])
async def test_tags_that_are_hostile_or_torn_cost_only_themselves(
    store: PlayerWeeks, db: Any, filling: int
) -> None:
    lines = (
        '[Date "????.??.??"]', '[UTCDate "nonsense"]', '[UTCTime "25:61:61"]', "[EndDate",
        '[WhiteElo "?"]', '[BlackElo "99999"]', f'[White "{"[" * filling}"]', "[[[[",
        '[BlackRatingDiff "+-"]', "", '[Date "2026.11.01"]',
    )  # fmt: skip
    db.games.insert_one(
        {
            "game_id": "g",
            "user_id": "ann",
            "user_color": "black",
            "pgn": "\n".join(lines),
            "imported_at": TUESDAY.isoformat(),
        }
    )
    (game,) = (await store.read(["ann"], WEEK, UTC_ZONE))["ann"].played
    assert (game.ended_at, game.rating_before, game.opponent) == (
        TUESDAY, None, "[" * filling if filling < 4000 else "",
    )  # fmt: skip


async def test_tags_are_read_where_no_blank_line_follows_them(store: PlayerWeeks, db: Any) -> None:
    moves = "1. e4 {[%clk 0:03:00]} e5 {[%clk 0:03:00]} " * 200
    pgn = f'\ufeff{TAGS} [Result "0-1"]\n{moves}'.replace("\n", "\r\n")
    game = {"user_id": "ann", "user_color": "black", "result": "resign", "pgn": pgn}
    db.games.insert_one(game | {"game_id": "g", "imported_at": NEXT.isoformat()})
    (played,) = (await store.read(["ann"], WEEK, UTC_ZONE))["ann"].played
    assert (played.ended_at, played.result) == (datetime(2026, 11, 18, 9, tzinfo=UTC), "0-1")
    assert (played.opponent, played.rating_before) == ("Bob", 1500)


async def test_broken_characters_in_the_data_fail_no_player(store: PlayerWeeks, db: Any) -> None:
    document = {
        "_id": 1,
        "game_id": "g",
        "user_id": "ann",
        "platform": "lichess",
        "pgn": '[Event "@@@@"]\n[UTCDate "2026.11.18"]\n',
        "imported_at": TUESDAY.isoformat(),
        "opponent": "@@@@",
    }
    for place, broken in enumerate((b"\xff\xfe\xfd\xfc", b"\xc3\x28\xa0\xa1", b"abc\xe2")):
        raw = bson.encode(document | {"_id": place, "game_id": f"g{place}"})
        db.games.insert_one(RawBSONDocument(raw.replace(b"@@@@", broken)))
    db.games.insert_one({"game_id": "h", "user_id": "bob", "ended_at": TUESDAY})
    read = await store.read(["ann", "bob"], WEEK, UTC_ZONE)
    assert len(read["bob"].played) == 1
    assert len(read["ann"].played) == 3


async def test_the_game_of_an_analysis_is_found_though_it_ended_long_before(
    store: PlayerWeeks, db: Any
) -> None:
    moves = [{"evaluation": "good"}] * 3
    engine = {"accuracy": 90, "move_evaluations": moves}
    db.games.insert_many(
        [
            {"game_id": "old", "user_id": "ann", "ended_at": "2020-01-01T00:00:00Z", "url": "u"},
            {"game_id": "theirs", "user_id": "bob", "ended_at": TUESDAY},
            {"user_id": "ann", "ended_at": "2020-01-01T00:00:00Z", "url": "nameless"},
        ]
    )
    db.game_analyses.insert_many(
        [
            {
                "game_id": game_id,
                "user_id": "ann",
                "created_at": TUESDAY + timedelta(hours=hour),
                "stockfish_analysis": engine,
            }
            for hour, game_id in enumerate(("old", "theirs", "gone", None))
        ]
    )
    player_week = (await store.read(["ann"], WEEK, UTC_ZONE))["ann"]
    assert player_week.played == ()
    assert [item.game and item.game.url for item in player_week.analysed] == ["u", None, None, None]
    assert [item.accuracy for item in player_week.analysed] == [90.0] * 4


async def test_the_first_weakness_and_strength_of_the_profile_are_read(
    store: PlayerWeeks, db: Any
) -> None:
    forms: list[tuple[Document, str | None, str | None]] = [
        ({"top_weaknesses": [{"subcategory": "forks"}], "strengths": ["calm"]}, "forks", "calm"),
        ({"top_weaknesses": ["pins", "forks"], "strengths": []}, "pins", None),
        ({"top_weaknesses": {"0": "forks"}, "strengths": "endings"}, None, None),
        ({"top_weaknesses": [{"category": "x"}], "strengths": [7]}, None, None),
        ({"top_weaknesses": [None, "forks"], "strengths": [" "]}, None, None),
        ({}, None, None),
    ]
    names = [f"p{number}" for number in range(len(forms))]
    db.player_profiles.insert_many(
        {"user_id": name, **form} for name, (form, *_) in zip(names, forms, strict=True)
    )
    read = await store.read(names, WEEK, UTC_ZONE)
    assert [(read[name].weakness, read[name].strength) for name in names] == [
        (weakness, strength) for _, weakness, strength in forms
    ]


async def test_points_are_those_of_that_week_only(store: PlayerWeeks, db: Any) -> None:
    later: Document = {"weekly_key": "2026-W48", "weekly_xp": 5}
    forms: dict[str, tuple[Document, int | None]] = {
        "ann": ({"weekly_key": "2026-W47", "weekly_xp": 120}, 120),
        "bob": (later | {"weekly_prev_key": "2026-W47", "weekly_prev_xp": 0}, 0),
        "cid": (later | {"weekly_prev_key": "2026-W46", "weekly_prev_xp": 7}, None),
        "dan": ({"weekly_key": "2026-W47", "weekly_xp": "120"}, None),
        "eve": ({"weekly_xp": 120}, None),
    }
    db.user_progress.insert_many({"user_id": name, **form} for name, (form, _) in forms.items())
    read = await store.read(list(forms), WEEK, UTC_ZONE)
    assert {name: week.points for name, week in read.items()} == {
        name: points for name, (_, points) in forms.items()
    }


async def test_streaks_and_levels_are_whole_numbers_or_unknown(store: PlayerWeeks, db: Any) -> None:
    db.user_progress.insert_many(
        [
            {"user_id": "ann", "current_streak": 3, "longest_streak": 2**40, "level": 0},
            {"user_id": "bob", "current_streak": True, "longest_streak": "9", "level": -1},
            {"user_id": ["cid", "ann"], "current_streak": 9},
        ]
    )
    read = await store.read(["ann", "bob", "cid"], WEEK, UTC_ZONE)
    seen = {
        user_id: (player_week.streak, player_week.longest_streak, player_week.level)
        for user_id, player_week in read.items()
    }
    assert seen == {"ann": (3, 2**40, 0), "bob": (None, None, None), "cid": (None, None, None)}


async def test_the_last_activity_of_a_streak_is_read_in_every_form(
    store: PlayerWeeks, db: Any
) -> None:
    noon = datetime(2026, 11, 17, 12, tzinfo=UTC)
    forms: list[tuple[object, datetime | None]] = [
        (TUESDAY, TUESDAY),
        (TUESDAY.isoformat(), TUESDAY),
        (TUESDAY.replace(tzinfo=None).isoformat(), TUESDAY),
        ("2026-11-17", noon),
        (" 2026-11-17 ", noon),
        *((value, None) for value in NOT_TIMES),
    ]
    names = [f"p{number}" for number in range(len(forms))]
    db.user_progress.insert_many(
        {"user_id": name, "current_streak": 3, "last_activity_date": stored}
        for name, (stored, _) in zip(names, forms, strict=True)
    )
    read = await store.read(names, WEEK, UTC_ZONE)
    assert [read[name].last_activity for name in names] == [instant for _, instant in forms]
    assert {read[name].streak for name in names} == {3}
