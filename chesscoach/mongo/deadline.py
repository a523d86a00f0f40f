"""One deadline for all operations of a block, however many there are."""

from collections.abc import Iterator
from contextlib import contextmanager

import pymongo


@contextmanager
def operations_deadline(within_s: float) -> Iterator[None]:
    """Ends every operation of the block, and of tasks made in it, after `within_s` seconds in all.

    An operation that is ended raises StoreUnavailable. A task that outlives the block needs a
    context of its own (`contextvars.Context()`), or it inherits the deadline.
    """
    with pymongo.timeout(within_s):
        yield
