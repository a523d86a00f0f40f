from datetime import datetime, timedelta
from typing import Any

import pytest

from chesscoach.context import Context
from chesscoach.sources.game import Side
from tests.conftest import NOON
from tests.support.user_games import make_user_game

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
    "white_player": str,
    "black_player": str,
    "opponent_name": str,
    "date_played": str,
    "played_at_utc": datetime,
    "opening": str,
    "termination": str,
    "user_rating": int,
}
UUID = "94e0b0ab-885a-11f1-9a4e-0123456789ab"
LIVE = "https://www.chess.com/game/live/170000000011"
PGN = """[Event "Live Chess"]
[Site "Chess.com"]
[ECO "C50"]
[Termination "Ann won on time"]
[Link "https://www.chess.com/game/live/170000000011"]

1. e4 *"""


async def test_a_document_has_the_applications_fields_and_types(ctx: Context, db: Any) -> None:
    await ctx.sync.games.insert_new([make_user_game(1, pgn=PGN)], NOON)

    game = db.games.find_one()
    assert {name: type(game[name]) for name in APPLICATIONS_OWN} == APPLICATIONS_OWN
    assert game["imported_at"] == NOON.isoformat()
    assert (game["user_color"], game["user_rating"], game["opponent"]) == ("white", 1500, "Bob")
    assert datetime.fromisoformat(game["ended_at"]) == NOON + timedelta(minutes=5)
    assert (game["white_player"], game["black_player"], game["opponent_name"]) == (
        "Ann",
        "Bob",
        "Bob",
    )
    assert (game["date_played"], game["played_at_utc"]) == ("2026.10.21", NOON)
    assert (game["opening"], game["termination"]) == ("C50", "Ann won on time")


async def test_what_the_source_does_not_say_is_missing_or_named_as_the_application_names_it(
    ctx: Context, db: Any
) -> None:
    unknown = make_user_game(
        1,
        black=Side(name="", key=None),
        white=Side(name="Ann", key="ann"),
        started_at=None,
        ending="resign",
        pgn='[ECO "?"]\n[Opening "?"]\n\n*',
    )
    await ctx.sync.games.insert_new([unknown], NOON)

    game = db.games.find_one()
    assert (game["opponent_name"], game["user_rating"]) == ("Opponent", None)
    assert (game["opening"], game["termination"]) == (None, "resign")
    assert (game["date_played"], game["played_at_utc"].minute) == ("2026.10.21", 5)


async def test_moves_that_come_later_bring_opening_and_termination(ctx: Context, db: Any) -> None:
    await ctx.sync.games.insert_new([make_user_game(1, pgn="")], NOON)
    await ctx.sync.games.insert_new([make_user_game(1, pgn=PGN)], NOON)

    game = db.games.find_one()
    assert (game["opening"], game["termination"]) == ("C50", "Ann won on time")


async def test_imported_at_increases_with_the_games_ends(ctx: Context, db: Any) -> None:
    batch = [
        make_user_game(number, ended_at=NOON - timedelta(minutes=number % 7))
        for number in range(50)
    ]

    await ctx.sync.games.insert_new(batch, NOON)

    games = list(db.games.find().sort("imported_at", 1))
    assert [game["ended_at"] for game in games] == sorted(game["ended_at"] for game in games)
    assert len({game["imported_at"] for game in games}) == 50
    assert games[0]["imported_at"] == NOON.isoformat()


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
    game = db.games.find_one({"user_id": "ann"})
    assert {name: game[name] for name in theirs} == theirs


@pytest.mark.parametrize(
    "theirs",
    [
        {"url": LIVE},
        {"url": LIVE.replace("live", "daily")},
        {"url": "https://www.chess.com/live/game/170000000011"},
        {"url": f"https://www.chess.com/game/{UUID}"},
        {"pgn": PGN},
        {"pgn": PGN.replace("Link", "LINK"), "url": None},
        {"pgn": f'[sItE "https://www.chess.com/game/{UUID}"]', "url": ""},
        {"pgn": PGN.replace("Link", "Site").replace("https://www.", "").replace("\n\n", "\n")},
    ],
)
async def test_a_game_of_chesscom_is_recognised_under_each_of_its_ids(
    ctx: Context, db: Any, theirs: dict[str, Any]
) -> None:
    document = {"game_id": "game_0123456789ab", "user_id": "ann", **theirs}
    db.games.insert_one(dict(document))
    for number, url in enumerate((LIVE, f"https://www.chess.com/game/{UUID}")):
        ours = {"platform": "chess.com", "external_id": UUID, "pgn": PGN, "url": url}
        users = ["ann", f"bob{number}"]

        stored = await ctx.sync.games.insert_new(
            [make_user_game(1, user, **ours) for user in users], NOON
        )

        assert [item.user_id for item in stored.new] == users[1:]
        assert db.games.find_one({"user_id": "ann"}, {"_id": 0}) == document


@pytest.mark.parametrize(
    "theirs",
    [
        {"url": "https://lichess.org/g0000001/black"},
        {"pgn": '[Event "rated blitz game"]\n[Site "https://lichess.org/g0000001"]\n\n1. e4 *'},
        {"pgn": '[link "https://lichess.org/g0000001abcd"]', "url": None},
    ],
)
async def test_a_game_of_lichess_is_recognised_by_its_id(
    ctx: Context, db: Any, theirs: dict[str, Any]
) -> None:
    db.games.insert_one({"game_id": "game_0123456789ab", "user_id": "ann", **theirs})

    stored = await ctx.sync.games.insert_new([make_user_game(1), make_user_game(2)], NOON)

    assert [item.game.external_id for item in stored.new] == ["g0000002"]


@pytest.mark.parametrize(
    "odd",
    [
        {"game_id": ["a"], "url": LIVE},
        {"game_id": "a", "url": [make_user_game(1).game.url]},
        {"game_id": "a", "pgn": 7},
        {"game_id": "a", "pgn": ["[Site"], "url": None},
        {"url": ""},
    ],
)
async def test_a_stored_game_of_odd_types_stops_nothing(
    ctx: Context, db: Any, odd: dict[str, Any]
) -> None:
    db.games.insert_one({"user_id": "ann", **odd})

    stored = await ctx.sync.games.insert_new([make_user_game(1)], NOON)

    assert len(stored.new) == 1


async def test_games_are_counted_by_user_and_source(ctx: Context) -> None:
    await ctx.sync.games.insert_new(
        [make_user_game(1), make_user_game(2), make_user_game(3, platform="chess.com")], NOON
    )

    counted = await ctx.sync.games.count_by_user(["ann", "unknown"])

    assert counted == {("ann", "lichess"): 2, ("ann", "chess.com"): 1}
