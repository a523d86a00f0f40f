"""What all tests share: a real mongod, a context on a database of one's own, the stand-ins."""

import gc
import os
import shutil
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import structlog
from blockbuster import BlockBuster, blockbuster_ctx
from msgspec.structs import replace
from pymongo import MongoClient

from chesscoach import config, log
from chesscoach.config import Settings
from chesscoach.config.environment import LEGACY_INTERVAL
from chesscoach.context import Context, open_context, utc_now
from chesscoach.demo.fake_chesscom import FakeChesscom
from chesscoach.demo.fake_lichess import FakeLichess
from chesscoach.demo.world import World
from chesscoach.mongo.client import Document
from chesscoach.mongo.embedded import EmbeddedServer
from chesscoach.worker.shutdown import ShutdownRequest
from tests.support.mongo.database_pool import DatabasePool
from tests.support.mongo.memory import memory_folder

_DATABASE_FOLDER = "PYTEST_DATABASE_FOLDER"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the machine reaches a test, and no test writes where it was started."""
    others = ("MONGO_URL", "DB_NAME", "KUBERNETES_SERVICE_HOST", "INVOCATION_ID", LEGACY_INTERVAL)
    for name in list(os.environ):
        ours = name.startswith("CHESSCOACH_") and name != "CHESSCOACH_SOAK"
        if ours or name in others:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def _clean_logging() -> None:
    structlog.contextvars.clear_contextvars()
    log.configure(config.LogSettings(format="json"))


@pytest.fixture(scope="session", autouse=True)
def _no_blocking_calls() -> Iterator[None]:
    """A call that blocks the event loop is an error."""
    with blockbuster_ctx("chesscoach") as blockbuster:
        _allow_calls(blockbuster)
        yield


def _allow_calls(blockbuster: BlockBuster) -> None:
    # Writing a line of log is a few microseconds, and stdout is what it is for.
    blockbuster.functions["io.TextIOWrapper.write"].deactivate()
    # A traceback names its files: a look at the working directory, on the way to the log.
    blockbuster.functions["os.path.abspath"].deactivate()
    # A time zone is a file of a few kilobytes, read once.
    blockbuster.functions["os.stat"].can_block_in("zoneinfo/_tzpath.py", {"find_tzfile"})
    blockbuster.functions["io.BufferedReader.read"].can_block_in(
        "zoneinfo/_common.py", {"load_data"}
    )
    # The asynchronous driver looks whether it is in a container: one stat of a file in /.
    blockbuster.functions["os.stat"].can_block_in(
        "pymongo/pool_options.py", {"get_container_env_info"}
    )


def pytest_configure() -> None:
    """Examples have no deadline of their own; the database is in memory where there is enough."""
    gc.disable()  # until the tests are collected: it takes a third of that time and frees nothing
    hypothesis.settings.register_profile(
        "suite", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
    )
    hypothesis.settings.load_profile("suite")
    if _is_first_process() and (folder := memory_folder()) is not None:
        os.environ[_DATABASE_FOLDER] = str(folder)


def pytest_unconfigure() -> None:
    """The test processes have ended, and with them mongod."""
    if _is_first_process() and _DATABASE_FOLDER in os.environ:
        shutil.rmtree(os.environ.pop(_DATABASE_FOLDER))


def _is_first_process() -> bool:
    """Whether this process starts the others; they inherit its environment."""
    return "PYTEST_XDIST_WORKER" not in os.environ


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest come first: a worker that has begun one late would keep the others waiting."""
    items.sort(key=lambda item: item.get_closest_marker("soak") is None)


def pytest_collection_finish() -> None:
    """What has been collected stays: later collections of garbage do not look at it."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def mongo_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A mongod that all test processes share; the last one out stops it."""
    shared = tmp_path_factory.getbasetemp()
    if not _is_first_process():
        shared = shared.parent
    embedded = EmbeddedServer(Path(os.environ.get(_DATABASE_FOLDER, shared)) / "mongo")
    url = embedded.start_or_join()
    with MongoClient[Document](url) as client:
        # Else dropped databases keep their files for five minutes, and a mongod may open so many.
        client.admin.command("setParameter", 1, minSnapshotHistoryWindowInSeconds=0)
        # Else each minute it deletes what the tests' own dates have made expired.
        client.admin.command("setParameter", 1, ttlMonitorEnabled=False)
    try:
        yield url
    finally:
        embedded.leave()


@pytest.fixture(scope="session")
def mongo(mongo_url: str) -> Iterator[MongoClient[Document]]:
    """A plain client, to look at what has been written."""
    with MongoClient[Document](mongo_url, tz_aware=True) as client:
        yield client


@pytest.fixture(scope="session")
def database_pool(mongo_url: str, mongo: MongoClient[Document]) -> DatabasePool:
    """The initialised databases of this test process."""
    return DatabasePool(mongo_url, mongo)


@pytest.fixture
def database_name(
    request: pytest.FixtureRequest, mongo: MongoClient[Document], database_pool: DatabasePool
) -> Iterator[str]:
    """A database of the test's own: initialised and empty, or new where the test is marked so."""
    if request.node.get_closest_marker("new_database"):
        name = f"test_{uuid.uuid4().hex[:12]}"
        yield name
        mongo.drop_database(name)
    else:
        name = database_pool.acquire()
        yield name
        database_pool.release(name)


@pytest.fixture
def db(mongo: MongoClient[Document], database_name: str) -> Any:
    """That database, through the plain client."""
    return mongo[database_name]


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """The instant at which it stands."""
        return self.now

    def move(self, **delta: float) -> None:
        """Moves it on, by the arguments of a timedelta."""
        self.now += timedelta(**delta)


NOON = datetime(2026, 10, 21, 12, 0, tzinfo=UTC)


class FakeSites:
    """Both stand-ins on one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.lichess = FakeLichess(world)
        self.chesscom = FakeChesscom(world)

    @property
    def environment(self) -> dict[str, str]:
        """The settings by which a process uses them."""
        return {
            "CHESSCOACH_SOURCES__LICHESS__BASE_URL": self.lichess.url,
            "CHESSCOACH_SOURCES__CHESSCOM__BASE_URL": f"{self.chesscom.url}/pub",
            "CHESSCOACH_SOURCES__CONTACT": "tests@example.org",
        }

    def clear_requests(self) -> None:
        """Starts the record of requests anew."""
        self.lichess.requests.clear()
        self.chesscom.requests.clear()


@pytest.fixture
async def sites() -> AsyncIterator[FakeSites]:
    """The stand-ins, empty, on loopback."""
    both = FakeSites(World())
    async with both.lichess.serve(), both.chesscom.serve():
        yield both


@pytest.fixture
def environment(mongo_url: str, database_name: str, sites: FakeSites) -> dict[str, str]:
    """The settings that a process of ours gets in a test; a busy machine can keep its leases."""
    return {
        "MONGO_URL": mongo_url,
        "DB_NAME": database_name,
        "CHESSCOACH_RUNNER__LEASE_S": "12",
        "CHESSCOACH_WEB__ADMIN": "127.0.0.1:0",
        "CHESSCOACH_SOURCES__FIRST_PAUSE_S": "0.05",
        "CHESSCOACH_SOURCES__BREAKER_OPEN_S": "900",
        **sites.environment,
    }


@pytest.fixture
def settings(environment: dict[str, str]) -> Settings:
    """The same as a value."""
    return config.load(None, environment)


@pytest.fixture
async def ctx(settings: Settings) -> AsyncIterator[Context]:
    """A context on an initialised database and the fake sources, with the real clock."""
    async with open_context(settings) as context:
        yield context


@pytest.fixture
async def contexts(settings: Settings) -> AsyncIterator[Any]:
    """A maker of further contexts, as other processes would have; it takes a clock."""
    async with AsyncExitStack() as stack:

        async def make(now: Clock | None = None) -> Context:
            return await stack.enter_async_context(open_context(settings, now or utc_now))

        yield make


@pytest.fixture
def stop() -> ShutdownRequest:
    """A wish to stop that nobody has yet."""
    return ShutdownRequest()


def scaled_rounds(full: int, suite: int | None = None) -> int:
    """How many rounds: all of them in `make soak`; in the suite a tenth, or as many as it says."""
    if os.environ.get("CHESSCOACH_SOAK"):
        return full
    return max(full // 10, 1) if suite is None else suite


@pytest.fixture
def long_lease_settings(settings: Settings) -> Settings:
    """The settings of tests, with leases that outlive a test."""
    runner = replace(settings.config.runner, lease_s=60.0)
    return replace(settings, config=replace(settings.config, runner=runner))
