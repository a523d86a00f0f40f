import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from msgspec.structs import replace

from chesscoach.config import Settings
from chesscoach.context import Context, open_context
from chesscoach.errors import (
    AccountNotFound,
    BadResponse,
    SourceError,
    SourceUnavailable,
    StreamTruncated,
)
from chesscoach.sources.client import BREAKER_ESCALATION, SourceClient
from chesscoach.sources.response import read_lines
from tests.conftest import FakeSites
from tests.support.sources.server import (
    CHUNKED,
    FAMOUS,
    SETTINGS,
    SHORT_TIMEOUT,
    InMemoryLane,
    chunked_response,
    encode_chunk,
    fetch_body,
    http_server,
    open_client,
    scripted_responses,
    status_sequence,
)

# 429: the lane pauses


class Approximately:
    """A pause: so long, or up to a tenth longer."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __eq__(self, other: object) -> bool:
        return isinstance(other, float) and self._seconds <= other <= 1.1 * self._seconds

    def __repr__(self) -> str:
        return f"{self._seconds} to {1.1 * self._seconds}"


async def test_after_a_429_the_same_request_is_sent_again_and_nothing_is_lost() -> None:
    asked = []

    async def handler(request: web.Request) -> web.StreamResponse:
        asked.append((request.method, request.path_qs, await request.text()))
        return web.Response(status=429 if len(asked) == 1 else 200, text="the games")

    lane = InMemoryLane()
    async with http_server(handler) as url, open_client(url, lane) as site:
        received = await fetch_body(
            site, "/x", method="POST", params={"since": "1"}, data="ann,bob"
        )

    assert received == b"the games"
    assert asked == [("POST", "/x?since=1", "ann,bob")] * 2
    assert lane.paused == [Approximately(SETTINGS.first_pause_s)]
    assert lane.closed == []
    assert lane.pauses == 0, "a good reply forgets the pause"


async def test_the_second_429_in_a_row_pauses_twice_as_long() -> None:
    lane = InMemoryLane()
    async with http_server(status_sequence(429, 429, 200)) as url, open_client(url, lane) as site:
        assert await fetch_body(site) == b"ok"

    assert lane.paused == [
        Approximately(SETTINGS.first_pause_s),
        Approximately(2 * SETTINGS.first_pause_s),
    ]
    assert site.requests == 3


async def test_the_third_429_in_a_row_closes_the_site() -> None:
    lane = InMemoryLane()
    async with http_server(status_sequence(429)) as url, open_client(url, lane) as site:
        with pytest.raises(SourceUnavailable):
            await fetch_body(site)

    assert lane.paused == [
        Approximately(SETTINGS.first_pause_s),
        Approximately(2 * SETTINGS.first_pause_s),
    ]
    assert lane.closed == [SETTINGS.breaker_open_s]
    assert site.requests == 3


async def test_a_429_counts_on_from_the_pauses_of_the_lanes_last_holder() -> None:
    lane = InMemoryLane()
    lane.pauses = 2
    async with http_server(status_sequence(429)) as url, open_client(url, lane) as site:
        with pytest.raises(SourceUnavailable):
            await fetch_body(site)

    assert site.requests == 1


async def test_after_a_good_reply_the_pauses_are_counted_from_zero() -> None:
    lane = InMemoryLane()
    async with (
        http_server(status_sequence(429, 429, 200, 429, 429, 200)) as url,
        open_client(url, lane) as site,
    ):
        await fetch_body(site)
        await fetch_body(site)

    once = [Approximately(SETTINGS.first_pause_s), Approximately(2 * SETTINGS.first_pause_s)]
    assert lane.paused == once + once
    assert lane.closed == []


async def test_a_429_in_html_is_a_429() -> None:
    lane = InMemoryLane()
    page = "<!DOCTYPE html><html>slow down</html>"
    async with (
        http_server(status_sequence(429, 200, text=page)) as url,
        open_client(url, lane) as site,
    ):
        await fetch_body(site)

    assert len(lane.paused) == 1


async def test_the_real_lane_pauses_on_a_429_and_nothing_is_lost(
    ctx: Context, sites: FakeSites
) -> None:
    player = sites.world.add_player("lichess", "Ann", datetime.now(UTC))
    for _ in range(3):
        sites.world.add_game("lichess", "Ann", datetime.now(UTC), famous=FAMOUS)
    sites.lichess.faults.extend(["429", "429"])
    loop = asyncio.get_running_loop()
    begun = loop.time()

    async with ctx.leases.renewing(), ctx.lichess.client.lane.acquire({}):
        since = datetime.now(UTC) - timedelta(days=1)
        received = [line async for line in ctx.lichess.games_since("ann", since)]

    assert len(received) == len(player.games)
    assert [(seen.method, seen.path, seen.query) for seen in sites.lichess.requests[1:]] == [
        (seen.method, seen.path, seen.query) for seen in sites.lichess.requests[:-1]
    ]
    assert loop.time() - begun >= 3 * ctx.config.sources.first_pause_s
    assert sites.lichess.violations == []


# Closing


async def test_a_403_closes_the_site_at_once() -> None:
    lane = InMemoryLane()
    async with http_server(status_sequence(403)) as url, open_client(url, lane) as site:
        with pytest.raises(SourceUnavailable):
            await fetch_body(site)

    assert site.requests == 1
    assert lane.closed == [SETTINGS.breaker_open_s]


@pytest.mark.parametrize("before", range(5))
async def test_each_closing_in_a_row_lasts_longer_up_to_a_limit(before: int) -> None:
    lane = InMemoryLane()
    lane.closings = before
    async with http_server(status_sequence(403)) as url, open_client(url, lane) as site:
        with pytest.raises(SourceUnavailable):
            await fetch_body(site)

    assert lane.closed == [
        SETTINGS.breaker_open_s * [*BREAKER_ESCALATION, BREAKER_ESCALATION[-1]][before]
    ]


async def test_a_good_reply_forgets_past_closings() -> None:
    lane = InMemoryLane()
    lane.closings = 3
    async with http_server(status_sequence(200)) as url, open_client(url, lane) as site:
        await fetch_body(site)

    assert lane.closings == 0


async def test_the_holder_of_the_lane_of_a_closed_site_asks_it_nothing_more(
    ctx: Context, sites: FakeSites
) -> None:
    sites.lichess.faults.append("403")
    async with ctx.leases.renewing(), ctx.lichess.client.lane.acquire({}):
        with pytest.raises(SourceUnavailable):
            await ctx.lichess.players(["ann"])
        with pytest.raises(SourceUnavailable):
            await ctx.lichess.players(["ann"])

    assert len(sites.lichess.requests) == 1


async def test_a_closed_site_is_closed_for_other_processes_until_its_time_has_passed(
    settings: Settings, sites: FakeSites
) -> None:
    # Longer than a busy machine needs for the steps between.
    sources = replace(settings.config.sources, breaker_open_s=2.0)
    patient = replace(settings, config=replace(settings.config, sources=sources))
    sites.lichess.faults.append("403")
    async with open_context(patient) as ctx, open_context(patient) as other:
        async with ctx.leases.renewing(), ctx.lichess.client.lane.acquire({}):
            with pytest.raises(SourceUnavailable):
                await ctx.lichess.players(["ann"])

        with pytest.raises(SourceUnavailable):
            async with other.lichess.client.lane.acquire({}):
                pass
        await asyncio.sleep(sources.breaker_open_s)
        async with other.leases.renewing(), other.lichess.client.lane.acquire({}):
            await other.lichess.players(["ann"])

    assert len(sites.lichess.requests) == 2


async def test_one_site_that_is_closed_leaves_the_other_open(
    ctx: Context, sites: FakeSites
) -> None:
    sites.world.add_player("chess.com", "Ann", datetime.now(UTC))
    sites.lichess.faults.append("403")
    async with (
        ctx.leases.renewing(),
        ctx.lichess.client.lane.acquire({}),
        ctx.chesscom.client.lane.acquire({}),
    ):
        with pytest.raises(SourceUnavailable):
            await ctx.lichess.players(["ann"])
        assert (await ctx.chesscom.month("ann", "2026-01", None)).changed


# Failures of the site


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (500, BadResponse),
        (502, BadResponse),
        (503, BadResponse),
        ("reset", StreamTruncated),
        ("hang", SourceError),
    ],
)
async def test_a_failure_is_an_error_and_the_third_in_a_row_closes_the_site(
    reply: str | int, kind: type[SourceError]
) -> None:
    lane = InMemoryLane()
    settings = SHORT_TIMEOUT if reply == "hang" else SETTINGS
    async with (
        http_server(status_sequence(reply)) as url,
        open_client(url, lane, settings) as site,
    ):
        for _ in range(2):
            with pytest.raises(kind) as caught:
                await fetch_body(site, method="POST")
            assert not isinstance(caught.value, SourceUnavailable)
        with pytest.raises(SourceUnavailable):
            await fetch_body(site, method="POST")

    assert lane.closed == [SHORT_TIMEOUT.breaker_open_s]
    assert site.requests == 3


async def test_failures_of_different_kinds_count_together() -> None:
    lane = InMemoryLane()
    handler = status_sequence(500, "reset", "hang", 200)
    async with http_server(handler) as url, open_client(url, lane, SHORT_TIMEOUT) as site:
        for _ in range(2):
            with pytest.raises(SourceError):
                await fetch_body(site, method="POST")
        with pytest.raises(SourceUnavailable):
            await fetch_body(site, method="POST")


async def test_a_server_that_is_not_there_is_a_failure_of_the_source() -> None:
    async with http_server(status_sequence(200)) as url:
        pass
    lane = InMemoryLane()
    async with open_client(url, lane) as site:
        for _ in range(2):
            with pytest.raises(SourceError):
                await fetch_body(site)
        with pytest.raises(SourceUnavailable):
            await fetch_body(site)


@pytest.mark.parametrize("good", [200, 404])
async def test_after_a_good_reply_the_failures_are_counted_from_zero(good: int) -> None:
    lane = InMemoryLane()
    handler = status_sequence(500, 500, good, 500, 500, good)
    async with http_server(handler) as url, open_client(url, lane) as site:
        for _ in range(2):
            for _ in range(2):
                with pytest.raises(BadResponse):
                    await fetch_body(site)
            await fetch_body(site)

    assert lane.closed == []


async def test_a_closing_starts_the_count_of_failures_again() -> None:
    lane = InMemoryLane()
    async with (
        http_server(status_sequence(403, 500, 500, 200)) as url,
        open_client(url, lane) as site,
    ):
        with pytest.raises(SourceUnavailable):
            await fetch_body(site)
        lane = InMemoryLane()
        site.lane = lane
        for _ in range(2):
            with pytest.raises(BadResponse):
                await fetch_body(site)
        await fetch_body(site)

    assert lane.closed == []


async def test_replies_that_are_cut_three_times_in_a_row_close_the_site() -> None:
    lane = InMemoryLane()
    cut = CHUNKED + encode_chunk(b'{"id":"a"}\n') + b"100\r\n{"
    async with scripted_responses([cut], [cut], [cut]) as url, open_client(url, lane) as site:
        for _ in range(2):
            with pytest.raises(StreamTruncated):
                await fetch_body(site)
        with pytest.raises(SourceUnavailable):
            await fetch_body(site)


async def test_streams_that_end_within_a_line_three_times_in_a_row_close_the_site() -> None:
    lane = InMemoryLane()
    async with http_server(chunked_response(b"a\n", b"b")) as url, open_client(url, lane) as site:
        for last in (False, False, True):
            with pytest.raises(SourceUnavailable if last else StreamTruncated) as caught:
                async with site.request("GET", "/") as response:
                    async for _ in read_lines(response, 1000):
                        pass
            assert last or caught.value.source_wide
        assert site.troubles == {"cut": 3}


async def test_what_a_reply_says_of_one_account_is_no_failure_of_the_site() -> None:
    async def asked(site: SourceClient, error: SourceError) -> None:
        async with site.request("GET", "/"):
            raise error

    async with http_server(status_sequence(200)) as url, open_client(url, InMemoryLane()) as site:
        for _ in range(4):
            for error in (BadResponse("no month"), AccountNotFound("nobody")):
                with pytest.raises(type(error)):
                    await asked(site, error)
                assert not error.source_wide
        assert site.troubles == {"unusable": 4}
        assert site.answered == 4, "that there is nobody is an answer"


async def test_replies_that_stall_three_times_in_a_row_close_the_site() -> None:
    async def stall(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"{")
        await asyncio.sleep(60)
        return response

    lane = InMemoryLane()
    async with http_server(stall) as url, open_client(url, lane, SHORT_TIMEOUT) as site:
        for _ in range(2):
            with pytest.raises(SourceError):
                await fetch_body(site)
        with pytest.raises(SourceUnavailable):
            await fetch_body(site)


async def test_a_reply_that_trickles_in_ends_at_its_deadline() -> None:
    async def trickle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.01)

    lane = InMemoryLane()
    async with http_server(trickle) as url, open_client(url, lane) as site:
        with pytest.raises(SourceError):
            await asyncio.wait_for(fetch_body(site, total_s=0.1), 10)
        assert not lane.is_taken
