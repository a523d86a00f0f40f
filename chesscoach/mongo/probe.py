"""A second connection to the database, for probes and metrics.

It has its own client with a limit of two seconds. Motor's threads wait for a server that does not
answer, and a probe would wait behind them. It only reads.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from pymongo import AsyncMongoClient, ReadPreference
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError

from chesscoach.errors import StoreUnavailable
from chesscoach.mongo.client import Document
from chesscoach.mongo.errors import translate, translates_errors

TIME_LIMIT_S = 2.0
_CLIENT_OPTIONS: dict[str, Any] = {
    "appname": "chesscoach-probe",
    "timeoutms": int(TIME_LIMIT_S * 1000),
    "serverselectiontimeoutms": int(TIME_LIMIT_S * 1000),
    "connecttimeoutms": int(TIME_LIMIT_S * 1000),
    "maxpoolsize": 4,
    "tz_aware": True,
    "datetime_conversion": "DATETIME_AUTO",
    "unicode_decode_error_handler": "replace",
}


class Probe:
    """Queries the server; `time_limit` and `ping` raise StoreUnavailable within two seconds."""

    def __init__(self, database: "AsyncDatabase[Document]") -> None:
        self.database = database

    @translates_errors
    async def ping(self) -> None:
        """Returns when a server that accepts writes has answered."""
        async with time_limit():
            await self.database.command("ping")


@asynccontextmanager
async def time_limit() -> AsyncIterator[None]:
    """Limits all operations inside; the driver's own limit applies to one operation.

    Raises:
        StoreUnavailable: the time limit is reached.
    """
    try:
        async with asyncio.timeout(TIME_LIMIT_S):
            yield
    except TimeoutError:
        msg = f"MongoDB did not answer within {TIME_LIMIT_S:g} s"
        raise StoreUnavailable(msg) from None


@asynccontextmanager
async def open_probe(url: str, database: str) -> AsyncIterator[Probe]:
    """Opens a probe of a database; it connects at its first operation.

    Args:
        url: as in `MONGO_URL`; its timeouts are ignored.
        database: the name of the database.

    Raises:
        StoreUnavailable: the URL cannot be used.
    """
    try:
        client = await asyncio.to_thread(_client, url)
    except PyMongoError as error:
        raise translate(error) from None
    try:
        yield Probe(client.get_database(database, read_preference=ReadPreference.PRIMARY))
    finally:
        with suppress(TimeoutError, PyMongoError):
            async with asyncio.timeout(TIME_LIMIT_S):
                await client.close()


def _client(url: str) -> "AsyncMongoClient[Document]":
    return AsyncMongoClient(url, **_CLIENT_OPTIONS)
