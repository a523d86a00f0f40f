"""The connection to MongoDB: where it is, how writes are acknowledged, how long we wait."""

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
    """A client for a URL, to be used in a loop; made in a thread, for a `+srv` URL asks the DNS.

    What the URL says of timeouts stands; the rest is ours: majority writes, aware datetimes.

    Raises:
        ConfigError: a URL that cannot be read, or that asks for writes which a failover may lose.
        StoreUnavailable: the DNS does not know the servers of a `+srv` URL.
    """
    try:
        return _client(url, config, loop, listeners or [])
    except ConfigurationError as error:
        if url.startswith("mongodb+srv:") and not isinstance(error, InvalidURI):
            msg = "MONGO_URL: the DNS does not tell where its servers are"
            raise StoreUnavailable(msg) from None
        raise ConfigError(_unusable_reason(error)) from None
    except (PyMongoError, ValueError, OSError) as error:
        raise ConfigError(_unusable_reason(error)) from None


class ConnectionInfo(Struct, frozen=True, kw_only=True):
    """What a URL says of the way to the server: its hosts, whether it has a password, and TLS."""

    hosts: tuple[str, ...]
    password: bool
    tls: bool


def parse_connection(url: str) -> ConnectionInfo | None:
    """Reads a URL without asking the DNS; None if it cannot be read."""
    scheme, _, rest = url.partition("://")
    srv = scheme == "mongodb+srv"
    try:
        said = parse_uri(f"mongodb://{rest}" if srv else url, warn=False)
    except (PyMongoError, ValueError):
        return None
    return ConnectionInfo(
        hosts=tuple(host for host, _ in said["nodelist"]),
        password=bool(said["password"]),
        tls=bool(said["options"].get("tls", srv)),
    )


def _unusable_reason(error: Exception) -> str:
    return f"MONGO_URL: cannot be used ({type(error).__name__}): expected mongodb://host:port/"


def _client(
    url: str,
    config: DatabaseConfig,
    loop: asyncio.AbstractEventLoop,
    listeners: list[DriverListener],
) -> Client:
    said = {key.lower(): value for key, value in parse_uri(url, warn=False)["options"].items()}
    if said.get("w", "majority") != "majority" and not config.allow_weak_writes:
        msg = (
            "MONGO_URL: w is not majority, so that a failover can lose what was reported as done; "
            "take it out, or set [database] allow_weak_writes"
        )
        raise ConfigError(msg)
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
        datetime_conversion="DATETIME_AUTO",  # what is no datetime is no reason to stop for
        unicode_decode_error_handler="replace",
        event_listeners=listeners,
        **{key: value for key, value in ours.items() if key not in said},
    )


@translates_errors
async def _ping(client: Client) -> None:
    await client.admin.command("ping")


async def wait_until_ready(client: Client) -> None:
    """Waits until the server can be used.

    Raises:
        StoreUnavailable: it cannot within the configured time, or refuses us.
    """
    try:
        await _ping(client)
    except StoreUnavailable:
        msg = "MongoDB does not answer: check MONGO_URL, the server and the network"
        raise StoreUnavailable(msg) from None
    except StoreFailed:
        msg = "MongoDB refuses us: check the credentials in MONGO_URL"
        raise StoreUnavailable(msg) from None
