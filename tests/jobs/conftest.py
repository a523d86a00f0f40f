from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec.structs import replace

from chesscoach.config import Settings
from chesscoach.context import open_context
from tests.conftest import Clock, Sites
from tests.jobs.club import NOW, Club


@pytest.fixture
def patient(settings: Settings) -> Settings:
    """The settings of tests, with leases that a busy machine can keep."""
    runner = replace(settings.config.runner, lease_s=8.0)
    return replace(settings, config=replace(settings.config, runner=runner))


@pytest.fixture
async def club(patient: Settings, db: Any, sites: Sites) -> AsyncIterator[Club]:
    """A club without users, on a prepared database, whose clock stands at `NOW`."""
    clock = Clock(NOW)
    async with open_context(patient, clock) as ctx:
        await ctx.store.prepare()
        yield Club(ctx, db, sites, clock)
