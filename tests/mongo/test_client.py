import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, TypeAlias, cast

import pytest
from pymongo.client_options import ClientOptions

from chesscoach import config
from chesscoach.config import Database as DatabaseConfig
from chesscoach.errors import ConfigError, StoreUnavailable
from chesscoach.metrics import Metrics
from chesscoach.mongo.client import Client, connect, greet
from chesscoach.mongo.store import open_store

NOBODY = "mongodb://127.0.0.1:1"
Connect: TypeAlias = Callable[..., Awaitable[Client]]


@pytest.fixture
async def connected() -> AsyncIterator[Connect]:
    """Makes clients, in a thread as the store does, and closes them at the end."""
    async with AsyncExitStack() as stack:

        async def make(url: str, **database: Any) -> Client:
            loop = asyncio.get_running_loop()
            client = await asyncio.to_thread(connect, url, DatabaseConfig(**database), loop)
            stack.push_async_callback(asyncio.to_thread, client.close)
            return client

        yield make


@pytest.mark.parametrize("weak", ["w=1", "w=0", "W=1", "w=2", "w=zoo", "w="])
async def test_a_url_with_weak_writes_is_refused_unless_that_is_allowed(
    connected: Connect, weak: str
) -> None:
    with pytest.raises(ConfigError, match=r"MONGO_URL: w is not majority.*allow_weak_writes"):
        await connected(f"{NOBODY}/?{weak}")
    if weak != "w=":
        client = await connected(f"{NOBODY}/?{weak}", allow_weak_writes=True)
        said = weak.partition("=")[2]
        assert client.write_concern.document["w"] == (int(said) if said.isdigit() else said)


@pytest.mark.parametrize("query", ["", "?w=majority"])
async def test_writes_are_acknowledged_by_a_majority_and_dates_are_aware(
    connected: Connect, query: str
) -> None:
    client = await connected(f"{NOBODY}/{query}")
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
        # Read without a complaint, and refused only when the client is made:
        "mongodb://coach@db.example/",
        "mongodb://db.example/?authMechanism=SCRAM-SHA-256",
        "mongodb://coach:hunter2@db.example/?readPreference=primary&readPreferenceTags=a:hunter2",
        "mongodb://coach:hunter2@db.example/?tls=true&tlsCAFile=/nowhere/at/all.pem",
    ],
)
async def test_a_url_that_cannot_be_used_is_named_without_its_password(
    connected: Connect, url: str
) -> None:
    with pytest.raises(ConfigError, match=r"^MONGO_URL: ") as caught:
        await connected(url)
    assert "ter2" not in str(caught.value)
    assert "coach" not in str(caught.value)


def waits(client: Client) -> tuple[float, float | None, float | None]:
    """Seconds for choosing a server, for connecting, for an answer; Motor's stubs know none."""
    options: ClientOptions = cast("Any", client).options
    pool = options.pool_options
    return options.server_selection_timeout, pool.connect_timeout, pool.socket_timeout


async def test_what_the_url_says_of_timeouts_stands_and_the_rest_is_ours(
    connected: Connect,
) -> None:
    ours = await connected(f"{NOBODY}/", timeout_s=7.0)
    assert waits(ours) == (7.0, 7.0, 60.0)
    url = f"{NOBODY}/?serverSelectionTimeoutMS=1234&connectTimeoutMS=2345&socketTimeoutMS=3456"
    theirs = await connected(url, timeout_s=7.0)
    assert waits(theirs) == (1.234, 2.345, 3.456)


@pytest.mark.parametrize(
    ("query", "timeout_s"), [("", 0.3), ("?serverSelectionTimeoutMS=300", 30.0)]
)
async def test_a_server_that_cannot_be_reached_is_given_up_within_the_time(
    connected: Connect, query: str, timeout_s: float
) -> None:
    client = await connected(f"{NOBODY}/{query}", timeout_s=timeout_s)
    begun = time.monotonic()
    with pytest.raises(StoreUnavailable, match="check MONGO_URL, the server and the network"):
        await greet(client)
    assert 0.2 < time.monotonic() - begun < 5


async def test_a_server_that_refuses_us_is_not_to_be_used(
    connected: Connect, mongo_url: str
) -> None:
    client = await connected(mongo_url.replace("://", "://coach:hunter2@"), timeout_s=5.0)
    with pytest.raises(StoreUnavailable) as caught:
        await greet(client)
    assert "hunter2" not in str(caught.value)


async def test_the_store_is_opened_by_its_url_and_tells_its_place_without_credentials(
    mongo_url: str, database_name: str
) -> None:
    env = {"MONGO_URL": mongo_url, "DB_NAME": database_name}
    settings = await asyncio.to_thread(config.load, None, env)
    async with open_store(settings.config, settings.process, Metrics()) as store:
        assert store.database.name == database_name
        assert store.place == f"MONGO_URL, database {database_name}"
        assert await store.users.exists("nobody") is False


async def test_a_store_that_cannot_be_opened_says_so_in_our_terms() -> None:
    env = {"MONGO_URL": f"{NOBODY}/", "CHESSCOACH_DATABASE__TIMEOUT_S": "0.3"}
    settings = await asyncio.to_thread(config.load, None, env)
    with pytest.raises(StoreUnavailable):
        async with open_store(settings.config, settings.process, Metrics()):
            pytest.fail("it was opened")
