from collections.abc import AsyncIterator
from typing import Any

import pytest

from chesscoach.config import Settings
from chesscoach.context import Context, open_context
from tests.conftest import Clock, FakeSites
from tests.support.sync.sync_scenario import NOW, SyncScenario


@pytest.fixture
async def ctx(long_lease_settings: Settings) -> AsyncIterator[Context]:
    """A context on an initialised database, whose leases a busy machine can keep."""
    async with open_context(long_lease_settings) as context:
        yield context


@pytest.fixture
async def sync(
    long_lease_settings: Settings, db: Any, sites: FakeSites
) -> AsyncIterator[SyncScenario]:
    """A club without users, on a prepared database, whose clock stands at `NOW`."""
    clock = Clock(NOW)
    async with open_context(long_lease_settings, clock) as ctx:
        yield SyncScenario(ctx, db, sites, clock)
