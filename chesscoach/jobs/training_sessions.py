"""Training sessions: creates those of routines ahead, and marks past ones as completed or missed.

It runs every day at five. Its schedule `training_completion` does the second half hourly, so that
each player's week closes with what is known by then. `chesscoach routines` makes the sessions
of a routine at once. It reads `training_routines` and what players did; it writes
`training_sessions`. A re-run is safe at any point: a session's key is the routine and the local
date, and only one that is still scheduled is changed.
"""

from typing import Annotated

from msgspec import Meta, Struct

from chesscoach.context import Context
from chesscoach.jobs.as_of import AsOf, instant_of_run
from chesscoach.jobs.command import main
from chesscoach.schedules.outcome import Counts
from chesscoach.training.sessions.run import run_sessions
from chesscoach.worker.job import Job, Run


class Args(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The arguments of a run."""

    completion: Annotated[
        bool, Meta(description="Only complete sessions and mark missed ones; make no sessions.")
    ] = False
    now: AsOf = None


async def run(ctx: Context, run: Run, args: Args) -> Counts:
    """Judges the sessions up to now, then makes those ahead."""
    now = instant_of_run(ctx, args.now, dry_run=run.dry_run)
    await run_sessions(ctx.training, run, now, only_judge=args.completion)
    return run.counts


JOB = Job(
    name="training_sessions",
    run=run,
    args=Args,
    help="Make the sessions of training routines ahead, and complete those that were done.",
)

if __name__ == "__main__":
    main(JOB)
