"""Fetches the new games of every linked player from Lichess and Chess.com, every six hours.

Reads `users`; writes `games`, `analysis_queue`, `sync_accounts` and the users' `last_game_sync`.
For each account: ask the source, write the games, queue the best of them for analysis, and only
then move the account's cursor. A re-run is safe at any point. The ids of games and queue items
follow from the game and the user, and a cursor moves only after the games before it are written.
The two sources are synced side by side, each by one request after another.

The schedule `sync_active`, if it is enabled, runs it every few minutes for active players alone.
"""

from datetime import timedelta
from typing import Annotated

from msgspec import Meta, Struct

from chesscoach.context import Context
from chesscoach.jobs.command import main
from chesscoach.schedules.outcome import Counts
from chesscoach.sync.cycle import run_cycle
from chesscoach.worker.job import Job, Run


class Args(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom to sync."""

    user: Annotated[
        str | None, Meta(description="Only this user's accounts (a user_id), due or not.")
    ] = None
    all: Annotated[bool, Meta(description="All accounts, also those that are not due.")] = False
    active_within_h: Annotated[
        Annotated[int, Meta(ge=1, le=720)] | None,
        Meta(description="Only players who were active in the last N hours, and new accounts."),
    ] = None


async def run(ctx: Context, run: Run, args: Args) -> Counts:
    """One cycle over the accounts that are due."""
    hours = args.active_within_h
    await run_cycle(
        ctx.sync,
        run,
        user_id=args.user,
        everyone=args.all,
        active_within=timedelta(hours=hours) if hours else None,
    )
    return run.counts


JOB = Job(
    name="sync_games",
    run=run,
    args=Args,
    help="Fetch linked players' new games from Lichess and Chess.com.",
    writes=("games", "analysis_queue"),
    walks_users=True,
)

if __name__ == "__main__":
    main(JOB)
