"""Takes away what is over, every night at three: the backup to the TTL indexes, and retention.

Deletes expired sessions, old notifications that were read, stale queue items, and what is past its
time of our own run records, mails, schedules and snapshots; each by a named rule, with its limit in
`[cleanup]`. A re-run is safe at any point: a row goes only while it is as it was judged, and what a
stopped run leaves is found by the next. One rule's failure stops no other.
"""

from typing import Annotated

from msgspec import Meta, Struct

from chesscoach.cleanup.run import RULES, clean
from chesscoach.context import Context
from chesscoach.jobs.command import main
from chesscoach.schedules.outcome import Counts
from chesscoach.worker.job import Job, Run


class Args(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a run can be told."""

    rule: Annotated[str | None, Meta(description=f"Only this rule, of: {', '.join(RULES)}.")] = None
    repair_dates: Annotated[
        bool,
        Meta(description="Make dates of sessions' expires_at that are texts: TTL passes texts by."),
    ] = False


async def run(ctx: Context, run: Run, args: Args) -> Counts:
    """Works one rule after another."""
    await clean(ctx.cleanup, run, only=args.rule, repair_dates=args.repair_dates)
    return run.counts


JOB = Job(
    name="cleanup",
    run=run,
    args=Args,
    help="Take away what is over: sessions, notifications, queue items, and old records of ours.",
)

if __name__ == "__main__":
    main(JOB)
