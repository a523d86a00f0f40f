"""A player as training knows them."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct

from chesscoach.training.zones import ZoneOrigin, Zones


class StoredPlayer(Struct, frozen=True, kw_only=True):
    """A player as stored: `timezone` can be any value.

    `has_odd_progress` says that the progress has something else in place of a number.
    """

    user_id: str
    timezone: Any = None
    xp: int = 0
    level: int = 1
    streak: int = 0
    has_odd_progress: bool = False


class Player(Struct, frozen=True, kw_only=True):
    """A player with a checked time zone; `today` is the local date of the run's instant."""

    user_id: str
    zone: ZoneInfo
    zone_origin: ZoneOrigin
    today: date
    xp: int = 0
    level: int = 1
    streak: int = 0
    has_odd_progress: bool = False


def in_their_zones(stored: Sequence[StoredPlayer], zones: Zones, now: datetime) -> list[Player]:
    """The players with their zones and local dates."""
    return [_player(player, zones, now) for player in stored]


def _player(stored: StoredPlayer, zones: Zones, now: datetime) -> Player:
    zone, origin = zones.of_user(stored.user_id, stored.timezone)
    return Player(
        user_id=stored.user_id,
        zone=zone,
        zone_origin=origin,
        today=now.astimezone(zone).date(),
        xp=stored.xp,
        level=stored.level,
        streak=stored.streak,
        has_odd_progress=stored.has_odd_progress,
    )
