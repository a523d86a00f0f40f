"""As much of PGN as a sync needs: counting moves, and writing a game that came without it.

Nothing is parsed for meaning: that is slow, and the application's analysis does it.
"""

import re
from collections.abc import Mapping

_TAG_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": " ", "\r": " "})
_NON_MOVE_PATTERN = re.compile(r"\{[^}]*(?:\}|\Z)|;[^\n]*|\$\d+|(?<!\d)\d+\.+|1-0|0-1|1/2-1/2|\*")


def count_plies(pgn: str) -> int:
    """The number of half-moves in a PGN's movetext, variations not expected."""
    _, _, movetext = pgn.replace("\r\n", "\n").partition("\n\n")
    return len(_NON_MOVE_PATTERN.sub(" ", movetext).split())


def format_pgn(tags: Mapping[str, object], moves: list[str]) -> str:
    """A PGN of tags (those without a value are left out) and of moves in SAN."""
    lines = [
        f'[{name} "{str(value).translate(_TAG_ESCAPES)}"]' for name, value in tags.items() if value
    ]
    numbered = (f"{i // 2 + 1}. {san}" if i % 2 == 0 else san for i, san in enumerate(moves))
    return "\n".join(lines) + "\n\n" + " ".join((*numbered, str(tags.get("Result", "*")))) + "\n"
