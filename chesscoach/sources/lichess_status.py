"""Whether a Lichess account exists, and whether it has changed."""

from datetime import datetime

from msgspec import Struct


class LichessStatus(Struct, frozen=True, kw_only=True):
    """What Lichess's bulk request says of one account.

    `fingerprint` changes when the player was seen, or finished a clock game, or a rated one
    (the response's seenAt, playTime.total and the sum of perfs.*.games).
    """

    name: str
    closed: bool = False
    bot: bool = False
    seen_at: datetime | None = None
    fingerprint: str = ""
