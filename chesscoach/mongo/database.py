"""Opens and closes the database of this process."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from msgspec import Struct
from pymongo import ReadPreference

from chesscoach.config import Config, ProcessEnvironment
from chesscoach.metrics import Metrics
from chesscoach.mongo.client import Database, DriverListener, connect, wait_until_ready
from chesscoach.mongo.embedded import EmbeddedServer, EmbeddedServerRestarter
from chesscoach.mongo.probe import Probe, open_probe
from chesscoach.mongo.retry_metrics import RetryCounter


class OpenDatabase(Struct, frozen=True, kw_only=True):
    """An open database; `place` says where it is, without credentials."""

    database: Database
    place: str
    url: str

    def open_probe(self) -> AbstractAsyncContextManager[Probe]:
        """Opens another connection to the database, which waits for no other operation."""
        return open_probe(self.url, self.database.name)


@asynccontextmanager
async def open_database(
    config: Config,
    process: ProcessEnvironment,
    metrics: Metrics,
    listeners: Sequence[DriverListener] = (),
) -> AsyncIterator[OpenDatabase]:
    """Opens the database of `MONGO_URL`, or starts the embedded server, and closes it at the end.

    `listeners` receive the commands that are sent.

    Raises:
        StoreUnavailable: no server can be used within the configured time.
        ConfigError: the URL cannot be used.
    """
    all_listeners = [RetryCounter(metrics), *listeners]
    name = config.database.name
    if process.mongo_url:
        url = process.mongo_url
        async with _connected(config, url, all_listeners) as database:
            yield OpenDatabase(database=database, place=f"MONGO_URL, database {name}", url=url)
        return
    folder = _embedded_folder(config)
    server = EmbeddedServer(folder)
    url = await asyncio.to_thread(server.start_or_join)
    try:
        restarter = EmbeddedServerRestarter(server)
        async with _connected(config, url, [*all_listeners, restarter]) as database:
            place = f"{url} ({folder}), database {name}"
            yield OpenDatabase(database=database, place=place, url=url)
    finally:
        await asyncio.to_thread(server.leave)


@asynccontextmanager
async def _connected(
    config: Config, url: str, listeners: list[DriverListener]
) -> AsyncIterator[Database]:
    loop = asyncio.get_running_loop()
    client = await asyncio.to_thread(connect, url, config.database, loop, listeners)
    try:
        await wait_until_ready(client)
        # A secondary may return an old claim, so the URL's read preference does not apply.
        yield client.get_database(config.database.name, read_preference=ReadPreference.PRIMARY)
    finally:
        await asyncio.to_thread(client.close)


def _embedded_folder(config: Config) -> Path:
    return Path(config.database.embedded_dir).absolute()
