"""The texts that a setting may have: UTF-8 without control characters."""

import unicodedata

from chesscoach.errors import ConfigError

_CONTROL_CATEGORIES = ("Cc", "Zl", "Zp")
_BYTE_ORDER_MARK = "\ufeff"
_KEYS_WITH_LINES = ("emails.sendgrid.events_key",)
"""The settings that may have line breaks: a public key in PEM. Its reader removes them."""

ENCODING = "utf-8-sig"
"""The encoding of files with settings: some editors begin UTF-8 with a byte order mark."""


def check_text(key: str, text: str, place: str = "") -> None:
    """Refuses a text that no setting can mean.

    A control character would break every line, header and address that the text becomes part of.

    Raises:
        ConfigError: the text is not UTF-8 or contains a control character; its key is named.
    """
    allowed = "\r\n" if key.startswith(_KEYS_WITH_LINES) else ""
    for character in text:
        if character in allowed:
            continue
        category = unicodedata.category(character)
        if category == "Cs":  # Python's stand-in for a byte that is not UTF-8
            reason = "not UTF-8"
        elif category in _CONTROL_CATEGORIES or character == _BYTE_ORDER_MARK:
            reason = f"contains a control character (U+{ord(character):04X})"
        else:
            continue
        msg = f"{printable(key)}: {reason}{place and f' (in {place})'}"
        raise ConfigError(msg)


def check_table(value: object, place: str, key: str = "") -> None:
    """Checks each key and each text of a table, those of its inner tables and arrays too.

    Raises:
        ConfigError: as `check_text`.
    """
    if isinstance(value, str):
        check_text(key, value, place)
    elif isinstance(value, list):
        for item in value:
            check_table(item, place, key)
    elif isinstance(value, dict):
        for name, inner in value.items():
            path = f"{key}.{name}".removeprefix(".")
            check_text(path, name, place)
            check_table(inner, place, path)


def printable(key: str) -> str:
    """A key in one line of plain text."""
    return "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in key
    )
