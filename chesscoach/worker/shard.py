"""Shards of the users: each of several processes runs a slot for one of them."""

import re
from hashlib import sha256

from msgspec import Struct

_MAX_SHARDS = 1000
"""More shards than this are a mistake: each reads all users to find its own."""

_MAX_PAGE_SIZE = 20_000
"""The largest number of users that are read at a time."""

_HASH_MASK = 0x7FFF_FFFF


def shard_hash(user_id: str) -> int:
    """Returns the number that decides on a user's shard, 31 bits wide; it never changes.

    It is the first four bytes of the SHA-256 of the id in UTF-8, big-endian, without the first bit.
    """
    encoded = user_id.encode(errors="surrogatepass")
    return int.from_bytes(sha256(encoded).digest()[:4]) & _HASH_MASK


class Shard(Struct, frozen=True, kw_only=True):
    """Shard `index`, counted from 0, of `of` shards; a user is in exactly one.

    Raises:
        ValueError: the index is not below `of`, or there are too many shards.
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
        """Reads `2/4`, or `4` with a separate index.

        Raises:
            ValueError: the text has neither form, or the shard does not exist.
        """
        numbers = re.fullmatch(r"(?:(\d{1,9})/)?(\d{1,9})", text, re.ASCII)
        own = (numbers[1] or index) if numbers else None
        if numbers is None or own is None or not re.fullmatch(r"\d{1,9}", own, re.ASCII):
            msg = f"{text!r} is not I/N, such as 0/4 (N alone takes I from JOB_COMPLETION_INDEX)"
            raise ValueError(msg)
        return cls(index=int(own), of=int(numbers[2]))

    def __str__(self) -> str:
        return f"{self.index}/{self.of}"

    def contains(self, user_id: str) -> bool:
        """Whether a user is in this shard."""
        return self.of == 1 or shard_hash(user_id) % self.of == self.index

    def page_size_for(self, page: int) -> int:
        """Returns how many users to read for about a page of the shard's own."""
        return min(page * self.of, max(page, _MAX_PAGE_SIZE))


ALL_USERS = Shard(index=0, of=1)
"""The one shard of a run that is not divided."""


def record_shard(name: str | None) -> Shard:
    """The shard that a run record names."""
    return Shard.parse(name) if name is not None else ALL_USERS


def shard_name(shard: Shard) -> str | None:
    """`I/N`; None for all users."""
    return str(shard) if shard.of > 1 else None
