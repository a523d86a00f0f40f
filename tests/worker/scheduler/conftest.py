"""Databases that go away: a replica set of three, and a wire to the tests' mongod."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from chesscoach import config
from chesscoach.config import Settings
from tests.support.replica_set import ReplicaSet, replica_set
from tests.support.tcp_proxy import Wire, wire


@pytest.fixture
def members(tmp_path: Path) -> Iterator[ReplicaSet]:
    with replica_set(tmp_path / "set") as found:
        yield found


@pytest.fixture
def on_the_set(members: ReplicaSet) -> Settings:
    return config.load(
        None,
        {
            "MONGO_URL": members.url,
            "DB_NAME": "failover",
            "CHESSCOACH_RUNNER__LEASE_S": "3",
            "CHESSCOACH_DATABASE__TIMEOUT_S": "20",
        },
    )


@pytest.fixture
async def cable(mongo_url: str) -> AsyncIterator[Wire]:
    """A wire to the tests' mongod."""
    async with wire(mongo_url) as found:
        yield found


@pytest.fixture
def wired(cable: Wire, settings: Settings) -> Settings:
    """The settings of a process whose database is at the end of that wire."""
    return replace(settings, process=replace(settings.process, mongo_url=cable.url))
