"""The level of a number of points, and the way to the next."""

import pytest

from chesscoach.momentum.levels import LEVELS, band_for, level_for


def test_the_table_is_the_application_s_from_pawn_to_grandmaster() -> None:
    assert [level.number for level in LEVELS] == list(range(1, 21))
    assert [level.xp for level in LEVELS] == sorted({level.xp for level in LEVELS})
    assert [(level.name, level.xp) for level in (LEVELS[0], LEVELS[9], LEVELS[-1])] == [
        ("Pawn", 0),
        ("Rook", 4_000),
        ("Grandmaster", 35_000),
    ]


@pytest.mark.parametrize(
    ("xp", "number"),
    [(-40, 1), (0, 1), (99, 1), (100, 2), (249, 2), (2_003, 7), (34_999, 19), (1_000_000, 20)],
)
def test_the_level_is_the_highest_whose_points_are_reached(xp: int, number: int) -> None:
    assert level_for(xp) == number


def test_each_level_begins_at_its_points_and_not_one_below() -> None:
    assert [level_for(level.xp) for level in LEVELS] == list(range(1, 21))
    assert [level_for(level.xp - 1) for level in LEVELS[1:]] == list(range(1, 20))


def test_a_band_says_how_much_of_the_way_to_the_next_level_is_done() -> None:
    band = band_for(175)
    assert (band.level.number, band.percent) == (2, 50.0)
    assert band.next is not None
    assert band.next.xp == 250


def test_the_top_level_has_no_next_one_and_is_complete() -> None:
    band = band_for(35_000)
    assert (band.level.number, band.next, band.percent) == (20, None, 100.0)


def test_points_below_zero_are_at_the_beginning_of_the_first_band() -> None:
    assert band_for(-5).percent == 0.0
