"""The rules by which awards move the counters of a week or a month."""

from chesscoach.momentum.booking import counters
from chesscoach.momentum.player import Counter

W10, W11, W12 = "2026-W10", "2026-W11", "2026-W12"


def test_points_of_the_running_period_add_to_its_counter() -> None:
    counter = counters.add(Counter(key=W10, points=30, booked=30), {W10: 5}, {})

    assert (counter.points, counter.booked) == (35, 35)


def test_a_newer_period_begins_at_its_own_points_and_keeps_the_one_before() -> None:
    counter = counters.add(Counter(key=W10, points=80), {W11: 10}, {W11: 10})

    assert (counter.key, counter.points, counter.booked) == (W11, 10, 10)
    assert (counter.previous_key, counter.previous_points) == (W10, 80)


def test_points_of_the_period_before_make_it_the_ledgers_sum() -> None:
    counter = Counter(key=W11, points=5, booked=5, previous_key=W10, previous_points=50)

    counter = counters.add(counter, {W10: 30}, {W10: 30})

    assert (counter.key, counter.points, counter.previous_points) == (W11, 5, 30)


def test_points_of_an_older_period_change_no_counter() -> None:
    counter = Counter(key=W12, points=5, booked=5, previous_key=W11, previous_points=50)

    assert counters.add(counter, {W10: 30}, {W10: 30}) == counter


def test_unknown_sums_are_read_from_the_ledger() -> None:
    running = Counter(key=W11, points=5, booked=5)

    assert counters.unknown_keys(running, {W11: 1, W10: 2}) == [W10]
    assert counters.unknown_keys(Counter(key=W11, points=5), {W11: 1}) == [W11]
    assert counters.unknown_keys(running, {W12: 1}) == [W12]


def test_a_lifetime_award_moves_no_counter() -> None:
    assert counters.add(Counter(), {}, {}) == Counter()
