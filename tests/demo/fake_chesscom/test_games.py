"""Games have the form that the site documents."""

import re

import pytest

from chesscoach.demo.fake_chesscom import chesscom_json
from chesscoach.demo.world import World, historical_games, player_uuid
from tests.demo.fake_chesscom.conftest import MID_MARCH

FAMOUS = historical_games()


@pytest.mark.parametrize("result", ["1-0", "0-1", "1/2-1/2"])
def test_a_game_has_the_fields_and_the_pgn_that_the_site_sends(world: World, result: str) -> None:
    famous = next(famous for famous in FAMOUS if famous.result == result)
    game = world.add_game("chess.com", "Ann", MID_MARCH, famous=famous)
    document = chesscom_json(game)

    always = "url pgn time_control end_time rated tcn uuid initial_setup fen time_class rules"
    assert {*always.split(), "white", "black"} <= document.keys()
    assert (document["uuid"], document["fen"]) == (game.id, famous.fen)
    assert document["end_time"] == int(MID_MARCH.timestamp())
    assert document["eco"].startswith("https://www.chess.com/openings/"), "a URL, not a code"
    for colour, won in (("white", "1-0"), ("black", "0-1")):
        side = document[colour]
        assert side.keys() == {"rating", "result", "@id", "username", "uuid"}
        assert side["@id"] == f"https://api.chess.com/pub/player/{side['username'].lower()}"
        assert side["uuid"] == player_uuid(side["username"])
        assert (side["result"] == "win") == (result == won)
    assert "Ann" in (document["white"]["username"], document["black"]["username"])

    head, movetext = document["pgn"].split("\n\n")
    assert f'[UTCDate "{game.started_at:%Y.%m.%d}"]' in head
    assert f'[UTCTime "{game.started_at:%H:%M:%S}"]' in head
    assert f'[Link "{game.url}"]' in head
    assert f'[Result "{result}"]' in head
    assert movetext.rstrip().endswith(result)
    clocks = re.findall(r"\{\[%clk \d:\d\d:\d\d\]\}", movetext)
    assert len(clocks) == len(famous.moves.split())


def test_a_daily_game_has_a_start_and_days(world: World) -> None:
    document = chesscom_json(world.add_game("chess.com", "Ann", MID_MARCH, speed="daily"))

    assert document["time_control"] == "1/259200"
    assert document["start_time"] < document["end_time"]
    assert "/daily/" in document["url"]


def test_a_game_says_its_rules_its_position_and_its_accuracies(world: World) -> None:
    fen = "nqbrknbr/pppppppp/8/8/8/8/PPPPPPPP/NQBRKNBR w KQkq - 0 1"
    plain = chesscom_json(world.add_game("chess.com", "Ann", MID_MARCH))
    document = chesscom_json(
        world.add_game(
            "chess.com",
            "Ann",
            MID_MARCH,
            variant="chess960",
            initial_fen=fen,
            accuracies=(91.5, 77.25),
            fields={"pgn": None},
        )
    )

    assert (document["rules"], document["initial_setup"]) == ("chess960", fen)
    assert document["accuracies"] == {"white": 91.5, "black": 77.25}
    assert "pgn" not in document
    assert plain["rules"] == "chess"
    assert "accuracies" not in plain
