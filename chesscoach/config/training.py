"""`[training]`: whose day it is, how far sessions are made ahead, how much is read at a time."""

from typing import Annotated
from zoneinfo import ZoneInfo

from msgspec import Meta

from chesscoach.config.section import Section


class TrainingSettings(Section, frozen=True, kw_only=True):
    """`[training]`."""

    timezone: str = "UTC"
    lookahead_days: Annotated[int, Meta(ge=1, le=366)] = 14
    batch: Annotated[int, Meta(ge=100, le=1000)] = 500

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.timezone)
        except (KeyError, ValueError, OSError):
            msg = "timezone: not an IANA name of a time zone"
            raise ValueError(msg) from None
