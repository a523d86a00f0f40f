"""The games of a player's week, with their tags and analyses."""

from datetime import UTC, datetime, timedelta
from typing import Any

import bson
import pytest
from bson.raw_bson import RawBSONDocument

from chesscoach.emails.store.player_weeks import PlayerWeeks
from tests.emails.store.conftest import NEXT, TUESDAY, UTC_ZONE, WEEK

TAGS = (
    '[White "Bob"]\n[Black "ann"]\n[BlackElo "1500"]\n[BlackRatingDiff "+7"]\n'
    '[UTCDate "2026.11.18"]\n[UTCTime "09:00:00"]\n'
)


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
