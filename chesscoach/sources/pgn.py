"""As much of PGN as a sync needs: counting moves, and writing a game that came without it.

Nothing is parsed for meaning: that is slow, and the application's analysis does it.
"""

import re
from collections.abc import Mapping

_TAGS_PATTERN = re.compile(r'\A(?:\s*\[(?:[^\]"\n]|"(?:[^"\\\n]|\\.)*+")*+\])*+')
_MOVE_NUMBER_PATTERN = re.compile(r"\d\.")
_TAG_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": " ", "\r": " "})
_TAG_PATTERN = re.compile(r'\[\s*(\w+)\s+"((?:[^"\\]|\\.)*)"\s*\]')
_NON_MOVE_PATTERN = re.compile(r"\{[^}]*(?:\}|\Z)|;[^\n]*|\$\d+|(?<!\d)\d+\.+|1-0|0-1|1/2-1/2|\*")


def count_plies(pgn: str) -> int:
    """The number of half-moves in a PGN's movetext, variations not expected.

    A PGN may lack tags; then a move's number shows that it is one.
    """
    text = pgn.replace("\r\n", "\n").strip("\ufeff \t\n")
    movetext = _TAGS_PATTERN.sub("", text).lstrip()
    if movetext.startswith("["):  # a tag that is not well formed
        movetext = movetext.partition("\n\n")[2]
    elif not text.startswith("[") and not _MOVE_NUMBER_PATTERN.search(text):
        movetext = ""
    return len(_NON_MOVE_PATTERN.sub(" ", movetext).split())


def parse_tags(pgn: str) -> dict[str, str]:
    """The tags of a PGN; names in lower case, whose capitals the application changes."""
    header, _, _ = pgn.replace("\r\n", "\n").partition("\n\n")
    return {name.lower(): value for name, value in _TAG_PATTERN.findall(header)}


def format_pgn(tags: Mapping[str, object], moves: list[str]) -> str:
    """A PGN of tags (those without a value are left out) and of moves in SAN."""
    lines = [
        f'[{name} "{str(value).translate(_TAG_ESCAPES)}"]' for name, value in tags.items() if value
    ]
    numbered = (f"{i // 2 + 1}. {san}" if i % 2 == 0 else san for i, san in enumerate(moves))
    return "\n".join(lines) + "\n\n" + " ".join((*numbered, str(tags.get("Result", "*")))) + "\n"
