"""The connection to MongoDB: URL, write concern and timeouts."""

import asyncio
from typing import Any, TypeAlias

from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection, AsyncIOMotorDatabase
from msgspec import Struct
from pymongo.errors import ConfigurationError, InvalidURI, PyMongoError
from pymongo.monitoring import CommandListener, ServerHeartbeatListener
from pymongo.uri_parser import parse_uri

from chesscoach.config import DatabaseSettings as DatabaseConfig
from chesscoach.errors import ConfigError, StoreFailed, StoreUnavailable
from chesscoach.mongo.errors import translates_errors
from chesscoach.mongo.url_options import parse_options

Document: TypeAlias = dict[str, Any]
Client: TypeAlias = "AsyncIOMotorClient[Document]"
Database: TypeAlias = "AsyncIOMotorDatabase[Document]"
Collection: TypeAlias = "AsyncIOMotorCollection[Document]"
DriverListener: TypeAlias = CommandListener | ServerHeartbeatListener


def connect(
    url: str,
    config: DatabaseConfig,
    loop: asyncio.AbstractEventLoop,
    listeners: list[DriverListener] | None = None,
) -> Client:
    """Makes a client for use in a loop; it blocks, since a `+srv` URL needs the DNS.

    Timeouts in the URL apply; all other options are ours: majority writes, aware datetimes.

    Raises:
        ConfigError: the URL cannot be used, or changes what we rest on (`parse_options`).
        StoreUnavailable: the DNS does not know the servers of a `+srv` URL.
    """
    try:
        return _client(url, config, loop, listeners or [])
    except ConfigurationError as error:
        if url.startswith("mongodb+srv:") and not isinstance(error, InvalidURI):
            msg = "MONGO_URL: the DNS does not know the servers of this +srv URL"
            raise StoreUnavailable(msg) from None
        raise ConfigError(_unusable_reason(error)) from None
    except (PyMongoError, ValueError, TypeError, LookupError, OSError) as error:
        raise ConfigError(_unusable_reason(error)) from None


class ConnectionInfo(Struct, frozen=True, kw_only=True):
    """The hosts and the database of a URL, whether it has a password, and whether it uses TLS."""

    hosts: tuple[str, ...]
    database: str | None
    password: bool
    tls: bool


def parse_connection(url: str) -> ConnectionInfo | None:
    """Parses a URL without the DNS; None if it cannot be parsed."""
    scheme, _, rest = url.partition("://")
    srv = scheme == "mongodb+srv"
    try:
        uri = parse_uri(f"mongodb://{rest}" if srv else url, warn=False)
    except (PyMongoError, ValueError, TypeError, LookupError, OSError):
        return None
    return ConnectionInfo(
        hosts=tuple(host for host, _ in uri["nodelist"]),
        database=uri["database"] or None,
        password=bool(uri["password"]),
        tls=bool(uri["options"].get("tls", srv)),
    )


def _unusable_reason(error: Exception) -> str:
    return f"MONGO_URL: cannot be used ({type(error).__name__}): expected mongodb://host:port/"


def _client(
    url: str,
    config: DatabaseConfig,
    loop: asyncio.AbstractEventLoop,
    listeners: list[DriverListener],
) -> Client:
    if not url.startswith(("mongodb://", "mongodb+srv://")):
        msg = "the scheme is not mongodb or mongodb+srv"  # to the driver, such a text is a host
        raise InvalidURI(msg)
    given = parse_options(url, allow_weak_writes=config.allow_weak_writes)
    timeout_ms = int(config.timeout_s * 1000)
    ours: dict[str, Any] = {
        "appname": "chesscoach",
        "connecttimeoutms": min(timeout_ms, 10_000),
        "serverselectiontimeoutms": timeout_ms,
        "sockettimeoutms": max(timeout_ms, 60_000),
        "w": "majority",
    }
    return AsyncIOMotorClient(
        url,
        io_loop=loop,
        tz_aware=True,
        datetime_conversion="DATETIME_AUTO",  # a date out of range must not fail a read
        unicode_decode_error_handler="replace",
        event_listeners=listeners,
        **{key: value for key, value in ours.items() if key not in given},
    )


@translates_errors
async def _ping(client: Client) -> None:
    await client.admin.command("ping")


async def wait_until_ready(client: Client) -> None:
    """Waits until the server can be used.

    Raises:
        StoreUnavailable: the server cannot be used within the configured time, or refuses us.
    """
    try:
        await _ping(client)
    except StoreUnavailable:
        msg = "MongoDB does not answer: check MONGO_URL, the server and the network"
        raise StoreUnavailable(msg) from None
    except StoreFailed:
        msg = "MongoDB refuses the connection: check the credentials in MONGO_URL"
        raise StoreUnavailable(msg) from None
