"""The rules of streaks: how active days move them, and what pages show."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from chesscoach.config.momentum import MomentumAmounts
from chesscoach.momentum.points import streak_points
from chesscoach.momentum.streaks import ApplicationStreak, Streak, add_days, is_over, shown_length

FIRST = date(2026, 3, 1)


def days(*numbers: int) -> list[date]:
    return [FIRST + timedelta(days=number) for number in numbers]


def test_consecutive_days_grow_a_streak_and_a_gap_begins_a_new_one() -> None:
    grown = add_days(Streak(), days(0, 1, 2))
    broken = add_days(grown.streak, days(4))

    assert list(grown.grown.values()) == [1, 2, 3]
    assert (broken.streak.current, broken.streak.longest, broken.streak.last) == (1, 3, days(4)[0])
    assert broken.lost == ((days(2)[0], 3),)


def test_a_known_day_changes_nothing() -> None:
    streak = add_days(Streak(), days(0, 1)).streak

    again = add_days(streak, days(1, 0))

    assert (again.streak, again.grown) == (streak, {})


def test_a_late_day_joins_two_streaks_and_lengthens_the_days_after_it() -> None:
    streak = add_days(Streak(), days(0, 1, 3)).streak

    joined = add_days(streak, days(2))

    assert joined.streak.current == 4
    assert joined.grown == {days(2)[0]: 3, days(3)[0]: 4}


def test_a_streak_that_was_known_without_its_days_goes_on() -> None:
    """The application's streak, or one whose first days have been forgotten."""
    known = Streak(current=90, longest=90, started=days(-89)[0], last=days(0)[0])

    assert add_days(known, days(1)).streak.current == 91
    assert add_days(known, days(-40)).grown == {}


def test_a_streak_is_over_on_the_second_day_without_activity() -> None:
    last = date(2026, 3, 10)

    assert [is_over(last, last + timedelta(days=n)) for n in range(3)] == [False, False, True]
    assert is_over(None, last)


def test_a_day_pays_by_the_length_of_the_streak_up_to_seven_and_two_lengths_pay_more() -> None:
    paid = {n: sum(points for _, points in streak_points(MomentumAmounts(), n)) for n in range(33)}

    more = {7: 100, 30: 500}
    assert paid == {n: 20 * min(n, 7) * (n > 1) + more.get(n, 0) for n in range(33)}


def test_pages_show_the_longer_streak_that_is_alive() -> None:
    today = date(2026, 3, 12)
    ours = Streak(current=3, last=today)
    theirs = ApplicationStreak(current=8, last_local=today, last_utc=today)
    ended = ApplicationStreak(current=8, last_local=days(0)[0], last_utc=days(0)[0])

    assert shown_length(ours, theirs, today, today) == 8
    assert shown_length(ours, ended, today, today) == 3
    assert shown_length(Streak(current=3, last=days(0)[0]), ended, today, today) == 0


def test_the_applications_streak_is_alive_while_it_is_by_either_date() -> None:
    """At 02:00 UTC it is still the day before in Los Angeles: defect D6 of the original."""
    streak = ApplicationStreak(current=4, last_local=date(2026, 3, 10), last_utc=date(2026, 3, 10))

    assert not streak.is_over(date(2026, 3, 11), date(2026, 3, 12))
    assert streak.is_over(date(2026, 3, 12), date(2026, 3, 12))


@given(st.lists(st.sets(st.integers(0, 40), min_size=1), min_size=1, max_size=8))
def test_the_order_in_which_days_become_known_does_not_matter(batches: list[set[int]]) -> None:
    streak = Streak()
    for batch in batches:
        streak = add_days(streak, days(*batch)).streak
    known = set().union(*batches)

    assert streak == add_days(Streak(), days(*known)).streak
