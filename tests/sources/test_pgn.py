"""Counting the moves of a PGN, and writing one."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chesscoach.demo.fake_chesscom import chesscom_json
from chesscoach.demo.fake_lichess import lichess_json
from chesscoach.demo.world import SimulatedGame, SourceName, World, historical_games
from chesscoach.sources.pgn import count_plies, format_pgn
from tests.conftest import NOON
from tests.support.random_texts import texts

HEAD = '[Event "x"]\n[Result "*"]\n\n'
RESULTS = ["1-0", "0-1", "1/2-1/2", "*"]


@pytest.mark.parametrize(
    ("movetext", "plies"),
    [
        ("", 0),
        ("*", 0),
        ("1-0", 0),
        ("1. e4 *", 1),
        ("1. e4 e5 2. Nf3 1-0", 3),
        ("1.e4 e5 2.Nf3 1/2-1/2", 3),
        ("1. e4 1... e5 2. Nf3 2... Nc6 0-1", 4),
        ("1. e4 {[%clk 0:09:58.1]} 1... e5 {[%clk 0:09:57]} 1-0", 2),
        ("1. e4 { [%eval 0.17] [%clk 0:03:00] } 1... c5 { B20 Sicilian. 2. Nf3 is best } *", 2),
        ("1. e4 {a comment\nof two lines} e5 *", 2),
        ("1. e4 ; to the end of the line e5\n1... c5 *", 2),
        ("1. e4 $1 e5 $14 $2 *", 2),
        ("1. O-O O-O-O 2. e8=Q# *", 3),
        ("1. e4!? e5?? 2. Nf3! *", 3),
        ("101. Kd2 Kd7 102. Kd1 *", 3),
        ("1. e4\n e5\n2. Nf3\n\n Nc6 *\n\n\n", 4),
    ],
)
def test_the_plies_of_a_movetext_are_counted(movetext: str, plies: int) -> None:
    assert count_plies(HEAD + movetext) == plies


@pytest.mark.parametrize(
    "tags",
    [
        "",
        "\n\n",
        "\ufeff",
        '[Event "x"]\n',
        '[Event "a \\"b\\" ]"]\n[Result "*"] ',
        "[Event x]\n",
        '[Event "of\ntwo lines"]\n[Result "*"]\n\n',
        '[Event "without an end]\n[Result "*"]\n\n',
        '\ufeff[Event "x"]\r\n\r\n',
    ],
)
def test_the_plies_are_counted_where_tags_or_the_empty_line_after_them_are_missing(
    tags: str,
) -> None:
    assert count_plies(f"{tags}1. e4 {{[%clk 0:09:58.1]}} 1... e5 2. Nf3\n\n2... Nc6 1-0\n") == 4


@pytest.mark.parametrize("text", ["not a pgn", "<p>e4 e5</p>", "e4 e5"])
def test_a_text_without_tags_and_without_a_move_number_has_no_plies(text: str) -> None:
    assert count_plies(text) == 0


@pytest.mark.parametrize("pgn", ["", "\n", "*", '[Event "x"]', '[Event "x"]\n[White "1. e4"]\n'])
def test_a_pgn_without_a_movetext_has_no_plies(pgn: str) -> None:
    assert count_plies(pgn) == 0


def test_moves_in_a_tag_are_not_counted() -> None:
    assert count_plies('[Event "1. e4 e5 2. Nf3"]\n\n1. d4 *') == 1


def test_the_line_ends_of_windows_make_no_difference() -> None:
    pgn = HEAD + "1. e4 {a} e5 ; b\n2. Nf3 *\n"

    assert count_plies(pgn.replace("\n", "\r\n")) == count_plies(pgn) == 3


@pytest.mark.parametrize("movetext", ["{" * 10**6, "1" * 10**6, "{1" * 10**6, "." * 10**6])
def test_a_senseless_movetext_does_not_hold_up_the_loop(movetext: str) -> None:
    assert count_plies(HEAD + movetext) >= 0
    assert count_plies(movetext) >= 0
    assert count_plies("[" + movetext) >= 0
    assert count_plies('["' + movetext) >= 0


def test_the_plies_of_the_sources_own_pgns_are_those_of_the_moves() -> None:
    world = World()
    to_json: dict[SourceName, Callable[[SimulatedGame], dict[str, Any]]]
    to_json = {"lichess": lichess_json, "chess.com": chesscom_json}
    for source in to_json:
        world.add_player(source, "Ann", NOON)
        for famous in historical_games():
            game = world.add_game(source, "Ann", NOON, famous=famous)
            assert count_plies(to_json[source](game)["pgn"]) == len(famous.moves.split()), (
                famous.white
            )


def test_a_pgn_has_its_tags_then_its_moves_numbered_then_the_result() -> None:
    assert format_pgn({"White": "Ann", "Result": "0-1"}, ["f3", "e5", "g4", "Qh4#"]) == (
        '[White "Ann"]\n[Result "0-1"]\n\n1. f3 e5 2. g4 Qh4# 0-1\n'
    )


def test_a_tag_without_a_value_is_left_out() -> None:
    assert format_pgn({"WhiteElo": None, "ECO": "", "Result": "*"}, []) == '[Result "*"]\n\n*\n'


def test_a_pgn_without_a_result_ends_open() -> None:
    assert format_pgn({}, ["e4"]).endswith("\n\n1. e4 *\n")


def test_quotes_and_line_ends_cannot_break_out_of_a_tag() -> None:
    pgn = format_pgn({"White": 'Ann "the\\Rook"\n[Result "1-0"]\r\n\n', "Result": "*"}, [])

    assert pgn == '[White "Ann \\"the\\\\Rook\\" [Result \\"1-0\\"]   "]\n[Result "*"]\n\n*\n'


@settings(max_examples=25)
@given(
    moves=st.lists(
        st.sampled_from(["e4", "Nf3", "O-O", "exd8=Q+", "Qh4#", "R1a3", "O-O-O"]), max_size=40
    ),
    result=st.sampled_from(RESULTS),
    name=texts(max_size=20),
)
def test_what_is_written_is_counted_as_it_was_given(
    moves: list[str], result: str, name: str
) -> None:
    pgn = format_pgn({"White": name, "Result": result}, moves)

    assert count_plies(pgn) == len(moves)
    assert re.findall(r"\d+\.", pgn.partition("\n\n")[2]) == [
        f"{n}." for n in range(1, (len(moves) + 1) // 2 + 1)
    ]


@given(texts())
def test_any_text_has_a_number_of_plies(text: str) -> None:
    assert count_plies(text) >= 0
