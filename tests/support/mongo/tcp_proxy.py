"""A TCP connection to MongoDB that a test can hold up or break: a network, for faults."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from pymongo.uri_parser import parse_uri

from tests.support.scripted_server import scripted_server


class TcpProxy:
    """Passes bytes between a client at `url` and a server.

    While `whole` is not set, nothing passes and nothing is lost. A message of the client's that
    holds `unanswered` reaches the server, but its response is lost, once, with the connection.
    A message of the client's that `passes` refuses ends its connection and reaches no server.
    """

    def __init__(self, server: str) -> None:
        self._host, self._port = parse_uri(server)["nodelist"][0]
        self.connected = asyncio.Event()
        self.connected.set()
        self.drop_reply_to: bytes | None = None
        self.passes: Callable[[bytes], bool] = lambda _: True
        self.lost = 0
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A client's connection, until one side closes it."""
        upstream, downstream = await asyncio.open_connection(self._host, self._port)
        both, deaf = (writer, downstream), asyncio.Event()
        try:
            await asyncio.gather(
                self._forward(reader, downstream, deaf, both, asking=True),
                self._forward(upstream, writer, deaf, both, asking=False),
            )
        finally:
            _hang_up(both)
            with suppress(ConnectionError):
                await downstream.wait_closed()

    async def _forward(
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
                await self.connected.wait()
                if not asking and deaf.is_set():
                    self.lost += 1
                    break
                if asking and not self.passes(data):
                    break
                if asking and self.drop_reply_to is not None and self.drop_reply_to in data:
                    self.drop_reply_to = None
                    deaf.set()
                sink.write(data)
                await sink.drain()
        _hang_up(both)


def _hang_up(ends: tuple[asyncio.StreamWriter, ...]) -> None:
    for end in ends:
        end.transport.abort()


@asynccontextmanager
async def tcp_proxy(server: str) -> AsyncIterator[TcpProxy]:
    """A wire to a server's URL, for as long as it is entered."""
    found = TcpProxy(server)
    async with scripted_server(found.serve) as address:
        found.url = f"mongodb://{address}/?directConnection=true"
        yield found
