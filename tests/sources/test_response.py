"""Reading responses: lines, bodies and errors, within bounds."""

import asyncio
import gzip
import tracemalloc

import pytest
from aiohttp import web

from chesscoach.errors import BadResponse, SourceError, StreamTruncated
from chesscoach.sources.client import SourceClient
from chesscoach.sources.response import error_message, read_body, read_lines
from tests.support.scripted_server import read_request, scripted_server
from tests.support.sources.server import (
    CHUNKED,
    Handler,
    InMemoryLane,
    chunked_response,
    client_of,
    encode_chunk,
    fetch_body,
    open_client,
)

# Lines of a stream


async def read_stream(handler: Handler, limit: int = 1000) -> tuple[list[bytes], Exception | None]:
    """The lines of a response, and how it ended."""
    lines: list[bytes] = []
    async with client_of(handler) as client:
        try:
            async with client.request("GET", "/") as response:
                async for line in read_lines(response, limit):
                    lines.append(line)  # noqa: PERF401  # what came before an error counts
        except SourceError as error:
            return lines, error
    return lines, None


async def test_lines_are_whole_however_the_stream_is_split() -> None:
    text = 'a\n{"name":"Zürich ♞"}\nccc\n'.encode()
    for step in (1, 2, 3, 7, len(text)):
        parts = [text[at : at + step] for at in range(0, len(text), step)]
        assert await read_stream(chunked_response(*parts)) == (text.splitlines(), None)


async def test_empty_lines_are_no_lines_and_crlf_ends_a_line() -> None:
    parts = (b"\n\na\n", b"\n", b" \r\n", b"b\n\n", b'{"id":1}\r', b'\n{"id":2}\r\n')
    lines, error = await read_stream(chunked_response(*parts))

    assert [line.strip() for line in lines] == [b"a", b"b", b'{"id":1}', b'{"id":2}']
    assert error is None
    assert await read_stream(chunked_response()) == ([], None)


@pytest.mark.parametrize("step", [400, 1000, 1001, 5000])
async def test_a_line_longer_than_the_limit_comes_without_its_rest_and_spoils_none_behind_it(
    step: int,
) -> None:
    text = b"a\n" + b"x" * 1000 + b"\n" + b"y" * 1001 + b"\nb\n" + b"z" * 9000 + b"\nc\n"
    parts = [text[at : at + step] for at in range(0, len(text), step)]

    lines, error = await read_stream(chunked_response(*parts))

    assert lines == [b"a", b"x" * 1000, b"y" * 512, b"b", b"z" * 512, b"c"]
    assert error is None


@pytest.mark.parametrize("length", [5, 500, 1500])
async def test_a_line_that_is_cut_is_a_cut_however_long_it_has_become(length: int) -> None:
    lines, error = await read_stream(chunked_response(b"a\n", b"x" * length))

    assert lines == [b"a"]
    assert isinstance(error, StreamTruncated)


async def test_a_line_that_goes_on_and_on_is_given_up() -> None:
    lines, error = await read_stream(chunked_response(b"x" * 65536, endless=True), limit=10**6)

    assert lines == []
    assert type(error) is BadResponse


@pytest.mark.parametrize(
    "rest",
    [
        b"",  # at a line's end, between two chunks
        b"ff\r\n",  # within a chunk, at a line's end
        b'ff\r\n{"id":',  # within a line
    ],
)
async def test_a_chunked_response_that_breaks_off_is_cut_and_its_whole_lines_stand(
    rest: bytes,
) -> None:
    head = CHUNKED + encode_chunk(b'{"id":"a"}\n{"id":"b"}\n')
    lines: list[bytes] = []
    read = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(head)
        await read.wait()
        writer.write(rest)
        await writer.drain()

    async def consume(client: SourceClient) -> None:
        async with client.request("GET", "/") as response:
            async for line in read_lines(response, 1000):
                lines.append(line)
                read.set()

    async with (
        scripted_server(serve) as address,
        open_client(f"http://{address}", InMemoryLane()) as client,
    ):
        with pytest.raises(StreamTruncated):
            await consume(client)

    assert lines == [b'{"id":"a"}', b'{"id":"b"}']


# Whole responses


@pytest.mark.parametrize("limit", [4, 5])
async def test_a_body_has_at_most_its_limit(limit: int) -> None:
    async with (
        client_of(chunked_response(b"12", b"345")) as client,
        client.request("GET", "/") as response,
    ):
        if limit == 5:
            assert await read_body(response, limit) == b"12345"
        else:
            with pytest.raises(BadResponse):
                await read_body(response, limit)


async def test_an_endless_body_is_given_up_at_the_limit() -> None:
    handler = chunked_response(b"x" * 65536, endless=True)
    async with client_of(handler) as client:
        with pytest.raises(BadResponse):
            await fetch_body(client)


async def test_a_gzip_bomb_is_given_up_before_it_is_unpacked() -> None:
    bomb = gzip.compress(bytes(2**26), 9)

    async def handler(request: web.Request) -> web.StreamResponse:
        assert "gzip" in request.headers["Accept-Encoding"]
        return web.Response(body=bomb, headers={"Content-Encoding": "gzip"})

    async with client_of(handler) as client:
        tracemalloc.start()
        try:
            with pytest.raises(SourceError):
                await fetch_body(client)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert peak < 2**24


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"code":0,"message":"User \\"x\\" not found."}', 'User "x" not found.'),
        (b'{"error":"Not found"}', "Not found"),
        (b"\xef\xbb\xbf" + b'{"message":"with a mark"}', "with a mark"),
        (b"<!DOCTYPE html><html></html>", ""),
        (b"", ""),
        (b'["message"]', ""),
        (b'{"message":null}', ""),
        (b"[" * 60_000, ""),
        (b'{"message":"' + b"x" * 70_000 + b'"}', ""),
        (b"\xff\xfe\xfd", ""),
    ],
)
async def test_an_error_is_read_out_of_json_alone(body: bytes, message: str) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, status=404)

    async with client_of(handler) as client, client.request("GET", "/") as response:
        assert await error_message(response) == message
