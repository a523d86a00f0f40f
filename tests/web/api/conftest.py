"""The API of a listener on loopback, held to its document."""

from collections.abc import AsyncIterator, Callable
from typing import Any, TypeAlias

import pytest

from chesscoach.context import Context
from chesscoach.worker.scheduler import schedule_admin
from chesscoach.worker.shutdown import ShutdownRequest
from tests.support.web.admin_client import API
from tests.support.web.api_client import ApiClient
from tests.web.conftest import OpenAdmin

OpenApi: TypeAlias = Callable[..., Any]


@pytest.fixture
async def api(ctx: Context, open_admin: OpenAdmin) -> AsyncIterator[ApiClient]:
    """A client, on a database that has the configured schedules."""
    await schedule_admin.sync_from_config(ctx.worker)
    stop = ShutdownRequest()
    client = await open_admin(ctx, stop=stop)
    yield ApiClient(client, (await client("GET", f"{API}/openapi.json")).body)
    stop.request()
