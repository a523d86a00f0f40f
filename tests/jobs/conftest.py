from collections.abc import AsyncIterator
from typing import Any

import pytest

from chesscoach.config import Settings
from chesscoach.context import open_context
from tests.conftest import Clock, Sites
from tests.jobs.club import NOW, Club


@pytest.fixture
async def club(settings: Settings, db: Any, sites: Sites) -> AsyncIterator[Club]:
    """A club without users, on a prepared database, whose clock stands at `NOW`."""
    clock = Clock(NOW)
    async with open_context(settings, clock) as ctx:
        await ctx.store.prepare()
        yield Club(ctx, db, sites, clock)
