"""When a client of a source pauses, and when it opens the breaker."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from chesscoach.context import Context
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
    RecordingLane,
    chunked_response,
    client_of,
    encode_chunk,
    fetch_body,
    open_client,
    scripted_responses,
    status_sequence,
)


def pauses(*factors: int) -> object:
    """Pauses that are multiples of the first one, each up to a tenth longer."""
    return pytest.approx([1.05 * SETTINGS.first_pause_s * factor for factor in factors], rel=0.05)


async def ask(client: SourceClient, times: int) -> list[str]:
    """How requests end: a body, or the name of the error."""
    endings = []
    for _ in range(times):
        try:
            endings.append((await fetch_body(client, method="POST")).decode())
        except SourceError as error:
            endings.append(type(error).__name__)
    return endings


BAD, CUT, CLOSED = "BadResponse", "StreamTruncated", "SourceUnavailable"
SCRIPTS: dict[str, tuple[tuple[int | str, ...], list[str], list[int], int]] = {
    "a second 429 in a row pauses twice as long": ((429, 429, 200), ["ok"], [1, 2], 0),
    "a third 429 in a row opens the breaker": ((429, 429, 429), [CLOSED], [1, 2], 1),
    "a good response ends the row of 429": (
        (429, 429, 200, 429, 429, 200),
        ["ok", "ok"],
        [1, 2, 1, 2],
        0,
    ),
    "a 403 opens the breaker at once": ((403,), [CLOSED], [], 1),
    **{
        f"a third {status} in a row opens it": ((status,), [BAD, BAD, CLOSED], [], 1)
        for status in (500, 502, 503)
    },
    "a third reset in a row opens it": (("reset",), [CUT, CUT, CLOSED], [], 1),
    "a third silence in a row opens it": (("hang",), ["SourceError"] * 2 + [CLOSED], [], 1),
    "failures of different kinds count together": ((500, "reset", 503), [BAD, CUT, CLOSED], [], 1),
    **{
        f"a {good} ends the row of failures": (
            (500, 500, good, 500, 500, good),
            [BAD, BAD, "ok", BAD, BAD, "ok"],
            [],
            0,
        )
        for good in (200, 404)
    },
    "an open breaker ends it, too": ((403, 500, 500, 200), [CLOSED, BAD, BAD, "ok"], [], 1),
}


@pytest.mark.parametrize(
    ("script", "endings", "paused", "closed"), SCRIPTS.values(), ids=SCRIPTS.keys()
)
async def test_refusals_and_failures_in_a_row_pause_the_lane_and_open_the_breaker(
    script: tuple[int | str, ...], endings: list[str], paused: list[int], closed: int
) -> None:
    lane = RecordingLane()
    settings = SHORT_TIMEOUT if "hang" in script else SETTINGS
    async with client_of(status_sequence(*script), lane, settings) as client:
        assert await ask(client, len(endings)) == endings

    assert lane.paused == pauses(*paused)
    assert lane.closed == [SETTINGS.breaker_open_s] * closed
    assert client.requests == max(len(script), len(endings))


@pytest.mark.parametrize("kind", ["text/plain", "text/html"])
async def test_after_a_429_the_same_request_is_sent_again_and_nothing_is_lost(kind: str) -> None:
    asked = []

    async def handler(request: web.Request) -> web.StreamResponse:
        asked.append((request.method, request.path_qs, await request.text()))
        if len(asked) == 1:
            return web.Response(status=429, text="<html>slow down</html>", content_type=kind)
        return web.Response(text="the games")

    lane = InMemoryLane()
    async with client_of(handler, lane) as client:
        received = await fetch_body(
            client, "/x", method="POST", params={"since": "1"}, data="ann,bob"
        )

    assert received == b"the games"
    assert asked == [("POST", "/x?since=1", "ann,bob")] * 2
    assert (lane.paused, lane.closed) == (pauses(1), [])
    assert lane.pauses == 0, "a good response ends the row"


async def test_a_429_counts_on_from_the_pauses_of_the_lanes_last_holder() -> None:
    lane = InMemoryLane()
    lane.pauses = 2
    async with client_of(status_sequence(429), lane) as client:
        assert await ask(client, 1) == [CLOSED]

    assert client.requests == 1


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


@pytest.mark.parametrize("before", range(5))
async def test_each_opening_in_a_row_lasts_longer_up_to_a_limit(before: int) -> None:
    lane = InMemoryLane()
    lane.closings = before
    async with client_of(status_sequence(403), lane) as client:
        assert await ask(client, 1) == [CLOSED]

    factor = [*BREAKER_ESCALATION, BREAKER_ESCALATION[-1]][before]
    assert lane.closed == [SETTINGS.breaker_open_s * factor]


async def test_a_good_response_ends_the_row_of_openings() -> None:
    lane = InMemoryLane()
    lane.closings = 3
    async with client_of(status_sequence(200), lane) as client:
        await fetch_body(client)

    assert lane.closings == 0


async def test_the_holder_of_a_lane_sends_nothing_while_the_breaker_is_open(
    ctx: Context, sites: FakeSites
) -> None:
    sites.lichess.faults.append("403")
    async with ctx.leases.renewing(), ctx.lichess.client.lane.acquire({}):
        with pytest.raises(SourceUnavailable):
            await ctx.lichess.players(["ann"])
        with pytest.raises(SourceUnavailable):
            await ctx.lichess.players(["ann"])

    assert len(sites.lichess.requests) == 1


async def test_responses_that_are_cut_three_times_in_a_row_open_the_breaker() -> None:
    cut = CHUNKED + encode_chunk(b'{"id":"a"}\n') + b"100\r\n{"
    async with (
        scripted_responses([cut], [cut], [cut]) as url,
        open_client(url, InMemoryLane()) as client,
    ):
        assert await ask(client, 3) == [CUT, CUT, CLOSED]


async def test_streams_that_end_within_a_line_three_times_in_a_row_open_the_breaker() -> None:
    async with client_of(chunked_response(b"a\n", b"b")) as client:
        for kind in (StreamTruncated, StreamTruncated, SourceUnavailable):
            with pytest.raises(SourceError) as caught:
                async with client.request("GET", "/") as response:
                    async for _ in read_lines(response, 1000):
                        pass
            assert type(caught.value) is kind
            assert caught.value.source_wide or kind is SourceUnavailable
        assert client.troubles == {"cut": 3}


async def test_responses_that_stall_three_times_in_a_row_open_the_breaker() -> None:
    async def stall(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"{")
        await asyncio.sleep(60)
        return response

    async with client_of(stall, config=SHORT_TIMEOUT) as client:
        assert (await ask(client, 3))[2] == CLOSED


async def test_what_a_response_says_of_one_account_is_no_failure_of_the_source() -> None:
    async def ask(client: SourceClient, error: SourceError) -> None:
        async with client.request("GET", "/"):
            raise error

    async with client_of(status_sequence(200)) as client:
        for _ in range(4):
            for error in (*[BadResponse("no month")] * 2, AccountNotFound("no player")):
                with pytest.raises(type(error)):
                    await ask(client, error)
                assert not error.source_wide
        assert client.troubles == {"unusable": 8}
        assert client.answered == 4, "that there is no such player is an answer"


async def test_a_response_that_trickles_in_ends_at_its_deadline() -> None:
    async def trickle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.01)

    lane = InMemoryLane()
    async with client_of(trickle, lane) as client:
        with pytest.raises(SourceError):
            await asyncio.wait_for(fetch_body(client, total_s=0.1), 10)
        assert not lane.is_taken
