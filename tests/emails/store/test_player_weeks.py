import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import bson
import pytest
from bson.raw_bson import RawBSONDocument
from pymongo import monitoring

from chesscoach.config import Settings
from chesscoach.context import Context
from chesscoach.emails.store.player_weeks import PlayerWeeks
from chesscoach.emails.store.week_pipeline import pipeline
from chesscoach.emails.weekly.summary import summarise
from chesscoach.emails.weekly.values import PlayedGame, PlayerWeek
from chesscoach.mongo.client import Document, connect
from chesscoach.schedules import week_bounds as bounds
from chesscoach.schedules.iso_week import Week
from tests.emails.store.malformed_week import MalformedWeek

WEEK, UTC_ZONE = Week(2026, 47), ZoneInfo("UTC")
MONDAY, NEXT = bounds.week_bounds(WEEK, UTC_ZONE)
TUESDAY = MONDAY + timedelta(days=1, hours=10)


class CommandRecorder(monitoring.CommandListener):
    """What the server was asked."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """A command is on its way."""
        self.names.append(event.command_name)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Nothing more to know."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Nothing more to know."""


@pytest.fixture
def commands() -> CommandRecorder:
    return CommandRecorder()


@pytest.fixture
async def store(
    ctx: Context, settings: Settings, commands: CommandRecorder
) -> AsyncIterator[PlayerWeeks]:
    """Weeks on a connection whose commands are counted; the indexes stand."""
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
    for collection, rows in made.documents.items():
        db[collection].insert_many([document for document, _ in rows])
        # Strangers' data are nobody's in the batch.
        db[collection].insert_many(
            [
                {key: value for key, value in document.items() if key not in ("_id", "game_id")}
                | {"user_id": user_id, "game_id": f"{user_id}{place}"}
                for place, (document, _) in enumerate(rows[:50])
                for user_id in ("stranger", "player")
            ]
        )


def proper_moves(document: Document) -> list[Document]:
    """The move evaluations of a proper analysis; none if it is no proper one."""
    engine = document["stockfish_analysis"]
    if document.get("stockfish_failed") is True or not isinstance(engine, dict):
        return []
    accuracy, moves = engine["accuracy"], engine["move_evaluations"]
    if type(accuracy) not in (int, float) or not 0 < accuracy <= 100 or not isinstance(moves, list):
        return []
    moves = [move for move in moves if isinstance(move, dict)]
    return moves if len(moves) >= 3 else []


def expected_week(made: MalformedWeek, user_id: str, start: datetime, end: datetime) -> list[Any]:
    """What was analysed between two instants: one document after another, in plain Python."""
    found = []
    for document, at in made.documents_of("game_analyses", user_id):
        moves = proper_moves(document)
        if not moves or at is None or not start <= at < end:
            continue
        worst, swing = 0.0, None
        for move in moves:
            loss: Any = move.get("cp_loss")
            if type(loss) in (int, float) and worst < loss < math.inf:
                worst, swing = loss, move
        number = swing.get("move_number") if swing else None
        text = swing.get("move") if swing else None
        found.append(
            (
                at,
                document["game_id"] if isinstance(document["game_id"], str) else "",
                float(document["stockfish_analysis"]["accuracy"]),
                sum(move.get("evaluation") == "blunder" for move in moves),
                sum(move.get("evaluation") == "mistake" for move in moves),
                sum(
                    bool(move.get("is_best")) or move.get("evaluation") == "best" for move in moves
                ),
                worst,
                number if type(number) is int and number >= 0 else None,
                text if isinstance(text, str) else "",
            )
        )
    return sorted(found, key=str)


def read_weeks(week: PlayerWeek, analysed: str) -> list[Any]:
    return sorted(
        (
            (
                game.analysed_at,
                game.game_id,
                game.accuracy,
                game.blunders,
                game.mistakes,
                game.best_moves,
                game.swing.cp_loss if game.swing else 0.0,
                game.swing.move_number if game.swing else None,
                game.swing.move if game.swing else "",
            )
            for game in getattr(week, analysed)
        ),
        key=str,
    )


@pytest.mark.parametrize(
    ("key", "zone"),
    [
        ("2026-W47", "UTC"),
        ("2026-W43", "Europe/Berlin"),  # 169 hours
        ("2021-W12", "Asia/Tehran"),  # its first hour is missing
        ("2026-W53", "Pacific/Kiritimati"),
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
    for user_id, found in read.items():
        assert read_weeks(found, "analysed") == expected_week(made, user_id, start, end)
        assert read_weeks(found, "analysed_before") == expected_week(made, user_id, before, start)
        ended = {
            document["game_id"]: at
            for document, at in made.documents_of("games", user_id)
            if at is not None and start <= at < end
        }
        assert {game.game_id: game.ended_at for game in found.played} == ended
        answers = [
            bool(document["move_correct"])
            for document, at in made.documents_of("reflection_results", user_id)
            if at is not None and start <= at < end
        ]
        assert (found.reflections, found.reflections_right) == (len(answers), sum(answers))
        games += len(ended)
        seen.update(analysed=len(found.analysed), before=len(found.analysed_before))
        assert user_id not in made.idle or found == PlayerWeek(user_id=user_id, week=week)
    assert min(games, seen["analysed"], seen["before"]) > 200


def applications_summary(
    analyses: Sequence[Document], reflections: Sequence[Document], now: datetime
) -> Document:
    """The application's weekly numbers at an instant, as it comes to them: seven days back."""
    week_ago, two_weeks_ago = (now - timedelta(days=days) for days in (7, 14))

    def between(rows: Sequence[Document], start: datetime, end: datetime) -> list[Document]:
        return [row for row in rows if start.isoformat() <= row["created_at"] < end.isoformat()]

    def evaluations(rows: Sequence[Document]) -> list[Document]:
        return [move for row in rows for move in row["stockfish_analysis"]["move_evaluations"]]

    def count(moves: Sequence[Document], word: str) -> int:
        return sum(move.get("evaluation") == word for move in moves)

    this_week = between(analyses, week_ago, now)
    last_week = between(analyses, two_weeks_ago, week_ago)
    moves = evaluations(this_week)
    average = count(moves, "blunder") / len(this_week)
    previous = count(evaluations(last_week), "blunder") / len(last_week) if last_week else average
    trend = "stable"
    if average < previous * 0.8:
        trend = "improving"
    elif average > previous * 1.2:
        trend = "declining"
    answered = between(reflections, week_ago, now)
    return {
        "games": len(this_week),
        "blunders": count(moves, "blunder"),
        "mistakes": count(moves, "mistake"),
        "best": sum(bool(m.get("is_best")) or m.get("evaluation") == "best" for m in moves),
        "average": average,
        "trend": trend,
        "reflections": len(answered),
        "right": sum(bool(row["move_correct"]) for row in answered),
    }


async def test_the_numbers_of_regular_data_are_the_applications_own_at_that_mondays_midnight(
    store: PlayerWeeks, db: Any
) -> None:
    made = MalformedWeek(week_edges(WEEK, UTC_ZONE), players=200, seed=7)
    insert_documents(db, made)
    read = await store.read(made.regular, WEEK, UTC_ZONE)
    assert len(read) == 20
    trends = set()
    for user_id, found in read.items():
        analyses, reflections, profiles = (
            [document for document, _ in made.documents_of(collection, user_id)]
            for collection in ("game_analyses", "reflection_results", "player_profiles")
        )
        theirs = applications_summary(analyses, reflections, NEXT)
        ours = summarise(found)
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
    asked = {"aggregate": "games", "pipeline": stages, "cursor": {}}
    told = str(db.command("explain", asked, verbosity="queryPlanner"))
    assert told.count("IXSCAN") >= 5
    assert "COLLSCAN" not in told
    for collection in ("games", "game_analyses", "reflection_results", "player_profiles"):
        db[collection].drop_indexes()
    assert "COLLSCAN" in str(db.command("explain", asked, verbosity="queryPlanner"))


async def only_game(store: PlayerWeeks, db: Any, **fields: Any) -> PlayedGame:
    document: Document = {
        "game_id": "g",
        "user_id": "ann",
        "platform": "lichess",
        "username": "Ann",
        "pgn": "",
        "url": "https://lichess.org/abcdefgh",
        "user_color": "black",
        "result": "0-1",
        "time_control": "blitz",
        "imported_at": TUESDAY.isoformat(),
    }
    db.games.insert_one(document | fields)
    found = (await store.read(["ann"], WEEK, UTC_ZONE))["ann"]
    (game,) = found.played
    return game


TAGS = (
    '[White "Bob"]\n[Black "ann"]\n[WhiteElo "1610"]\n[BlackElo "1500"]\n'
    '[WhiteRatingDiff "-6"]\n[BlackRatingDiff "+7"]\n[UTCDate "2026.11.18"]\n[UTCTime "09:00:00"]\n'
)


async def test_a_lichess_game_of_ours_knows_the_rating_before_it_and_its_tags_the_change(
    store: PlayerWeeks, db: Any
) -> None:
    game = await only_game(
        store, db, ended_at=TUESDAY.isoformat(), user_rating=1500, opponent="Bob", pgn=TAGS
    )
    assert (game.rating_before, game.rating_after) == (1500, 1507)
    assert (game.opponent, game.colour, game.result) == ("Bob", "black", "0-1")
    assert game.ended_at == TUESDAY


async def test_a_chesscom_game_of_ours_knows_the_rating_after_it(
    store: PlayerWeeks, db: Any
) -> None:
    game = await only_game(
        store, db, platform="chess.com", ended_at=TUESDAY, user_rating=1400, opponent="Bob"
    )
    assert (game.platform, game.rating_before, game.rating_after) == ("chess.com", None, 1400)


async def test_an_imported_game_is_known_by_its_tags(store: PlayerWeeks, db: Any) -> None:
    game = await only_game(store, db, pgn=TAGS + "\n1. e4 *", user_color=None)
    assert (game.rating_before, game.rating_after) == (1500, 1507)
    assert (game.opponent, game.colour) == ("Bob", "black")
    assert game.ended_at == datetime(2026, 11, 18, 9, tzinfo=UTC)


async def test_an_imported_chesscom_game_ended_when_its_tags_say_so_and_was_rated_then(
    store: PlayerWeeks, db: Any
) -> None:
    pgn = TAGS + '[Date "2026.11.01"]\n[EndDate "2026.11.20"]\n[EndTime "23:59:59"]\n\n1. e4 *'
    game = await only_game(store, db, platform="chess.com", pgn=pgn)
    assert (game.rating_before, game.rating_after) == (None, 1500)
    assert game.ended_at == datetime(2026, 11, 20, 23, 59, 59, tzinfo=UTC)


async def test_a_day_without_a_time_stands_for_its_noon(store: PlayerWeeks, db: Any) -> None:
    game = await only_game(store, db, pgn='[Date "2026.11.19"]\n\n*')
    assert game.ended_at == datetime(2026, 11, 19, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "fields",
    [{"variant": "chess960"}, {"pgn": TAGS + '[Variant "Atomic"]\n'}, {"pgn": ""}],
)
async def test_a_rating_of_another_variant_or_none_is_not_told(
    store: PlayerWeeks, db: Any, fields: Document
) -> None:
    game = await only_game(store, db, ended_at=TUESDAY, **{"pgn": TAGS} | fields)
    assert (game.rating_before, game.rating_after) == (None, None)


async def test_words_that_are_not_known_are_kept_and_what_is_no_word_is_other(
    store: PlayerWeeks, db: Any
) -> None:
    game = await only_game(
        store, db, platform="fics", time_control=[5], result="abandoned", url=None, opponent=7
    )
    assert (game.platform, game.speed, game.result) == ("fics", "other", "*")
    assert (game.url, game.opponent) == ("", "")


@pytest.mark.parametrize("filling", [2000, 200_000])
async def test_tags_that_are_hostile_or_torn_cost_only_themselves(
    store: PlayerWeeks, db: Any, filling: int
) -> None:
    lines = (
        '[Date "????.??.??"]',
        '[UTCDate "nonsense"]',
        '[UTCTime "25:61:61"]',
        "[EndDate",
        '[WhiteElo "?"]',
        '[BlackElo "99999"]',
        f'[White "{"[" * filling}"]',
        "[[[[",
        '[BlackRatingDiff "+-"]',
        "",
        '[Date "2026.11.01"]',
    )
    game = await only_game(store, db, pgn="\n".join(lines))
    assert (game.ended_at, game.rating_before, game.opponent) == (
        TUESDAY, None, "[" * filling if filling < 4000 else "",
    )  # fmt: skip


async def test_broken_characters_in_the_data_fail_nobody(store: PlayerWeeks, db: Any) -> None:
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
    found = (await store.read(["ann"], WEEK, UTC_ZONE))["ann"]
    assert found.played == ()
    assert [item.game and item.game.url for item in found.analysed] == ["u", None, None, None]
    assert [item.accuracy for item in found.analysed] == [90.0] * 4


@pytest.mark.parametrize(
    ("profile", "weakness", "strength"),
    [
        ({"top_weaknesses": [{"subcategory": "forks"}], "strengths": ["calm"]}, "forks", "calm"),
        ({"top_weaknesses": ["pins", "forks"], "strengths": []}, "pins", None),
        ({"top_weaknesses": {"0": "forks"}, "strengths": "endings"}, None, None),
        ({"top_weaknesses": [{"category": "x"}], "strengths": [7]}, None, None),
        ({"top_weaknesses": [None, "forks"], "strengths": [" "]}, None, None),
        ({}, None, None),
    ],
)  # fmt: skip
async def test_the_first_weakness_and_strength_of_the_profile_are_told(
    store: PlayerWeeks, db: Any, profile: Document, weakness: str | None, strength: str | None
) -> None:
    db.player_profiles.insert_one({"user_id": "ann", **profile})
    found = (await store.read(["ann"], WEEK, UTC_ZONE))["ann"]
    assert (found.weakness, found.strength) == (weakness, strength)


@pytest.mark.parametrize(
    ("progress", "points"),
    [
        ({"weekly_key": "2026-W47", "weekly_xp": 120}, 120),
        ({"weekly_key": "2026-W48", "weekly_xp": 5, "weekly_prev_key": "2026-W47",
          "weekly_prev_xp": 0}, 0),
        ({"weekly_key": "2026-W48", "weekly_xp": 5, "weekly_prev_key": "2026-W46",
          "weekly_prev_xp": 7}, None),
        ({"weekly_key": "2026-W47", "weekly_xp": "120"}, None),
        ({"weekly_xp": 120}, None),
    ],
)  # fmt: skip
async def test_points_are_those_of_that_week_only(
    store: PlayerWeeks, db: Any, progress: Document, points: int | None
) -> None:
    db.user_progress.insert_one({"user_id": "ann", **progress})
    assert (await store.read(["ann"], WEEK, UTC_ZONE))["ann"].points == points


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
        user_id: (found.streak, found.longest_streak, found.level)
        for user_id, found in read.items()
    }
    assert seen == {"ann": (3, 2**40, 0), "bob": (None, None, None), "cid": (None, None, None)}
