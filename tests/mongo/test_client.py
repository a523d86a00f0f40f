import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, TypeAlias, cast

import pytest
from pymongo.client_options import ClientOptions

from chesscoach import config
from chesscoach.config import DatabaseSettings as DatabaseConfig
from chesscoach.errors import ConfigError, StoreUnavailable
from chesscoach.metrics import Metrics
from chesscoach.mongo.client import Client, connect, wait_until_ready
from chesscoach.mongo.database import open_database

UNREACHABLE_URL = "mongodb://127.0.0.1:1"
Connect: TypeAlias = Callable[..., Awaitable[Client]]


@pytest.fixture
async def connect_client() -> AsyncIterator[Connect]:
    """Makes clients in a thread, as the package does, and closes them at the end."""
    async with AsyncExitStack() as stack:

        async def make(url: str, **database: Any) -> Client:
            loop = asyncio.get_running_loop()
            client = await asyncio.to_thread(connect, url, DatabaseConfig(**database), loop)
            stack.push_async_callback(asyncio.to_thread, client.close)
            return client

        yield make


@pytest.mark.parametrize("weak", ["w=1", "w=0", "W=1", "w=2", "w=zoo", "w="])
async def test_a_url_with_weak_writes_is_refused_unless_allowed(
    connect_client: Connect, weak: str
) -> None:
    with pytest.raises(ConfigError, match=r"MONGO_URL: [wW] is not majority.*allow_weak_writes"):
        await connect_client(f"{UNREACHABLE_URL}/?{weak}")
    if weak != "w=":
        client = await connect_client(f"{UNREACHABLE_URL}/?{weak}", allow_weak_writes=True)
        value = weak.partition("=")[2]
        assert client.write_concern.document["w"] == (int(value) if value.isdigit() else value)


@pytest.mark.parametrize("query", ["", "?w=majority"])
async def test_writes_are_acknowledged_by_a_majority_and_dates_are_aware(
    connect_client: Connect, query: str
) -> None:
    client = await connect_client(f"{UNREACHABLE_URL}/{query}")
    assert client.write_concern.document == {"w": "majority"}
    assert client.codec_options.tz_aware is True


@pytest.mark.parametrize(
    "url",
    [
        "http://coach:hunter2@db.example/",
        "coach:hunter2@db.example",
        "mongodb://",
        "mongodb://coach:hunter2@",
        "mongodb://coach:hun@ter2@db.example/",
        "mongodb://coach:hunter2@db.example:99999/",
        "mongodb://coach:hunter2@db.example:port/",
        "mongodb://coach:hunter2@db.example/?noSuchOption=1",
        "mongodb://coach:hunter2@db.example/?serverSelectionTimeoutMS=soon",
        "mongodb://coach:hunter2@a,b/?directConnection=true",
        # Parsed without an error, and refused only when the client is made:
        "mongodb://coach@db.example/",
        "mongodb://db.example/?authMechanism=SCRAM-SHA-256",
        "mongodb://coach:hunter2@db.example/?readPreference=primary&readPreferenceTags=a:hunter2",
        "mongodb://coach:hunter2@db.example/?tls=true&tlsCAFile=/nowhere/at/all.pem",
    ],
)
async def test_a_url_that_cannot_be_used_is_named_without_its_password(
    connect_client: Connect, url: str
) -> None:
    with pytest.raises(ConfigError, match=r"^MONGO_URL: ") as caught:
        await connect_client(url)
    assert "ter2" not in str(caught.value)
    assert "coach" not in str(caught.value)


def timeouts(client: Client) -> tuple[float, float | None, float | None]:
    """Seconds to select a server, to connect and to respond; Motor's stubs lack them."""
    options: ClientOptions = cast("Any", client).options
    pool = options.pool_options
    return options.server_selection_timeout, pool.connect_timeout, pool.socket_timeout


async def test_timeouts_in_the_url_take_precedence_over_ours(connect_client: Connect) -> None:
    ours = await connect_client(f"{UNREACHABLE_URL}/", timeout_s=7.0)
    assert timeouts(ours) == (7.0, 7.0, 60.0)
    options = "serverSelectionTimeoutMS=1234&connectTimeoutMS=2345&socketTimeoutMS=3456"
    url = f"{UNREACHABLE_URL}/?{options}"
    theirs = await connect_client(url, timeout_s=7.0)
    assert timeouts(theirs) == (1.234, 2.345, 3.456)


@pytest.mark.parametrize(
    ("query", "timeout_s"), [("", 0.3), ("?serverSelectionTimeoutMS=300", 3600.0)]
)
async def test_an_unreachable_server_is_reported_within_the_timeout(
    connect_client: Connect, query: str, timeout_s: float
) -> None:
    client = await connect_client(f"{UNREACHABLE_URL}/{query}", timeout_s=timeout_s)
    begun = time.monotonic()
    with pytest.raises(StoreUnavailable, match="check MONGO_URL, the server and the network"):
        await wait_until_ready(client)
    assert 0.2 < time.monotonic() - begun < 20


async def test_a_server_that_refuses_our_credentials_cannot_be_used(
    connect_client: Connect, mongo_url: str
) -> None:
    client = await connect_client(mongo_url.replace("://", "://coach:hunter2@"), timeout_s=5.0)
    with pytest.raises(StoreUnavailable) as caught:
        await wait_until_ready(client)
    assert "hunter2" not in str(caught.value)


async def test_a_database_is_opened_by_its_url_and_names_its_place_without_credentials(
    mongo_url: str, database_name: str
) -> None:
    env = {"MONGO_URL": mongo_url, "DB_NAME": database_name}
    settings = await asyncio.to_thread(config.load, None, env)
    async with open_database(settings.config, settings.process, Metrics()) as opened:
        assert opened.database.name == database_name
        assert opened.place == f"MONGO_URL, database {database_name}"
        assert await opened.database.users.find_one() is None


async def test_a_database_that_cannot_be_opened_raises_our_error() -> None:
    env = {"MONGO_URL": f"{UNREACHABLE_URL}/", "CHESSCOACH_DATABASE__TIMEOUT_S": "0.3"}
    settings = await asyncio.to_thread(config.load, None, env)
    with pytest.raises(StoreUnavailable):
        async with open_database(settings.config, settings.process, Metrics()):
            pytest.fail("it was opened")
