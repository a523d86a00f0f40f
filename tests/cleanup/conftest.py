from collections.abc import AsyncIterator

import pytest

from chesscoach.config import Settings
from chesscoach.context import Context, open_context
from tests.conftest import Clock
from tests.support.cleanup_runs import with_limits


@pytest.fixture
async def fixed_context(
    long_lease_settings: Settings, request: pytest.FixtureRequest
) -> AsyncIterator[Context]:
    """A context on an initialised database whose clock stands at the module's `NOW`."""
    async with open_context(long_lease_settings, Clock(request.module.NOW)) as ctx:
        yield with_limits(ctx, batch=10)
