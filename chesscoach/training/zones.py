"""Time zones by name, checked: an unknown name means the default zone.

Zones are calculated here and never on the server, which has a table of its own.
"""

import asyncio
from collections.abc import Collection
from typing import Literal
from zoneinfo import ZoneInfo

from chesscoach import log
from chesscoach.players.zone_names import known_zones
from chesscoach.worker.job import Run

ZoneOrigin = Literal["user", "default", "invalid"]
"""Where a player's time zone comes from: it is the default also where the stored one is invalid."""

_IDS_LOGGED = 3


class Zones:
    """The zones that there are, the default one, and the players whose zone is invalid."""

    def __init__(self, default: str, names: Collection[str]) -> None:
        self.default = ZoneInfo(default)
        self._names = names
        self._invalid: dict[str, None] = {}

    @classmethod
    async def load(cls, default: str) -> "Zones":
        """Reads the names of all zones."""
        return cls(default, await asyncio.to_thread(known_zones))

    def known(self, name: object) -> ZoneInfo | None:
        """The zone of a name; None if there is none."""
        return ZoneInfo(name) if type(name) is str and name in self._names else None

    def of_user(self, user_id: str, name: object) -> tuple[ZoneInfo, ZoneOrigin]:
        """The zone of a user's setting, and where it comes from."""
        zone = self.known(name)
        if zone is not None:
            return zone, "user"
        if name is None or name == "":
            return self.default, "default"
        self.note_invalid(user_id)
        return self.default, "invalid"

    def note_invalid(self, user_id: str) -> None:
        """Notes a user for whom an invalid zone is stored."""
        self._invalid[user_id] = None

    def report(self, run: Run) -> None:
        """Counts and logs the users whose zone is invalid."""
        if self._invalid:
            run.counts.notes["invalid_timezones"] = len(self._invalid)
            log.get_logger().warning(
                "training_timezones_invalid",
                count=len(self._invalid),
                users=list(self._invalid)[:_IDS_LOGGED],
            )
