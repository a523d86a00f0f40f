"""Whatever goes over the wire, it ends in an error of ours that passes."""

import pytest

from chesscoach.errors import SourceError
from tests.support.sources.server import (
    SHORT_TIMEOUT,
    InMemoryLane,
    fetch_body,
    open_client,
    scripted_responses,
)

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
FAULTS = {
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "a bad status": b"HTTP/1.1 2x0 OK\r\n\r\n",
    "another version": b"HTTP/9.9 200 OK\r\nContent-Length: 1\r\n\r\nx",
    "a header without a name": OK + b": x\r\nContent-Length: 1\r\n\r\nx",
    "a name that is not ASCII": OK + b"\xff\xfe: x\r\nContent-Length: 1\r\n\r\nx",
    "a header of 100 kB": OK + b"X: " + b"x" * 100_000 + b"\r\nContent-Length: 1\r\n\r\nx",
    "a length that is no number": OK + b"Content-Length: many\r\n\r\nx",
    "two lengths": OK + b"Content-Length: 1\r\nContent-Length: 5\r\n\r\nx",
    "a chunk without a size": CHUNKED + b"zz\r\nx\r\n0\r\n\r\n",
    "a chunk that is too long": CHUNKED + b"1\r\nxyz\r\n0\r\n\r\n",
    "no gzip": OK + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
    "no deflate": OK + b"Content-Encoding: deflate\r\nContent-Length: 4\r\n\r\nnope",
    "only a promise": b"HTTP/1.1 100 Continue\r\n\r\n",
    "an early end": OK + b"Content-Length: 10\r\n\r\nabc",
}


@pytest.mark.parametrize("response", FAULTS.values(), ids=FAULTS.keys())
async def test_a_fault_on_the_wire_is_an_error_of_ours_that_passes(response: bytes) -> None:
    async with (
        scripted_responses([response], [response]) as url,
        open_client(url, InMemoryLane(), SHORT_TIMEOUT) as client,
    ):
        with pytest.raises(SourceError) as caught:
            await fetch_body(client)

    assert not caught.value.permanent
    assert caught.value.source_wide
    assert sum(client.troubles.values()) - client.troubles["repeated"] == 1


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9", "https://127.0.0.1:9", "http://no-such-host.invalid"]
)
async def test_a_host_that_cannot_be_reached_is_a_fault_that_passes(url: str) -> None:
    async with open_client(url, InMemoryLane(), SHORT_TIMEOUT) as client:
        with pytest.raises(SourceError) as caught:
            await fetch_body(client)

    assert not caught.value.permanent
    assert client.troubles == {"no_reply": 1}


async def test_a_server_without_tls_is_a_fault_that_passes() -> None:
    async with (
        scripted_responses([b"plain"]) as url,
        open_client(url.replace("http", "https"), InMemoryLane(), SHORT_TIMEOUT) as client,
    ):
        with pytest.raises(SourceError):
            await fetch_body(client)

    assert client.troubles == {"no_reply": 1}
