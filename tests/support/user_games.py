"""Games, and games as those of a user."""

from datetime import timedelta
from typing import Any

from chesscoach.sources.game import Game, Side
from chesscoach.sync import game_identity
from chesscoach.sync.store.game_documents import UserGame
from tests.conftest import NOON


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
        game_id=game_identity.game_id(game, user_id),
        user_id=user_id,
        username="Ann",
        colour="white",
        game=game,
    )


def make_game(**changes: Any) -> Game:
    """A rapid game of Ann against Bob on Lichess, with some fields changed."""
    return make_user_game(1, **{"external_id": "AbCd1234", "speed": "rapid", **changes}).game
