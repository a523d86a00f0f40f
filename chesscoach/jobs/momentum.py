"""Momentum: points for what players did, streaks, perfect weeks and months, leaderboards.

It runs hourly, since each player's own midnight counts. Every check first books new evidence in the
ledger and pays perfect periods; then it closes periods, ranks players and ends streaks. It writes
`momentum_*`, our fields and the application's counters in `user_progress`, achievements and
notifications. A re-run is safe at any point. An award's key in the ledger is its cause, and a
period's is the period. A cursor moves only after the write that it stands for.
"""

from typing import Annotated

from msgspec import Meta, Struct

from chesscoach.context import Context
from chesscoach.jobs.as_of import AsOf, instant_of_run
from chesscoach.jobs.command import main
from chesscoach.momentum.checks import CheckName, run_checks
from chesscoach.schedules.outcome import Counts
from chesscoach.worker.job import Job, Run


class Args(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The arguments of a run."""

    check: Annotated[CheckName, Meta(description="Only this check (default: all).")] = "all"
    user: Annotated[str | None, Meta(description="Only this user (user_id).")] = None
    now: AsOf = None


async def run(ctx: Context, run: Run, args: Args) -> Counts:
    """Runs the checks."""
    now = instant_of_run(ctx, args.now, dry_run=run.dry_run)
    await run_checks(ctx.momentum, run, now, check=args.check, user_id=args.user)
    return run.counts


JOB = Job(
    name="momentum",
    run=run,
    args=Args,
    help="Book points, keep streaks, close weeks and months, and rank players.",
)

if __name__ == "__main__":
    main(JOB)
