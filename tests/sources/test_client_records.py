"""What a client counts and logs."""

import contextlib
import json
import traceback

import pytest

from chesscoach.errors import SourceError, SourceUnavailable
from chesscoach.metrics import Metrics
from tests.support.sources.server import (
    CHUNKED,
    ERROR_TEXT,
    PASSWORD,
    SETTINGS,
    SHORT_TIMEOUT,
    InMemoryLane,
    client_of,
    fetch_body,
    http_server,
    open_client,
    scripted_responses,
    status_sequence,
)

# Counting


async def test_a_request_that_the_client_repeats_by_itself_is_counted() -> None:
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    metrics = Metrics()
    async with (
        scripted_responses([ok, b""], [ok]) as url,
        open_client(url, InMemoryLane(), SETTINGS, metrics) as s,
    ):
        assert await fetch_body(s) == b"ok"
        assert await fetch_body(s) == b"ok"  # on the kept connection, which is dropped

    assert s.requests == 3
    assert requests_by_status(metrics) == {"200": 2, "repeated": 1}
    assert s.troubles == {"repeated": 1}


async def test_a_request_is_counted_again_after_a_429_and_without_a_response() -> None:
    metrics = Metrics()
    async with (
        http_server(status_sequence(429, 200, "hang")) as url,
        open_client(url, InMemoryLane(), SHORT_TIMEOUT, metrics) as client,
    ):
        await fetch_body(client)
        with pytest.raises(SourceError):
            await fetch_body(client)

    assert client.requests == 3
    assert requests_by_status(metrics) == {"429": 1, "200": 1, "error": 1}


def requests_by_status(metrics: Metrics) -> dict[str, float]:
    """The requests by status."""
    (family,) = metrics.upstream_requests.collect()
    samples = [sample for sample in family.samples if sample.name.endswith("_total")]
    return {sample.labels["status"]: sample.value for sample in samples}


# What is logged


@pytest.mark.parametrize("response", [403, 429, 500, "reset", "hang", "cut", "garbage", "silence"])
async def test_no_error_and_no_log_contains_the_response_or_the_credentials(
    response: str | int, capsys: pytest.CaptureFixture[str]
) -> None:
    wires = {
        "cut": CHUNKED + b"fff\r\n" + ERROR_TEXT.encode(),
        "garbage": f"HTTP/1.1 {ERROR_TEXT} 200\r\n{ERROR_TEXT}\r\n\r\n".encode(),
        "silence": b"",
    }
    if isinstance(response, str) and response in wires:
        server = scripted_responses(*[[wires[response]]] * 8)
    else:
        server = http_server(status_sequence(response, text=ERROR_TEXT))
    async with contextlib.AsyncExitStack() as stack:
        url = await stack.enter_async_context(server)
        if response == "silence":
            await stack.aclose()
        secret = url.replace("://", f"://ann:{PASSWORD}@") + "/base"
        config = SHORT_TIMEOUT if response == "hang" else SETTINGS
        client = await stack.enter_async_context(open_client(secret, InMemoryLane(), config))
        texts = []
        for _ in range(3):
            with pytest.raises(SourceError) as caught:
                await fetch_body(client, "/path", params={"token": PASSWORD})
            assert caught.value.__cause__ is None
            texts += traceback.format_exception(caught.value)

    everything = "".join(texts) + capsys.readouterr().out
    assert ERROR_TEXT not in everything
    assert PASSWORD not in everything


async def test_a_pause_and_a_closing_are_logged(capsys: pytest.CaptureFixture[str]) -> None:
    async with client_of(status_sequence(429)) as client:
        with pytest.raises(SourceUnavailable):
            await fetch_body(client)

    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    # On a busy machine asyncio has something to say, too.
    ours = [event for event in events if event["event"] != "library_log"]
    texts = [(event["event"], event["platform"]) for event in ours]
    assert texts == [("source_rate_limited", "lichess")] * 2 + [
        ("source_breaker_opened", "lichess")
    ]
