"""The stream of events: it announces changes, is limited, and ends as the process stops."""

import asyncio
from typing import Any

import aiohttp

from chesscoach.context import Context
from chesscoach.web.dashboard import events
from chesscoach.worker.shutdown import ShutdownRequest
from tests.conftest import NOON
from tests.web.conftest import OpenWeb
from tests.web.dashboard.conftest import LOOPBACK, add_schedule, insert_run, words_of


async def test_an_event_is_sent_after_the_overview_shows_the_change(
    board: Context, open_web_server: OpenWeb, db: Any
) -> None:
    await add_schedule(board, "mine")
    ask = await open_web_server(board, web=LOOPBACK)
    assert "mine ✕ late" in words_of(await ask("/"))
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{ask.urls['admin']}/events") as got,
    ):
        assert got.content_type == "text/event-stream"
        insert_run(db, "mine", NOON, outcome="running", finished_at=None)
        async with asyncio.timeout(30):
            while await got.content.readline() != b"event: changed\n":
                pass
        assert "mine ▶ running" in words_of(await ask("/"))


async def test_streams_are_limited_and_end_as_the_process_stops(
    board: Context, open_web_server: OpenWeb
) -> None:
    stop = ShutdownRequest()
    ask = await open_web_server(board, stop, web=LOOPBACK)
    url = f"{ask.urls['admin']}/events"
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        streams = [await session.get(url) for _ in range(events.MAX_STREAMS)]
        refused = await ask("/events")
        assert (refused.status, refused.headers["Retry-After"]) == (503, "10")
        stop.request()
        async with asyncio.timeout(30):
            texts = [await stream.text() for stream in streams]
        assert all(text.endswith("event: end\ndata: stopping\n\n") for text in texts)
    assert (await ask("/events")).status == 503
