"""A receiver, and what the alerts of a context on a standing clock receive."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec.structs import replace

from chesscoach.alerts.context import AlertContext
from tests.conftest import NOON, Clock
from tests.support.alerts import Receiver, open_receiver
from tests.support.log_lines import Lines, parse_lines


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with open_receiver() as opened:
        yield opened


@pytest.fixture
def clock() -> Clock:
    return Clock(NOON)


@pytest.fixture
async def alerts(contexts: Any, clock: Clock) -> AlertContext:
    """What the alerts of a process without schedules receive."""
    ctx = await contexts(clock)
    context: AlertContext = replace(ctx.alerts, configured_schedules={})
    return context


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    """Returns the lines logged since the last call, parsed."""
    return lambda: parse_lines(capsys.readouterr().out)
