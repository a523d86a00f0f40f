"""A player of momentum: the progress document that counts, and its content."""

from datetime import date, datetime
from typing import Any

from msgspec import Struct

from chesscoach.momentum.achievements import PlayerStats
from chesscoach.momentum.periods import Kind


class Counter(Struct, frozen=True, kw_only=True):
    """The points of a period as the player's progress has them, and of the last one with points."""

    key: str | None = None
    points: int = 0
    previous_key: str | None = None
    previous_points: int = 0


class ShownStreak(Struct, frozen=True, kw_only=True):
    """What the application's pages show of a streak: the fields as they are stored."""

    current: Any = None
    longest: Any = None
    last_activity: Any = None


class Player(Struct, frozen=True, kw_only=True):
    """A player's progress: `id` is that of the oldest document, which is the one that counts.

    `closed` has the key of the last period of a kind that is final for this player; an award of
    that period or an earlier one counts in the current period. `batch` is the last batch of the
    ledger that is in the counters. `seen` is what pages showed when we last looked: what differs
    from it was written by the application. `application` is the application's own streak: its
    length, its last instant and its last local day; `ours` is the length of ours, until it is over.
    """

    id: Any
    user_id: str
    tz: str | None
    closed: dict[Kind, str]
    batch: int
    stats: PlayerStats
    counters: dict[Kind, Counter]
    shown: ShownStreak
    seen: ShownStreak | None
    application: tuple[int, datetime | None, date | None]
    ours: int
    last_local: date | None
