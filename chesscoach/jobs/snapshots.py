"""Daily snapshots: a player's pace, results and ratings at the end of each local day.

It runs hourly, since each player's own midnight counts, and serves the players whose yesterday is
not closed. It writes `performance_snapshots`: yesterday's becomes final, and those of the two days
before are calculated again, because games and analyses come late. An analysis with a low accuracy
also renews the player's REVIEW_GAME in `adaptive_recommendations`. A re-run is safe at any point: a
snapshot's id is the player and the day, and the same data give the same snapshot.
"""

from typing import Annotated

from msgspec import Meta, Struct

from chesscoach.context import Context
from chesscoach.jobs.as_of import AsOf, instant_of_run
from chesscoach.jobs.command import main
from chesscoach.schedules.outcome import Counts
from chesscoach.training.recommendations.serving import refresh_reviews
from chesscoach.training.snapshots.closing import close_days
from chesscoach.worker.job import Job, Run


class Args(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The arguments of a run."""

    user: Annotated[
        str | None, Meta(description="Only this user (user_id), and today so far as well.")
    ] = None
    now: AsOf = None


async def run(ctx: Context, run: Run, args: Args) -> Counts:
    """Closes the days that have ended."""
    now = instant_of_run(ctx, args.now, dry_run=run.dry_run)
    await close_days(ctx.training, run, now, user_id=args.user)
    await refresh_reviews(ctx.training, run, now, user_id=args.user)
    return run.counts


JOB = Job(
    name="snapshots",
    run=run,
    args=Args,
    help="Take a snapshot of each player's day after the player's own midnight.",
    writes=("performance_snapshots", "adaptive_recommendations"),
    walks_users=True,
)

if __name__ == "__main__":
    main(JOB)
