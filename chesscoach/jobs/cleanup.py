"""Deletes expired documents every night at three: a backup to the TTL indexes, and retention.

It deletes expired sessions, old notifications that were read, stale queue items, and our own old
run records, emails, schedules and snapshots. Each kind has a named rule with its limit in
`[cleanup]`.

A re-run is safe at any point. A document is deleted only if it has not changed since it was read.
The next run finds what a stopped run has left. The failure of one rule does not stop the others.
"""

from typing import Annotated

from msgspec import Meta, Struct

from chesscoach.cleanup.run import RuleName, clean
from chesscoach.context import Context
from chesscoach.jobs.command import main
from chesscoach.schedules.outcome import Counts
from chesscoach.worker.job import Job, Run


class Args(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The arguments of a run."""

    rule: Annotated[RuleName | None, Meta(description="Only this rule (default: all).")] = None
    repair_dates: Annotated[
        bool,
        Meta(description="Convert sessions' expires_at from text to dates: TTL skips texts."),
    ] = False


async def run(ctx: Context, run: Run, args: Args) -> Counts:
    """Runs one rule after another."""
    await clean(ctx.cleanup, run, only=args.rule, repair_dates=args.repair_dates)
    return run.counts


JOB = Job(
    name="cleanup",
    run=run,
    args=Args,
    help="Delete expired sessions, old notifications, stale queue items and our own old records.",
)

if __name__ == "__main__":
    main(JOB)
