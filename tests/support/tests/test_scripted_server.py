"""The server leaves no connection open."""

import asyncio

import pytest

from tests.support.scripted_server import read_request, scripted_server


async def connected(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = address.partition(":")
    return await asyncio.open_connection(host, int(port))


async def test_a_connection_that_still_waits_is_closed_with_the_server() -> None:
    waiting = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        waiting.set()
        await read_request(reader)

    async with scripted_server(serve) as address:
        reader, writer = await connected(address)
        await waiting.wait()

    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


async def test_a_handler_that_fails_fails_the_test() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise LookupError

    with pytest.RaisesGroup(LookupError):
        async with scripted_server(serve) as address:
            reader, writer = await connected(address)
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
