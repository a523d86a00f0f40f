"""Fetches the new games of every linked player from Lichess and Chess.com, every six hours.

Reads `users`; writes `games`, `analysis_queue`, `sync_accounts` and the users' `last_game_sync`.
Per account: ask the site, write the games, queue the best of them for analysis, and only then move
the account's cursor. A re-run is safe at any point: games and queue items have ids that follow from
what they are, and a cursor never stands for something that is not written. The two sites are worked
side by side, each by one request after another.
"""

import asyncio
from typing import Annotated

from msgspec import Meta, Struct

from chesscoach import log
from chesscoach.context import Context
from chesscoach.errors import ConfigError
from chesscoach.jobs.sync_games.from_chesscom import FromChesscom
from chesscoach.jobs.sync_games.from_lichess import FromLichess
from chesscoach.jobs.sync_games.linking import SITES, link_accounts
from chesscoach.jobs.sync_games.walk import Fetcher, Walk
from chesscoach.models import Counts, Platform
from chesscoach.runner.job import Job, Run
from chesscoach.store.account_rows import Wanted


class Args(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom to sync."""

    user: Annotated[
        str | None, Meta(description="One user, by user_id, whether he is due or not.")
    ] = None
    all: Annotated[
        bool, Meta(description="Everyone, not only those who are due by their activity.")
    ] = False


async def run(ctx: Context, run: Run, args: Args) -> Counts:
    """One cycle over the accounts that are due."""
    if args.user is not None and not await ctx.store.users.exists(args.user):
        msg = f"--user: there is no user with the user_id {args.user!r}"
        raise ConfigError(msg)
    due_only = not (args.all or args.user is not None)
    begun = ctx.now()
    wanted = {
        site: Wanted(
            platform=site, begun=begun, due_only=due_only, user_id=args.user, shard=run.shard
        )
        for site in SITES
    }
    made = await link_accounts(ctx, run, args.user, begun)
    if not ctx.config.sources.contact:
        await _say_no_contact(ctx, run, wanted.pop("chess.com"))
    if run.dry_run:
        for site, of_site in wanted.items():
            due = made[site] + await ctx.store.accounts.count(of_site)
            run.counts.candidates += due
            run.counts.note(f"would_check_{site.replace('.', '')}", due)
        return run.counts
    fetchers: dict[Platform, Fetcher] = {
        "lichess": FromLichess(ctx, run),
        "chess.com": FromChesscom(ctx, run),
    }
    queueing = asyncio.Lock()
    await run.together(
        *(Walk(ctx, run, fetchers[site], wanted[site], queueing).walk() for site in wanted)
    )
    return run.counts


async def _say_no_contact(ctx: Context, run: Run, wanted: Wanted) -> None:
    """Chess.com refuses a User-Agent without a contact, so it is not asked at all."""
    waiting = await ctx.store.accounts.count(wanted)
    if waiting:
        run.counts.candidates += waiting
        run.counts.skipped += waiting
        run.counts.note("chesscom_without_contact", waiting)
        log.get_logger().warning(
            "chesscom_skipped",
            accounts=waiting,
            reason="no contact for the User-Agent: set [sources] contact",
        )


JOB = Job(
    name="sync_games",
    run=run,
    args=Args,
    help="Fetch linked players' new games from Lichess and Chess.com.",
    writes=("games", "analysis_queue"),
    walks_users=True,
)
