"""Opens and closes the database of this process."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from msgspec import Struct
from pymongo import ReadPreference

from chesscoach.config import Config, ProcessEnvironment
from chesscoach.metrics import Metrics
from chesscoach.mongo.client import Client, Database, DriverListener, connect, wait_until_ready
from chesscoach.mongo.embedded import EmbeddedServer, EmbeddedServerRestarter
from chesscoach.mongo.probe import Probe, open_probe
from chesscoach.mongo.retry_metrics import RetryCounter
from chesscoach.mongo.unnamed_database import DEFAULT_NAME, choose_name


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
        ConfigError: the URL cannot be used, or the application's data is in another database.
    """
    all_listeners = [RetryCounter(metrics), *listeners]
    if process.mongo_url:
        url = process.mongo_url
        async with _connected(config, url, all_listeners) as client:
            name = config.database.name or await choose_name(client, url)
            database = _primary_database(client, name)
            yield OpenDatabase(database=database, place=f"MONGO_URL, database {name}", url=url)
        return
    folder = _embedded_folder(config)
    server = EmbeddedServer(folder)
    url = await _join(server)
    try:
        restarter = EmbeddedServerRestarter(server)
        async with _connected(config, url, [*all_listeners, restarter]) as client:
            name = config.database.name or DEFAULT_NAME
            place = f"{url} ({folder}), database {name}"
            yield OpenDatabase(database=_primary_database(client, name), place=place, url=url)
    finally:
        await asyncio.to_thread(server.leave)


async def _join(server: EmbeddedServer) -> str:
    """Starts or joins the server; a server that has started is also left if this is cancelled."""
    joining = asyncio.create_task(asyncio.to_thread(server.start_or_join), name="embedded server")
    try:
        return await asyncio.shield(joining)
    except asyncio.CancelledError:
        await asyncio.wait({joining})
        if joining.exception() is None:
            await asyncio.to_thread(server.leave)
        raise


@asynccontextmanager
async def _connected(
    config: Config, url: str, listeners: list[DriverListener]
) -> AsyncIterator[Client]:
    loop = asyncio.get_running_loop()
    client = await asyncio.to_thread(connect, url, config.database, loop, listeners)
    try:
        await wait_until_ready(client)
        yield client
    finally:
        await asyncio.to_thread(client.close)


def _primary_database(client: Client, name: str) -> Database:
    """A secondary may return an old claim, so the URL's read preference does not apply."""
    return client.get_database(name, read_preference=ReadPreference.PRIMARY)


def _embedded_folder(config: Config) -> Path:
    return Path(config.database.embedded_dir).absolute()
