"""Makes the counters of players equal to the sums of the ledger."""

from chesscoach.momentum.admin.context import AdminContext, operation
from chesscoach.momentum.store.ledger_sums import LedgerSums


async def recompute(ctx: AdminContext, user_id: str | None) -> dict[str, int]:
    """Mends the counters of all players or of one; returns how many were read and mended."""
    async with operation(ctx, "recompute", {}, user_id) as current:
        current.counts = await LedgerSums(ctx.collections).recompute(user_id, ctx.now())
    return current.counts
