"""The Monday mail: one summary per player and week, to those who want it.

Mondays at nine, for the last ISO week that is over in the schedule's zone. Writes `email_outbox`,
where a row per player and week is claimed before its mail leaves; so a second run, by whomever and
whenever, sends only what is still owed. A mail whose fate nobody knows is not sent again, unless
the provider's events are on and have told of none.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, Struct

from chesscoach import log
from chesscoach.context import Context, utc_now
from chesscoach.emails.folder import FolderTransport
from chesscoach.emails.links import Links
from chesscoach.emails.transport import Transport
from chesscoach.errors import ConfigError
from chesscoach.jobs.weekly_emails import zones
from chesscoach.jobs.weekly_emails.postman import Postman
from chesscoach.jobs.weekly_emails.walk import KIND, Desk, Walk
from chesscoach.jobs.weekly_emails.who import Who, week_named
from chesscoach.models import Counts
from chesscoach.runner.job import Job, Run

if TYPE_CHECKING:
    from chesscoach.emails.rendering import Renderer

NOWHERE = "http://localhost:8081"
"""What links begin with while nothing is sent to anybody."""


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
    week = week_named(args.week, ctx.now(), ctx.config.cleanup.keep_outbox_days)
    if args.user is not None and await ctx.store.recipients.known(args.user) is None:
        msg = f"--user: there is no user with the user_id {args.user!r}"
        raise ConfigError(msg)
    if args.user is not None and args.owed:
        msg = "--owed: it is for everybody: leave out --user"
        raise ConfigError(msg)
    schedule = run.slot.schedule if run.slot is not None else zones.SCHEDULE
    who = Who(ctx, run, await zones.shared(ctx, schedule), week, args.user)
    pages = who.owed() if args.owed else who.wanting()
    if run.dry_run:
        async for letters in Walk(ctx, run, None).batches(pages):
            async for _ in letters:
                pass
        return run.counts
    async with _transport(ctx) as transport:
        log.get_logger().info("mail_goes_to", transport=transport.describe())
        desk = Desk(
            renderer=await asyncio.to_thread(renderer, ctx),
            links=_links(ctx),
            repeatable=transport.repeatable,
        )
        postman = Postman(ctx, run, KIND, transport)
        await postman.deliver(Walk(ctx, run, desk).batches(pages))
    return run.counts


# Every command reads the list of jobs, and with it this module. Templates, languages, the inliner
# and SendGrid's library take a tenth of a second to import: that is done where they are needed, and
# in a thread, since they are read from the disk.


def renderer(ctx: Context) -> "Renderer":
    """Reads all that mails are made with; blocks."""
    from chesscoach.emails.rendering import Renderer

    return Renderer(ctx.config.emails)


def _sendgrid(ctx: Context, key: str, sender: str) -> Transport:
    from chesscoach.emails.sendgrid import SendGridTransport

    emails, lease_s = ctx.config.emails, ctx.config.runner.lease_s
    # When to try again is said by the provider's clock: by the wall's, whatever the context's is.
    return SendGridTransport(emails.sendgrid, key, sender, emails.sender_name, lease_s, utc_now)


def _links(ctx: Context) -> Links:
    emails = ctx.config.emails
    keys = emails.keys or (secrets.token_urlsafe(),)  # nobody is sent anything without one
    return Links(emails.public_url or NOWHERE, keys, emails.links_days, ctx.now)


@asynccontextmanager
async def _transport(ctx: Context) -> AsyncIterator[Transport]:
    """SendGrid where there is a key, else the folder.

    Raises:
        ConfigError: there is a key, but not all that goes with it.
    """
    emails, process = ctx.config.emails, ctx.process
    if process.sendgrid_key is None:
        sender = process.sender_email or "chesscoach@localhost"
        folder = Path(emails.outbox_dir)
        async with FolderTransport(folder, sender, emails.sender_name, utc_now) as by_folder:
            yield by_folder
        return
    if missing := emails.lacking(process.sender_email):
        msg = f"{', '.join(missing)}: needed for mail by SendGrid (SENDGRID_API_KEY is set)"
        raise ConfigError(msg)
    sender = process.sender_email or ""
    async with await asyncio.to_thread(_sendgrid, ctx, process.sendgrid_key, sender) as by_sendgrid:
        yield by_sendgrid


JOB = Job(
    name="weekly_emails",
    run=run,
    args=Args,
    help="Send the weekly summary to players who want it.",
    walks_users=True,
)
