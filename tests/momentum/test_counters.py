"""The rules by which awards move the counters of a week or a month."""

from chesscoach.momentum.booking import counters
from chesscoach.momentum.player import Counter

W10, W11, W12 = "2026-W10", "2026-W11", "2026-W12"


def test_points_of_the_running_period_add_to_its_counter() -> None:
    assert counters.add(Counter(key=W10, points=30), {W10: 5}) == Counter(key=W10, points=35)


def test_a_newer_period_begins_at_its_own_points_and_keeps_the_one_before() -> None:
    counter = counters.add(Counter(key=W10, points=80), {W10: 5, W11: 10})

    assert (counter.key, counter.points) == (W11, 10)
    assert (counter.previous_key, counter.previous_points) == (W10, 85)


def test_a_period_without_points_is_not_the_previous_one() -> None:
    idle = Counter(key=W11, points=0, previous_key=W10, previous_points=50)

    counter = counters.add(idle, {W12: 5})

    assert (counter.key, counter.previous_key, counter.previous_points) == (W12, W10, 50)


def test_points_of_the_previous_period_or_of_one_after_it_are_the_previous_points() -> None:
    counter = Counter(key=W12, points=5, previous_key=W10, previous_points=50)

    bonus, later = counters.add(counter, {W10: 30}), counters.add(counter, {W11: 30})

    assert (bonus.points, bonus.previous_key, bonus.previous_points) == (5, W10, 80)
    assert (later.points, later.previous_key, later.previous_points) == (5, W11, 30)


def test_points_of_an_older_period_change_no_counter() -> None:
    counter = Counter(key=W12, points=5, previous_key=W11, previous_points=50)

    assert counters.add(counter, {W10: 30}) == counter


def test_a_lifetime_award_moves_no_counter() -> None:
    assert counters.add(Counter(), {}) == Counter()
