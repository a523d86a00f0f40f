"""A TCP connection to MongoDB that a test can hold up or break: a network, for faults."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from pymongo.uri_parser import parse_uri

from tests.support.scripted_server import scripted_server


class Wire:
    """Passes bytes between a client at `url` and a server.

    While `whole` is not set, nothing passes and nothing is lost. A message of the client's that
    holds `unanswered` reaches the server, but its response is lost, once, with the connection.
    """

    def __init__(self, server: str) -> None:
        self._host, self._port = parse_uri(server)["nodelist"][0]
        self.whole = asyncio.Event()
        self.whole.set()
        self.unanswered: bytes | None = None
        self.lost = 0
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A client's connection, until one side closes it."""
        upstream, downstream = await asyncio.open_connection(self._host, self._port)
        both, deaf = (writer, downstream), asyncio.Event()
        try:
            await asyncio.gather(
                self._pass(reader, downstream, deaf, both, asking=True),
                self._pass(upstream, writer, deaf, both, asking=False),
            )
        finally:
            _hang_up(both)
            with suppress(ConnectionError):
                await downstream.wait_closed()

    async def _pass(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        deaf: asyncio.Event,
        both: tuple[asyncio.StreamWriter, ...],
        *,
        asking: bool,
    ) -> None:
        with suppress(OSError):
            while data := await source.read(1 << 16):
                await self.whole.wait()
                if not asking and deaf.is_set():
                    self.lost += 1
                    break
                if asking and self.unanswered is not None and self.unanswered in data:
                    self.unanswered = None
                    deaf.set()
                sink.write(data)
                await sink.drain()
        _hang_up(both)


def _hang_up(ends: tuple[asyncio.StreamWriter, ...]) -> None:
    for end in ends:
        end.transport.abort()


@asynccontextmanager
async def wire(server: str) -> AsyncIterator[Wire]:
    """A wire to a server's URL, for as long as it is entered."""
    found = Wire(server)
    async with scripted_server(found.serve) as address:
        found.url = f"mongodb://{address}/?directConnection=true"
        yield found
