"""The Monday mail: one summary per player and week, to those who want it.

Mondays at nine, for the last ISO week that is over in the schedule's zone. Writes `email_outbox`,
where a row per player and week is claimed before its mail leaves; so a second run, by whomever and
whenever, sends only what is still owed. A mail whose fate nobody knows is not sent again, unless
the provider's events are on and have told of none.
"""

from typing import Annotated

from msgspec import Meta, Struct

from chesscoach.context import Context
from chesscoach.emails.sending.campaign import send_weekly
from chesscoach.jobs.command import main
from chesscoach.schedules.outcome import Counts
from chesscoach.worker.job import Job, Run


class Args(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a run can be told."""

    user: Annotated[
        str | None, Meta(description="Only this user (user_id), if he wants the mail.")
    ] = None
    week: Annotated[
        str | None, Meta(description="The ISO week to tell of, such as 2026-W47; else the last.")
    ] = None
    owed: Annotated[
        bool, Meta(description="Only what the outbox still owes; nobody new is looked for.")
    ] = False


async def run(ctx: Context, run: Run, args: Args) -> Counts:
    """Sends what is owed for a week."""
    await send_weekly(ctx.emails, run, user_id=args.user, week_name=args.week, owed=args.owed)
    return run.counts


JOB = Job(
    name="weekly_emails",
    run=run,
    args=Args,
    help="Send the weekly summary to players who want it.",
    walks_users=True,
)

if __name__ == "__main__":
    main(JOB)
