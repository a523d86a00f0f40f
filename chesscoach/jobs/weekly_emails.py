"""The weekly emails: one summary per subscribed player and ISO week.

It runs on Mondays at nine, for the last week that is over in the schedule's zone. It writes
`email_outbox`: one document per player and week, claimed before its email leaves. So a second run
sends only what the first has left. An email with an unknown result is sent again only if SendGrid's
events are switched on and report none for it.
"""

from typing import Annotated

from msgspec import Meta, Struct

from chesscoach.context import Context
from chesscoach.emails.sending.campaign import send_weekly
from chesscoach.jobs.command import main
from chesscoach.jobs.week_extras import extras_reader
from chesscoach.schedules.outcome import Counts
from chesscoach.worker.job import Job, Run


class Args(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The arguments of a run."""

    user: Annotated[str | None, Meta(description="Only this user (user_id), if subscribed.")] = None
    week: Annotated[
        str | None, Meta(description="ISO week, such as 2026-W47 (default: the last one).")
    ] = None
    owed: Annotated[bool, Meta(description="Only emails that are already in the outbox.")] = False


async def run(ctx: Context, run: Run, args: Args) -> Counts:
    """Send the emails of a week."""
    await send_weekly(
        ctx.emails,
        run,
        user_id=args.user,
        week_name=args.week,
        owed=args.owed,
        extras=extras_reader(ctx),
    )
    return run.counts


JOB = Job(
    name="weekly_emails",
    run=run,
    args=Args,
    help="Send the weekly summary to subscribed players.",
    walks_users=True,
)

if __name__ == "__main__":
    main(JOB)
