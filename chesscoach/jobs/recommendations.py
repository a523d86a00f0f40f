"""Weekly recommendations: what a player should do next, with the evidence for it.

It runs hourly from Sunday to Monday, in UTC, and serves each player at 06:00 of the player's own
Monday. It writes `adaptive_recommendations`: at most five are active, those that the player
dismissed stay so for their week, and older ones are retired. A re-run is safe at any point: the id
is the player, the type and the week.
"""

from typing import Annotated

from msgspec import Meta, Struct

from chesscoach.context import Context
from chesscoach.jobs.as_of import AsOf, instant_of_run
from chesscoach.jobs.command import main
from chesscoach.schedules.outcome import Counts
from chesscoach.training.recommendations.serving import serve
from chesscoach.worker.job import Job, Run


class Args(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The arguments of a run."""

    user: Annotated[str | None, Meta(description="Only this user (user_id), on any day.")] = None
    now: AsOf = None


async def run(ctx: Context, run: Run, args: Args) -> Counts:
    """Serves the players whose week has begun."""
    now = instant_of_run(ctx, args.now, dry_run=run.dry_run)
    await serve(ctx.training, run, now, user_id=args.user)
    return run.counts


JOB = Job(
    name="recommendations",
    run=run,
    args=Args,
    help="Recommend to each player what to do next, on the player's own Monday.",
    writes=("adaptive_recommendations",),
    walks_users=True,
)

if __name__ == "__main__":
    main(JOB)
