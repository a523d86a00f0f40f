"""Queueing games for analysis."""

import asyncio
from collections import defaultdict

from chesscoach.sync import game_identity
from chesscoach.sync.context import SyncContext
from chesscoach.sync.store.game_documents import UserGame
from chesscoach.worker.job import Run


async def queue_analyses(
    ctx: SyncContext,
    run: Run,
    user_lock: asyncio.Lock,
    candidates: list[UserGame],
    *,
    first_sync: bool,
) -> None:
    """Queues the newest games that are worth it, within each user's allowance for the day."""
    settings = ctx.settings
    allowance = settings.analyses_first_sync if first_sync else settings.analyses_per_day
    by_user: dict[str, list[UserGame]] = defaultdict(list)
    for game in candidates:
        if game.analysable:
            by_user[game.user_id].append(game)
    for user_id, games in by_user.items():
        now = ctx.now()
        async with user_lock:
            left = await ctx.analysis_queue.remaining_today(user_id, now, allowance)
            if left <= 0:
                continue
            items = {game_identity.queue_id(game.game_id): game for game in games}
            queued = await ctx.analysis_queue.find_queued(list(items))
            waiting = [item for item in items.items() if item[0] not in queued]
            waiting.sort(key=lambda item: item[1].game.ended_at, reverse=True)
            chosen = dict(waiting[:left])
            await ctx.analysis_queue.add(chosen, now)
        run.counts.note("analyses_queued", len(chosen))
