from collections.abc import AsyncIterator
from typing import Any

import pytest

from chesscoach.config import Settings
from chesscoach.context import open_context
from tests.conftest import Clock, Sites
from tests.support.sync_scenario import NOW, Club


@pytest.fixture
async def club(patient: Settings, db: Any, sites: Sites) -> AsyncIterator[Club]:
    """A club without users, on a prepared database, whose clock stands at `NOW`."""
    clock = Clock(NOW)
    async with open_context(patient, clock) as ctx:
        await ctx.store.prepare()
        yield Club(ctx, db, sites, clock)
