from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chesscoach.mongo import timestamps
from tests.support.random_texts import texts

TEN = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "instant"),
    [
        ("2026-11-21T10:00:00+00:00", TEN),
        ("2026-11-21T10:00:00.123456+00:00", TEN.replace(microsecond=123456)),
        ("2026-11-21T10:00:00.123Z", TEN.replace(microsecond=123000)),
        ("2026-11-21T10:00:00,5Z", TEN.replace(microsecond=500000)),
        ("2026-11-21T10:00:00.123456789Z", TEN.replace(microsecond=123456)),
        ("2026-11-21T10:00:00Z", TEN),
        ("2026-11-21T10:00:00z", TEN),
        ("2026-11-21T10:00Z", TEN),
        ("2026-11-21T10:00:00", TEN),
        ("2026-11-21 10:00:00", TEN),
        ("2026-11-21T10:00", TEN),
        ("2026-11-21 10:00:00 +00:00", TEN),
        ("2026-11-21T10:00:00-00:00", TEN),
        ("2026-11-21T15:30:00+05:30", TEN),
        ("2026-11-21T15:30:00+0530", TEN),
        ("2026-11-21T05:00:00-05", TEN),
        ("2026-11-20T23:00:00-11:00", TEN),
        ("  2026-11-21T10:00:00Z\n", TEN),
        (datetime(2026, 11, 21, 10, 0), TEN),  # noqa: DTZ001  # as a client without tz_aware reads it
        (TEN, TEN),
        (TEN.astimezone(timezone(timedelta(hours=5, minutes=30))), TEN),
    ],
)  # fmt: skip
def test_every_form_of_an_instant_is_read_in_utc(value: object, instant: datetime) -> None:
    parsed = timestamps.parse_instant(value)
    assert parsed == instant
    assert parsed is not None
    assert parsed.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "value",
    [
        None, True, False, 0, 1795223179, 1795223179.5, b"2026-11-21T10:00:00Z", [], {"$date": 1},
        TEN.date(), "", " ", "now", "20261121", "@1795223179", "1795223179", "2026-11-21",
        "2026-W47-6T10:00:00", "2026-325T10:00:00", "20261121T100000Z", "10:00:00", "2026-11",
        "2026-13-01T10:00:00Z", "2026-02-29T10:00:00Z", "2026-11-21T25:00:00Z",
        "2026-11-21T10:60:00Z", "2026-11-21T10:00:61Z", "0000-01-01T00:00:00Z",
        "2026-11-21T10:00:00+24:00", "2026-11-21T10:00:00+02:99", "2026-11-21T10:00:00+02:00Z",
        "2026-11-21T10:00:00 UTC", "2026-11-21T10:00:00Z trailing", "26-11-21T10:00:00Z",
        "12026-11-21T10:00:00Z", "2026-11-21T10", "\u0662\u0660\u0662\u0666-11-21T10:00:00Z",
        "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00",
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))),
    ],
)  # fmt: skip
def test_an_invalid_value_is_none_and_never_a_guess(value: object) -> None:
    assert timestamps.parse_instant(value) is None


@given(
    st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)),  # noqa: DTZ001  # hypothesis wants naive bounds
    st.integers(-14 * 60, 14 * 60),
)
def test_a_written_instant_is_read_back_unchanged(naive: datetime, offset_minutes: int) -> None:
    at = naive.replace(tzinfo=timezone(timedelta(minutes=offset_minutes)))
    assert timestamps.parse_instant(timestamps.format_instant(at)) == at
    assert timestamps.format_instant(at).endswith("+00:00")
    assert timestamps.parse_instant(at.isoformat()) == at


@given(st.one_of(texts(max_size=40), st.integers(), st.floats(), st.binary(max_size=9)))
def test_any_value_can_be_parsed(value: Any) -> None:
    parsed = timestamps.parse_instant(value)
    assert parsed is None or parsed.tzinfo is UTC


def test_instants_are_written_as_the_application_writes_them() -> None:
    assert timestamps.format_instant(TEN) == "2026-11-21T10:00:00+00:00"
    berlin = timezone(timedelta(hours=1))
    at = datetime(2026, 11, 21, 11, 0, 0, 5, tzinfo=berlin)
    assert timestamps.format_instant(at) == "2026-11-21T10:00:00.000005+00:00"
