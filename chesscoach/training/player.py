"""A player as training knows them, and whose calendar counts for them."""

import asyncio
from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from msgspec import Struct

from chesscoach import log
from chesscoach.worker.job import Run

ZoneOrigin = Literal["user", "default", "invalid"]
"""Where a player's time zone comes from: it is the default also where the stored one is invalid."""

_IDS_LOGGED = 3


class StoredPlayer(Struct, frozen=True, kw_only=True):
    """A player as stored: `timezone` can be any value."""

    user_id: str
    timezone: Any = None
    xp: int = 0
    level: int = 1
    streak: int = 0


class Player(Struct, frozen=True, kw_only=True):
    """A player with a checked time zone; `today` is the local date of the run's instant."""

    user_id: str
    zone: ZoneInfo
    zone_origin: ZoneOrigin
    today: date
    xp: int = 0
    level: int = 1
    streak: int = 0


class Zones:
    """Checks the time zones of players, and counts those that are invalid.

    Zones are calculated here and never on the server, whose own table is another one.
    """

    def __init__(self, default: str, known: Collection[str]) -> None:
        self._default = ZoneInfo(default)
        self._known = known
        self._invalid: list[str] = []

    @classmethod
    async def load(cls, default: str) -> "Zones":
        """Reads the names of all zones."""
        return cls(default, await asyncio.to_thread(available_timezones))

    def players(self, stored: Sequence[StoredPlayer], now: datetime) -> list[Player]:
        """The players with their zones and local dates."""
        return [self._player(player, now) for player in stored]

    def report(self, run: Run) -> None:
        """Counts and logs the players whose zone is invalid."""
        if self._invalid:
            run.counts.notes["invalid_timezones"] = len(self._invalid)
            log.get_logger().warning(
                "training_timezones_invalid",
                count=len(self._invalid),
                users=self._invalid[:_IDS_LOGGED],
            )

    def _player(self, stored: StoredPlayer, now: datetime) -> Player:
        name, zone = stored.timezone, self._default
        origin: ZoneOrigin = "user"
        if type(name) is str and name in self._known:
            zone = ZoneInfo(name)
        elif name is None or name == "":
            origin = "default"
        else:
            origin = "invalid"
            self._invalid.append(stored.user_id)
        return Player(
            user_id=stored.user_id,
            zone=zone,
            zone_origin=origin,
            today=now.astimezone(zone).date(),
            xp=stored.xp,
            level=stored.level,
            streak=stored.streak,
        )
