"""What the server notes of each command: its plan, and how much of a collection it looked at."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_NAME = "system.profile"
_SIZE = 2**24  # the default holds a thousand commands


@contextmanager
def profile(db: Any) -> Iterator[list[dict[str, Any]]]:
    """Fills a list with the notes on the commands of the block, when the block ends."""
    notes: list[dict[str, Any]] = []
    db.create_collection(_NAME, capped=True, size=_SIZE)
    db.command("profile", 2)
    try:
        yield notes
    finally:
        db.command("profile", 0)
        notes += db[_NAME].find({"ns": {"$ne": f"{db.name}.{_NAME}"}})
        db.drop_collection(_NAME)
