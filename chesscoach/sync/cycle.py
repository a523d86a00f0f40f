"""One cycle of the sync: the accounts that are due, on both sources side by side."""

import asyncio
from datetime import timedelta

from chesscoach import log
from chesscoach.errors import ConfigError
from chesscoach.sources.game import Platform
from chesscoach.sources.source import SOURCES
from chesscoach.sync.context import SyncContext
from chesscoach.sync.fetching.chesscom_fetcher import ChesscomFetcher
from chesscoach.sync.fetching.fetcher import Fetcher
from chesscoach.sync.fetching.lichess_fetcher import LichessFetcher
from chesscoach.sync.linking import link_accounts
from chesscoach.sync.pipeline import SyncPipeline
from chesscoach.sync.store.account_documents import AccountQuery
from chesscoach.worker.job import Run

_ACTIVE_ALLOWANCE_SHARE = 1 / 40
"""Lichess's allowance for ten minutes that a cycle over active accounts takes at most.

With a cycle in every five minutes, that is half of the allowance for a day.
"""


async def run_cycle(
    ctx: SyncContext,
    run: Run,
    *,
    user_id: str | None = None,
    everyone: bool = False,
    active_within: timedelta | None = None,
) -> None:
    """One cycle over the accounts that are due.

    With `active_within`, it has only those whose player was active within that time, and new ones.
    """
    if user_id is not None and not await ctx.users.exists(user_id):
        msg = f"--user: there is no user with the user_id {user_id!r}"
        raise ConfigError(msg)
    due_only = not (everyone or user_id is not None)
    begun = ctx.now()
    active_since = None if active_within is None else begun - active_within
    lichess_share = int(ctx.sources.lichess.users_per_10min * _ACTIVE_ALLOWANCE_SHARE)
    wanted = {
        source: AccountQuery(
            platform=source,
            run_started_at=begun,
            due_only=due_only,
            user_id=user_id,
            shard=run.shard,
            active_since=active_since,
            max_accounts=max(lichess_share, 1) if active_since and source == "lichess" else None,
        )
        for source in SOURCES
    }
    made = await link_accounts(ctx, run, user_id, begun)
    if not ctx.sources.contact:
        await _skip_chesscom_without_contact(ctx, run, wanted.pop("chess.com"))
    if run.dry_run:
        for source, query in wanted.items():
            due = made[source] + await ctx.accounts.count(query)
            run.counts.candidates += due
            run.counts.note(f"would_check_{SOURCES[source].key}", due)
        return
    fetchers: dict[Platform, Fetcher] = {
        "lichess": LichessFetcher(ctx),
        "chess.com": ChesscomFetcher(ctx),
    }
    user_lock = asyncio.Lock()
    await run.run_concurrently(
        *(
            SyncPipeline(ctx, run, fetchers[source], query, user_lock).run()
            for source, query in wanted.items()
        )
    )


async def _skip_chesscom_without_contact(ctx: SyncContext, run: Run, wanted: AccountQuery) -> None:
    """Chess.com refuses a User-Agent without a contact, so it is not asked at all."""
    waiting = await ctx.accounts.count(wanted)
    if waiting:
        run.counts.candidates += waiting
        run.counts.skipped += waiting
        run.counts.note("chesscom_without_contact", waiting)
        log.get_logger().warning(
            "chesscom_skipped",
            accounts=waiting,
            reason="no contact for the User-Agent: set [sources] contact",
        )
