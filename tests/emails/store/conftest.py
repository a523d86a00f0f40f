"""The store of players' weeks, on a connection whose commands are recorded."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from pymongo import monitoring

from chesscoach.config import Settings
from chesscoach.context import Context
from chesscoach.emails.store.player_weeks import PlayerWeeks
from chesscoach.mongo.client import connect
from chesscoach.schedules import week_bounds as bounds
from chesscoach.schedules.iso_week import Week

WEEK, UTC_ZONE = Week(2026, 47), ZoneInfo("UTC")
MONDAY, NEXT = bounds.week_bounds(WEEK, UTC_ZONE)
TUESDAY = MONDAY + timedelta(days=1, hours=10)


class CommandRecorder(monitoring.CommandListener):
    """Records the commands that the server gets."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Record the name of a command."""
        self.names.append(event.command_name)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Do nothing."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Do nothing."""


@pytest.fixture
def commands() -> CommandRecorder:
    return CommandRecorder()


@pytest.fixture
async def store(
    ctx: Context, settings: Settings, commands: CommandRecorder
) -> AsyncIterator[PlayerWeeks]:
    """The store on a connection whose commands are recorded; the indexes exist."""
    loop, url = asyncio.get_running_loop(), settings.process.mongo_url
    assert url is not None
    client = await asyncio.to_thread(connect, url, settings.config.database, loop, [commands])
    await client.admin.command("ping")
    commands.names.clear()
    try:
        yield PlayerWeeks(client[settings.config.database.name])
    finally:
        await asyncio.to_thread(client.close)
