"""Plain cron expressions mean the same in numbers, and as calendar events."""

from datetime import UTC, datetime
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chesscoach.deploy import plain_cron
from chesscoach.schedules import slots
from chesscoach.schedules.schedule import Schedule
from tests.conftest import NOON


def cron_fields(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    return st.one_of(
        st.just("*"),
        number.map(str),
        st.sampled_from(["*/2", "*/3", "*/5"]),
        st.lists(number, min_size=1, max_size=4).map(lambda values: ",".join(map(str, values))),
        st.tuples(number, number).map(lambda pair: f"{min(pair)}-{max(pair)}"),
    )


DAYS = st.one_of(
    st.tuples(cron_fields(1, 28), cron_fields(1, 12), st.just("*")),
    st.tuples(st.just("*"), cron_fields(1, 12), st.one_of(cron_fields(0, 7), st.just("mon-fri"))),
)
PLAIN_CRONS = st.tuples(cron_fields(0, 59), cron_fields(0, 23), DAYS).map(
    lambda parts: " ".join((parts[0], parts[1], *parts[2]))
)


@settings(max_examples=60)
@given(PLAIN_CRONS)
def test_a_plain_expression_has_the_same_slots_in_numbers(cron: str) -> None:
    given_schedule = Schedule(job="a", cron=cron)
    assert plain_cron.unsupported_reason(given_schedule) == ""

    numbers = plain_cron.parse(cron).five_fields

    begin = datetime(NOON.year, NOON.month, NOON.day, tzinfo=UTC)
    ours, theirs = (
        [slot.at for slot in islice(slots.slots_after("a", schedule, begin), 20)]
        for schedule in (given_schedule, Schedule(job="a", cron=numbers))
    )
    assert theirs == ours
    assert not set(numbers) - set("0123456789*/,- ")


@pytest.mark.parametrize(
    ("cron", "numbers", "event"),
    [
        ("0 */6 * * *", "0 */6 * * *", "*-*-* 00/6:00:00 UTC"),
        ("30 * * * mon-wed", "30 * * * 1-3", "Mon..Wed *-*-* *:30:00 UTC"),
        ("0 9 * * 0,6", "0 9 * * 0,6", "Sat..Sun *-*-* 09:00:00 UTC"),
        ("0 9 * * 5-7", "0 9 * * 0,5-6", "Fri..Sun *-*-* 09:00:00 UTC"),
        ("0 9 * * 7", "0 9 * * 0", "Sun *-*-* 09:00:00 UTC"),
        ("5 4 1 */3 *", "5 4 1 1,4,7,10 *", "*-01,04,07,10-01 04:05:00 UTC"),
        ("*/20 8-17 * jan *", "*/20 8-17 * 1 *", "*-01-* 08..17:00/20:00 UTC"),
        ("0 0 */10 * *", "0 0 1,11,21,31 * *", "*-*-01,11,21,31 00:00:00 UTC"),
    ],
)
def test_a_plain_expression_is_written_for_each_target(cron: str, numbers: str, event: str) -> None:
    plain = plain_cron.parse(cron)

    assert (plain.five_fields, plain.calendar_event("UTC")) == (numbers, event)
