"""Which names a source could have, so that no other text ever gets into a request."""

from chesscoach.sources.game import Platform
from chesscoach.sources.source import SOURCES


def normalize_username(platform: Platform, name: object) -> str | None:
    """Returns a name as the source's URLs have it, in lower case; None if no player can have it.

    White space around a name is ignored; nothing else is corrected.
    """
    if type(name) is not str:  # BSON code is a subclass
        return None
    stripped = name.strip()
    return stripped.lower() if SOURCES[platform].username_pattern.fullmatch(stripped) else None
