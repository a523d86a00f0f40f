"""A TCP server on loopback whose connections a test scripts."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeAlias

Serve: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def scripted_server(serve: Serve) -> AsyncIterator[str]:
    """Runs `serve` for each connection; yields the address as `host:port`.

    A connection is closed when its `serve` returns, raises or finds that the client has hung up. On
    exit the server cancels every `serve` that is still running and closes its connection. A
    connection that outlived its test would raise a ResourceWarning in another one.

    Raises:
        ExceptionGroup: a `serve` has failed.
    """
    connections: set[asyncio.Task[None]] = set()
    failures: list[Exception] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await serve(reader, writer)
        except Exception as error:  # noqa: BLE001 - raised by the server's exit
            failures.append(error)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(asyncio.create_task(handle(reader, writer), name="scripted connection"))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield "{}:{}".format(*server.sockets[0].getsockname())
    finally:
        server.close()
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        await server.wait_closed()
    if failures:
        raise ExceptionGroup("connections of a scripted server", failures)


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """Reads one HTTP request with its body; returns its head.

    Raises:
        IncompleteReadError: the client hangs up before the request is complete.
    """
    head = await reader.readuntil(b"\r\n\r\n")
    if length := re.search(rb"(?i)content-length: (\d+)", head):
        await reader.readexactly(int(length[1]))
    return head
