from collections.abc import AsyncIterator
from typing import Any

import pytest

from chesscoach.config import Settings
from chesscoach.context import open_context
from tests.conftest import Clock, FakeSites
from tests.support.sync.sync_scenario import NOW, SyncScenario


@pytest.fixture
async def sync(
    long_lease_settings: Settings, db: Any, sites: FakeSites
) -> AsyncIterator[SyncScenario]:
    """A club without users, on a prepared database, whose clock stands at `NOW`."""
    clock = Clock(NOW)
    async with open_context(long_lease_settings, clock) as ctx:
        yield SyncScenario(ctx, db, sites, clock)
