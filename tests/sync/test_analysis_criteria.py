from typing import Any

import pytest

from chesscoach.sync.analysis_criteria import is_worth_analysing
from tests.support.user_games import make_user_game


@pytest.mark.parametrize(
    ("changes", "worth"),
    [
        ({}, True),
        ({"plies": 20}, True),
        ({"plies": 19}, False),
        ({"standard": False}, False),
        ({"speed": "bullet"}, False),
        ({"speed": "ultraBullet"}, False),
        ({"speed": "rapid"}, True),
        ({"speed": "classical"}, True),
        ({"speed": "daily"}, True),
        ({"speed": "correspondence"}, True),
    ],
)
def test_rules_speed_and_length_decide(changes: dict[str, Any], worth: bool) -> None:
    assert is_worth_analysing(make_user_game(1, **changes).game, min_moves=10) is worth


def test_a_game_without_a_move_is_never_worth_an_analysis() -> None:
    assert not is_worth_analysing(make_user_game(1, plies=0).game, min_moves=0)
    assert is_worth_analysing(make_user_game(1, plies=2).game, min_moves=0)
