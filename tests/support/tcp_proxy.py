"""A TCP connection to MongoDB that a test can hold up or break: a network, for faults."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from pymongo.uri_parser import parse_uri


class Wire:
    """Passes bytes between a client at `url` and a server.

    While `whole` is not set, nothing passes and nothing is lost. A message of the client's that
    holds `unanswered` reaches the server, but its reply is lost, once, with the connection.
    """

    def __init__(self, server: str) -> None:
        self._host, self._port = parse_uri(server)["nodelist"][0]
        self.whole = asyncio.Event()
        self.whole.set()
        self.unanswered: bytes | None = None
        self.lost = 0
        self.url = ""
        self._open = True
        self._ends: set[asyncio.StreamWriter] = set()
        self._connections: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A client's connection, until one side closes it."""
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        upstream, downstream = await asyncio.open_connection(self._host, self._port)
        both = {writer, downstream}
        self._ends |= both
        deaf = asyncio.Event()
        if not self._open:
            self._hang_up(both)
        await asyncio.gather(
            self._pass(reader, downstream, deaf, both, asking=True),
            self._pass(upstream, writer, deaf, both, asking=False),
        )
        self._ends -= both
        self._connections.discard(task)

    def _hang_up(self, ends: set[asyncio.StreamWriter]) -> None:
        for end in ends:
            end.transport.abort()

    async def _pass(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        deaf: asyncio.Event,
        both: set[asyncio.StreamWriter],
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
        self._hang_up(both)

    async def close(self) -> None:
        """Ends all connections."""
        self._open = False
        self.whole.set()
        self._hang_up(self._ends)
        await asyncio.gather(*self._connections)


@asynccontextmanager
async def wire(server: str) -> AsyncIterator[Wire]:
    """A wire to a server's URL, for as long as it is entered."""
    found = Wire(server)
    listening = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    found.url = f"mongodb://127.0.0.1:{port}/?directConnection=true"
    try:
        yield found
    finally:
        listening.close()
        await found.close()
        await listening.wait_closed()
