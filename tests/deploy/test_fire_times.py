"""Every slot finds one of ours awake, whoever keeps the time."""

from datetime import datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chesscoach.deploy import fire_times, syntax
from chesscoach.schedules import slots
from chesscoach.schedules.schedule import Every, Schedule
from tests.conftest import NOON

WINTER, SUMMER = NOON + timedelta(days=60), NOON + timedelta(days=240)


def cron_fields(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    return st.one_of(
        st.just("*"),
        number.map(str),
        st.sampled_from(["*/2", "*/3", "*/5"]),
        st.lists(number, min_size=1, max_size=4).map(lambda found: ",".join(map(str, found))),
        st.tuples(number, number).map(lambda pair: f"{min(pair)}-{max(pair)}"),
    )


CRONS = st.tuples(
    cron_fields(0, 59),
    cron_fields(0, 23),
    cron_fields(1, 28),
    cron_fields(1, 12),
    st.one_of(cron_fields(0, 7), st.just("mon")),
).map(" ".join)


def next_instants(schedule: Schedule, after: datetime, count: int = 40) -> list[datetime]:
    return [slot.at for slot in islice(slots.slots_after("a", schedule, after), count)]


@settings(max_examples=150)
@given(CRONS)
def test_what_is_said_to_be_exact_has_the_same_slots(cron: str) -> None:
    schedule = Schedule(job="a", cron=cron)
    found = fire_times.fire_times(schedule)
    (wake,) = found.times
    if wake.days.restricts_both and not wake.days.either:
        return  # five fields say it only with a star; Kubernetes not at all

    assert found.exact
    spelled = Schedule(job="a", cron=syntax.to_cron(wake))
    assert next_instants(spelled, NOON) == next_instants(schedule, NOON)


@settings(max_examples=60)
@given(
    CRONS,
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Tokyo"]),
    st.sampled_from(["UTC", "America/Los_Angeles", "Australia/Lord_Howe"]),
    st.sampled_from([WINTER, SUMMER]),
)
def test_a_clock_in_another_zone_wakes_us_for_every_slot(
    cron: str, zone: str, server: str, at: datetime
) -> None:
    schedule = Schedule(job="a", cron=cron, timezone=zone)

    lines = [
        syntax.to_cron(wake)
        for wake in fire_times.convert_timezone(fire_times.fire_times(schedule), server, NOON)
    ]

    for slot in next_instants(schedule, at, 15):
        local = slot.astimezone(ZoneInfo(server))
        assert any(
            slots.is_slot("a", Schedule(job="a", cron=line), local.replace(tzinfo=NOON.tzinfo))
            for line in lines
        ), (slot, lines)


@pytest.mark.parametrize(
    ("every", "anchor", "spelled", "exact"),
    [
        (Every(hours=6), "2001-01-01T00:00:00+00:00", ["0 */6 * * *"], True),
        (Every(hours=6), "2001-01-01T01:30:00+00:00", ["30 1,7,13,19 * * *"], True),
        (Every(minutes=15), "2001-01-01T00:00:00+00:00", ["*/15 * * * *"], True),
        (
            Every(minutes=90),
            "2001-01-01T00:00:00+00:00",
            ["0 */3 * * *", "30 1,4,7,10,13,16,19,22 * * *"],
            True,
        ),
        (Every(weeks=1), "2001-01-01T09:00:00+00:00", ["0 9 * * 1"], True),
        (Every(weeks=2), "2001-01-01T09:00:00+00:00", ["0 9 * * 1"], False),
        (Every(days=3), "2001-01-01T09:00:00+00:00", ["0 9 * * *"], False),
    ],
)
def test_a_period_is_told_by_the_clock_where_that_can_be(
    every: Every, anchor: str, spelled: list[str], exact: bool
) -> None:
    schedule = Schedule(job="a", every=every, anchor=datetime.fromisoformat(anchor))

    found = fire_times.fire_times(schedule)

    assert [syntax.to_cron(wake) for wake in found.times] == spelled
    assert found.exact is exact
    if exact:
        told = sorted(
            at for line in spelled for at in next_instants(Schedule(job="a", cron=line), NOON)
        )[:20]
        assert told == next_instants(schedule, NOON, 20)


@pytest.mark.parametrize("every", [Every(hours=7), Every(seconds=90), Every(seconds=5)])
def test_a_period_that_no_clock_tells_has_its_reason(every: Every) -> None:
    found = fire_times.fire_times(Schedule(job="a", every=every))

    assert not found.times
    assert found.reason


@pytest.mark.parametrize(
    ("cron", "events"),
    [
        ("0 */6 * * *", ["*-*-* 00/6:00:00 UTC"]),
        ("30 * * * 1-3", ["Mon..Wed *-*-* *:30:00 UTC"]),
        ("0 9 * * 0,6", ["Sat,Sun *-*-* 09:00:00 UTC"]),
        ("0 9 * * 7", ["Sun *-*-* 09:00:00 UTC"]),
        ("5 4 1 */3 *", ["*-01,04,07,10-01 04:05:00 UTC"]),
        ("0 0 1,15 * 1", ["*-*-01,15 00:00:00 UTC", "Mon *-*-* 00:00:00 UTC"]),
        ("0 0 */10 * 1", ["Mon *-*-01,11,21,31 00:00:00 UTC"]),
        ("*/10 0 3 * * *", ["*-*-* 03:00:00/10 UTC"]),
        ("0 3 L * *", ["*-*-28..31 03:00:00 UTC"]),
        ("0 3 * * 5#2", ["Fri *-*-* 03:00:00 UTC"]),
    ],
)
def test_systemd_is_told_in_its_own_words(cron: str, events: list[str]) -> None:
    (wake,) = fire_times.fire_times(Schedule(job="a", cron=cron)).times

    assert syntax.to_on_calendar(wake, "UTC") == events
