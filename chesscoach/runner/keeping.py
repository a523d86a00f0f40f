"""Keeping the leases of this process alive for those who hold one outside a run."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chesscoach.context import Context


@asynccontextmanager
async def keeping(ctx: Context) -> AsyncIterator[None]:
    """Renews what this process holds, as long as it is entered."""
    keeper = asyncio.create_task(ctx.store.leases.keep(), name="keeper")
    try:
        yield
    finally:
        keeper.cancel()
        await asyncio.wait({keeper})
