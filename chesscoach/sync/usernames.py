"""Which names a source could have, so that no other text ever gets into a request."""

import re

from chesscoach.sources.game import Platform

_USERNAME_PATTERNS: dict[Platform, re.Pattern[str]] = {
    # lila's historical form; names of today are a subset.
    "lichess": re.compile(r"[A-Za-z0-9_-]{2,30}", re.ASCII),
    "chess.com": re.compile(r"[A-Za-z0-9_-]{1,50}", re.ASCII),
}


def normalize_username(platform: Platform, name: object) -> str | None:
    """The name as the source's addresses want it, lower-cased; None if no player can have it.

    Space around a name is forgiven, anything else is not.
    """
    if type(name) is not str:  # BSON code is a subclass
        return None
    stripped = name.strip()
    return stripped.lower() if _USERNAME_PATTERNS[platform].fullmatch(stripped) else None
