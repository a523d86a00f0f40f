"""`Retry-After`: how long a source asks us to wait."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from aiohttp import web
from hypothesis import given

from chesscoach.errors import BadResponse, SourceUnavailable
from chesscoach.sources.retry_after import MAX_RETRY_AFTER_S, retry_after_s
from tests.support.random_texts import texts
from tests.support.sources.server import SETTINGS, Handler, RecordingLane, client_of, fetch_body

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 7 ", 7),
        ("0", 0),
        ("Thu, 01 Jan 2026 00:02:00 GMT", 120),
        ("Thursday, 01-Jan-26 00:02:00 GMT", 120),
        ("Thu, 01 Jan 2026 02:02:00 +0200", 120),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("999999999", MAX_RETRY_AFTER_S),
        ("Fri, 31 Dec 9999 23:59:59 -1200", MAX_RETRY_AFTER_S),
        ("-5", 0),
        ("1.5", 0),
        ("1e9", 0),
        ("", 0),
        ("soon", 0),
        ("٣٠٠", 0),
        ("9" * 5000, 0),
        ("\udcff", 0),
        ("Thu, 01 Jan 99999 00:00:00 GMT", 0),
    ],
)
def test_seconds_and_dates_count_and_anything_else_is_ignored(value: str, seconds: float) -> None:
    assert retry_after_s({"Retry-After": value}, NOW) == seconds


def test_a_date_is_counted_by_the_clock_of_the_source() -> None:
    headers = {
        "Retry-After": "Thu, 01 Jan 2026 00:02:00 GMT",
        "Date": "Thu, 01 Jan 2026 00:01:30 GMT",
    }
    assert retry_after_s(headers, NOW + timedelta(days=400)) == 30


@given(texts(max_size=60), texts(max_size=60))
def test_no_header_is_an_error(value: str, date: str) -> None:
    assert 0 <= retry_after_s({"Retry-After": value, "Date": date}, NOW) <= MAX_RETRY_AFTER_S


def responses(*script: tuple[int, str | None]) -> Handler:
    """Statuses with the values of `Retry-After`, one after the other; then a good response."""
    left = list(script)

    async def handler(request: web.Request) -> web.StreamResponse:
        status, value = left.pop(0) if left else (200, None)
        return web.Response(status=status, headers={"Retry-After": value} if value else None)

    return handler


async def test_a_pause_lasts_as_long_as_the_source_asks_where_that_is_longer() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=True)
    lane = RecordingLane()
    async with client_of(responses((429, "77"), (429, later)), lane) as client:
        await fetch_body(client)

    assert lane.paused[0] == 77
    assert lane.paused[1] == pytest.approx(600, abs=30)


@pytest.mark.parametrize("value", ["0", "-1", "soon", "Wed, 21 Oct 2015 07:28:00 GMT", "\udce9"])
async def test_our_own_pause_stays_where_it_is_longer(value: str) -> None:
    lane = RecordingLane()
    async with client_of(responses((429, value)), lane) as client:
        await fetch_body(client)

    assert len(lane.paused) == 1
    assert SETTINGS.first_pause_s <= lane.paused[0] <= 1.1 * SETTINGS.first_pause_s


@pytest.mark.parametrize("status", [500, 503])
async def test_a_failure_pauses_the_lane_if_the_source_asks_for_it(status: int) -> None:
    lane = RecordingLane()
    async with client_of(responses((status, "30"), (status, None)), lane) as client:
        for _ in range(2):
            with pytest.raises(BadResponse):
                await fetch_body(client)

    assert lane.paused == [30]


@pytest.mark.parametrize(
    ("script", "closed_s"),
    [
        ([(403, "1800")], 1800),
        ([(403, "5")], SETTINGS.breaker_open_s),
        ([(403, "999999999")], MAX_RETRY_AFTER_S),
        ([(503, None), (503, None), (503, "1800")], 1800),
        ([(429, None), (429, None), (429, "1800")], 1800),
    ],
)
async def test_the_breaker_is_open_for_as_long_as_the_source_asks(
    script: list[tuple[int, str | None]], closed_s: float
) -> None:
    lane = RecordingLane()
    async with client_of(responses(*script), lane) as client:
        with pytest.raises(SourceUnavailable):
            while True:
                try:
                    await fetch_body(client)
                except BadResponse:
                    continue

    assert lane.closed == [closed_s]
