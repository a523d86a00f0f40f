"""A lease as its holder has it, and as other processes see it.

Code that needs a lease runs inside its scope, which ends when the lease does.
"""

import asyncio
from datetime import datetime
from typing import Any

from msgspec import Struct

from chesscoach.errors import LeaseLost


class LeaseStatus(Struct, frozen=True, kw_only=True):
    """A lease as its document says it: its owner, and whether it is `alive`, not expired."""

    owner: str | None
    alive: bool
    expires_at: datetime
    holder: dict[str, Any]


class Lease:
    """A lease that we hold until `deadline`, on our own monotonic clock, in seconds.

    The deadline is counted from before the claim was sent, so it is never later than the server's.
    `scope()` ends with LeaseLost when the deadline passes without a renewal.
    """

    def __init__(self, key: str, owner: str, fence: int, deadline: float) -> None:
        self.key = key
        self.owner = owner
        self.fence = fence
        self.deadline = deadline
        self._scopes: set[asyncio.Timeout] = set()

    def extend(self, deadline: float) -> None:
        """Moves the deadline of the lease and of the scopes that are open."""
        self.deadline = deadline
        for scope in self._scopes:
            if not scope.expired():
                scope.reschedule(deadline)

    def scope(self) -> "LeaseScope":
        """An asynchronous context that holds as long as the lease does."""
        return LeaseScope(self)

    def enter(self, scope: asyncio.Timeout) -> None:
        """Lets renewals move a timeout."""
        self._scopes.add(scope)

    def exit(self, scope: asyncio.Timeout) -> None:
        """Forgets a timeout."""
        self._scopes.discard(scope)


class LeaseScope:
    """See `Lease.scope`."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._timeout = asyncio.timeout_at(lease.deadline)

    async def __aenter__(self) -> None:
        if self._lease.deadline <= asyncio.get_running_loop().time():
            msg = f"the lease {self._lease.key} has expired"
            raise LeaseLost(msg)
        await self._timeout.__aenter__()
        self._lease.enter(self._timeout)

    async def __aexit__(self, *exc: Any) -> None:
        self._lease.exit(self._timeout)
        try:
            await self._timeout.__aexit__(*exc)
        except TimeoutError:
            if not self._timeout.expired():
                raise
            msg = f"the lease {self._lease.key} could not be renewed in time"
            raise LeaseLost(msg) from None
