"""A routine: what a player does again and again, and when it recurs."""

from datetime import date, datetime
from typing import Literal, get_args

from msgspec import Struct
from msgspec.structs import replace

from chesscoach.training.sessions.recurrence import Recurrence

Kind = Literal["play", "puzzles", "analysis", "reflection", "manual"]
KINDS: tuple[Kind, ...] = get_args(Kind)
ZoneSource = Literal["routine", "user", "default", "invalid"]
"""Where a routine's zone comes from: its own option, the user, or the default, because the user has
none or an invalid one."""

MAX_TITLE_LENGTH = 120
MAX_COUNT = 1000
MAX_MINUTES = 1440


class Routine(Struct, frozen=True, kw_only=True):
    """A routine; a session of it is done after `count` items of its kind.

    `first_day` is the day from which it was asked for; DTSTART is the first match from there on.
    `revision` grows with each change. Unless `zone_is_valid`, the stored zone is unknown here, and
    the default applies.
    """

    id: str
    user_id: str
    title: str
    kind: Kind
    count: int
    minutes: int
    recurrence: Recurrence
    zone_source: ZoneSource
    zone_is_valid: bool = True
    first_day: date
    revision: int = 1
    created_at: datetime
    updated_at: datetime


def moved_to(routine: Routine, recurrence: Recurrence, source: ZoneSource) -> Routine:
    """The routine with its days and times in another zone."""
    return replace(
        routine, recurrence=recurrence, zone_source=source, revision=routine.revision + 1
    )
