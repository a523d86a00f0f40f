"""A part of the users: what one of several processes works of a slot."""

import re
from hashlib import sha256

from msgspec import Struct

_MAX_SHARDS = 1000
"""More parts than this are a mistake: each reads all users to find its own."""

_MAX_PAGE_SIZE = 20_000
"""So many users are read at a time at most."""

_HASH_MASK = 0x7FFF_FFFF


def shard_hash(user_id: str) -> int:
    """What decides on the part of a user, 31 bits wide; the same everywhere and for ever.

    The first four bytes of the SHA-256 of his id in UTF-8, big-endian, without the first bit.
    """
    encoded = user_id.encode(errors="surrogatepass")
    return int.from_bytes(sha256(encoded).digest()[:4]) & _HASH_MASK


class Shard(Struct, frozen=True, kw_only=True):
    """Part `index`, counted from 0, of `of` parts; a user is in exactly one.

    Raises:
        ValueError: there is no such part.
    """

    index: int
    of: int

    def __post_init__(self) -> None:
        if not (0 <= self.index < self.of <= _MAX_SHARDS):
            msg = (
                f"there is no shard {self.index} of {self.of}: "
                f"shards count from 0, at most {_MAX_SHARDS}"
            )
            raise ValueError(msg)

    @classmethod
    def parse(cls, text: str, index: str | None = None) -> "Shard":
        """`2/4`, or `4` with the index from elsewhere.

        Raises:
            ValueError: it is neither.
        """
        found = re.fullmatch(r"(?:(\d{1,9})/)?(\d{1,9})", text, re.ASCII)
        given = (found[1] or index) if found else None
        if found is None or given is None or not re.fullmatch(r"\d{1,9}", given, re.ASCII):
            msg = f"{text!r} is not I/N, such as 0/4 (N alone takes I from JOB_COMPLETION_INDEX)"
            raise ValueError(msg)
        return cls(index=int(given), of=int(found[2]))

    def __str__(self) -> str:
        return f"{self.index}/{self.of}"

    def contains(self, user_id: str) -> bool:
        """Whether a user is in this part."""
        return self.of == 1 or shard_hash(user_id) % self.of == self.index

    def page_size_for(self, page: int) -> int:
        """How many users to read for about a page of our own."""
        return min(page * self.of, max(page, _MAX_PAGE_SIZE))


ALL_USERS = Shard(index=0, of=1)
"""The one shard of a run that is not divided."""


def record_shard(name: str | None) -> Shard:
    """The shard that a run record names."""
    return Shard.parse(name) if name is not None else ALL_USERS


def shard_name(shard: Shard) -> str | None:
    """`I/N`; None for all users."""
    return str(shard) if shard.of > 1 else None
