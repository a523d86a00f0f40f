from datetime import timedelta
from uuid import UUID, uuid5

import pytest
from hypothesis import given

from chesscoach.sources.game import Side
from chesscoach.sync import game_identity
from chesscoach.sync.account import Account
from tests.conftest import NOON
from tests.support.random_texts import texts
from tests.support.sync.accounts import make_account
from tests.support.user_games import make_game


def test_ids_never_change_for_they_are_what_makes_a_re_run_harmless() -> None:
    game_id = game_identity.game_id(make_game(), "ann")
    assert game_id == "96714566-9509-5f72-9a13-404882780823"
    assert game_identity.queue_id(game_id) == "6ebe6c0f-b0be-5bb4-a8a4-7fddc7af6446"


def test_ids_differ_by_site_game_and_user_and_by_nothing_else() -> None:
    ids = {
        game_identity.game_id(make_game(), "ann"),
        game_identity.game_id(make_game(), "bob"),
        game_identity.game_id(make_game(platform="chess.com"), "ann"),
        game_identity.game_id(make_game(external_id="AbCd1235"), "ann"),
    }
    assert len(ids) == 4
    assert len(ids | {game_identity.queue_id(game_id) for game_id in ids}) == 8
    assert all(str(UUID(game_id)) == game_id for game_id in ids)
    same = make_game(url="https://lichess.org/other", pgn="", ended_at=NOON + timedelta(days=1))
    assert game_identity.game_id(same, "ann") in ids


RENAMED = make_account("old", player_key="u-1")


@pytest.mark.parametrize(
    ("account", "white", "black", "colour"),
    [
        (make_account("ann"), Side(name="Ann", key="ann"), Side(name="Bob", key="bob"), "white"),
        (make_account("bob"), Side(name="Ann", key="ann"), Side(name="Bob", key="bob"), "black"),
        (make_account("eve"), Side(name="Ann", key="ann"), Side(name="Bob", key="bob"), None),
        # Renamed at the site: the identity decides, whatever the names say.
        (RENAMED, Side(name="n", key="u-1"), Side(name="B", key="u-2"), "white"),
        (RENAMED, Side(name="old", key="u-2"), Side(name="", key="u-1"), "black"),
        # No identity yet, or none at the site: the name, however it is spelled.
        (make_account("ann"), Side(name="ANN", key="u-1"), Side(name="Bob", key="u-2"), "white"),
        (make_account("bob"), Side(name="SF", key=None), Side(name="BoB", key=None), "black"),
        (make_account("bob"), Side(name="", key=None), Side(name="", key=None), None),
    ],
)  # fmt: skip
def test_the_colour_goes_by_identity_and_else_by_name(
    account: Account, white: Side, black: Side, colour: str | None
) -> None:
    assert game_identity.colour_of(make_game(white=white, black=black), account) == colour


def test_the_newest_come_first_and_no_more_than_wanted() -> None:
    three = [make_game(external_id=str(n), ended_at=NOON + timedelta(days=n)) for n in (1, 3, 2)]
    assert [game.external_id for game in game_identity.newest_games(three, 2)] == ["3", "2"]
    assert [game.external_id for game in game_identity.newest_games(iter(three), 9)] == [
        "3",
        "2",
        "1",
    ]
    assert game_identity.newest_games(three, 0) == []
    assert game_identity.newest_games(three, -1) == []


@given(texts())
def test_an_item_of_the_queue_has_a_uuid_of_version_5(stored_game_id: str) -> None:
    expected = uuid5(game_identity.NAMESPACE, f"analysis:{stored_game_id}")

    assert game_identity.queue_id(stored_game_id) == str(expected)
