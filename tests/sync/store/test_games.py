from datetime import datetime, timedelta
from typing import Any

from chesscoach.context import Context
from chesscoach.sources.game import Game, Side
from chesscoach.sync import game_identity as rules
from chesscoach.sync.store.games import UserGame
from tests.conftest import NOON

APPLICATIONS_OWN = {
    "game_id": str,
    "user_id": str,
    "platform": str,
    "username": str,
    "pgn": str,
    "url": str,
    "user_color": str,
    "result": str,
    "time_control": str,
    "imported_at": str,
    "is_analyzed": bool,
    "auto_synced": bool,
}


def make_user_game(number: int, user_id: str = "ann", **changes: Any) -> UserGame:
    fields: dict[str, Any] = {
        "platform": "lichess",
        "external_id": f"g{number:07}",
        "url": f"https://lichess.org/g{number:07}",
        "white": Side(name="Ann", key="ann", rating=1500),
        "black": Side(name="Bob", key="bob", rating=1600),
        "result": "1-0",
        "speed": "blitz",
        "variant": "standard",
        "standard": True,
        "rated": True,
        "started_at": NOON,
        "ended_at": NOON + timedelta(minutes=5),
        "plies": 40,
        "pgn": "1. e4 *",
    }
    game = Game(**{**fields, **changes})
    return UserGame(
        game_id=rules.game_id(game, user_id),
        user_id=user_id,
        username="Ann",
        colour="white",
        game=game,
    )


async def test_a_document_has_the_applications_fields_and_types(ctx: Context, db: Any) -> None:
    await ctx.sync.games.insert_new([make_user_game(1)], NOON)

    row = db.games.find_one()
    assert {name: type(row[name]) for name in APPLICATIONS_OWN} == APPLICATIONS_OWN
    assert row["imported_at"] == NOON.isoformat()
    assert (row["user_color"], row["user_rating"], row["opponent"]) == ("white", 1500, "Bob")
    assert datetime.fromisoformat(row["ended_at"]) == NOON + timedelta(minutes=5)


async def test_a_game_is_stored_once_per_user(ctx: Context, db: Any) -> None:
    first = await ctx.sync.games.insert_new(
        [make_user_game(1), make_user_game(1), make_user_game(1, "bob")], NOON
    )
    again = await ctx.sync.games.insert_new(
        [make_user_game(1), make_user_game(2)], NOON + timedelta(hours=1)
    )

    assert len(first.new) == 2
    assert [item.game.external_id for item in again.new] == ["g0000002"]
    assert again.known == {make_user_game(1).game_id: NOON}
    assert db.games.count_documents({}) == 3


async def test_a_game_that_the_application_imported_is_known_by_its_url(
    ctx: Context, db: Any
) -> None:
    theirs = {"game_id": "random", "user_id": "ann", "url": make_user_game(1).game.url}
    db.games.insert_one(dict(theirs))

    stored = await ctx.sync.games.insert_new([make_user_game(1), make_user_game(1, "bob")], NOON)

    assert [item.user_id for item in stored.new] == ["bob"]
    assert stored.known == {}
    row = db.games.find_one({"user_id": "ann"})
    assert {name: row[name] for name in theirs} == theirs


async def test_games_are_counted_by_user_and_site(ctx: Context) -> None:
    await ctx.sync.games.insert_new(
        [make_user_game(1), make_user_game(2), make_user_game(3, platform="chess.com")], NOON
    )

    counted = await ctx.sync.games.count_by_user(["ann", "nobody"])

    assert counted == {("ann", "lichess"): 2, ("ann", "chess.com"): 1}
