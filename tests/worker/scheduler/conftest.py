"""Databases that go away: a replica set of three, and a wire to the tests' mongod."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from chesscoach import config
from chesscoach.config import Settings
from tests.support.mongo.replica_set import ReplicaSet, replica_set
from tests.support.mongo.tcp_proxy import TcpProxy, tcp_proxy


@pytest.fixture
def replica_members(tmp_path: Path) -> Iterator[ReplicaSet]:
    with replica_set(tmp_path / "set") as found:
        yield found


@pytest.fixture
def replica_set_settings(replica_members: ReplicaSet) -> Settings:
    return config.load(
        None,
        {
            "MONGO_URL": replica_members.url,
            "DB_NAME": "failover",
            "CHESSCOACH_RUNNER__LEASE_S": "12",
            "CHESSCOACH_DATABASE__TIMEOUT_S": "20",
        },
    )


@pytest.fixture
async def proxy(mongo_url: str) -> AsyncIterator[TcpProxy]:
    """A wire to the tests' mongod."""
    async with tcp_proxy(mongo_url) as found:
        yield found


@pytest.fixture
def proxied_settings(proxy: TcpProxy, settings: Settings) -> Settings:
    """The settings of a process whose database is at the end of that wire."""
    return replace(settings, process=replace(settings.process, mongo_url=proxy.url))
