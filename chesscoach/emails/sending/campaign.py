"""The campaign of a week: its audience, composer, transport and sender."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from chesscoach import log
from chesscoach.emails.context import EmailContext
from chesscoach.emails.sending import week_zone
from chesscoach.emails.sending.audience import Audience, parse_week_option
from chesscoach.emails.sending.composition import ComposerDependencies, EmailComposer
from chesscoach.emails.sending.due_email import KIND
from chesscoach.emails.sending.sender import EmailSender
from chesscoach.emails.sending.summaries import ExtrasReader
from chesscoach.emails.transports.folder import FolderTransport
from chesscoach.emails.transports.transport import Transport
from chesscoach.emails.unsubscribe_links import UnsubscribeLinks
from chesscoach.errors import ConfigError
from chesscoach.worker.job import Run

if TYPE_CHECKING:
    from chesscoach.emails.rendering import Renderer

PLACEHOLDER_URL = "http://localhost:8081"
"""The start of links while emails are only written into a folder."""


async def send_weekly(
    ctx: EmailContext,
    run: Run,
    *,
    user_id: str | None = None,
    week_name: str | None = None,
    owed: bool = False,
    extras: ExtrasReader,
) -> None:
    """Send the emails of a week; `extras` reads what other slices add to it."""
    week = parse_week_option(week_name, ctx.now(), ctx.keep_outbox_days)
    if user_id is not None and await ctx.recipients.find(user_id) is None:
        msg = f"--user: there is no user with the user_id {user_id!r}"
        raise ConfigError(msg)
    if user_id is not None and owed:
        msg = "--owed: it includes every user; leave out --user"
        raise ConfigError(msg)
    schedule = run.slot.schedule if run.slot is not None else week_zone.SCHEDULE_ID
    audience = Audience(ctx, run, await week_zone.schedule_zone(ctx, schedule), week, user_id)
    pages = audience.unsent() if owed else audience.subscribers()
    if run.dry_run:
        async for emails in EmailComposer(ctx, run, None, extras).batches(pages):
            async for _ in emails:
                pass
        return
    async with _transport(ctx) as transport:
        log.get_logger().info("email_transport", transport=transport.describe())
        dependencies = ComposerDependencies(
            renderer=await asyncio.to_thread(load_renderer, ctx),
            links=_links(ctx),
            repeatable=transport.repeatable,
        )
        sender = EmailSender(ctx, run, KIND, transport)
        await sender.deliver(EmailComposer(ctx, run, dependencies, extras).batches(pages))


# Every command imports the list of jobs, and so this module. Templates, languages, the inliner and
# SendGrid's library take a tenth of a second to import from the disk. They are imported where they
# are needed, in a thread.


def load_renderer(ctx: EmailContext) -> "Renderer":
    """Read the templates and languages; blocks."""
    from chesscoach.emails.rendering import Renderer

    return Renderer(ctx.settings)


def _sendgrid(ctx: EmailContext, key: str, sender: str) -> Transport:
    from chesscoach.emails.transports.sendgrid import SendGridTransport

    emails, lease_s = ctx.settings, ctx.lease_s
    # The provider says by real time when to try again.
    sendgrid = emails.sendgrid
    proxy = ctx.process.proxies.url_for(sendgrid.base_url, used=sendgrid.use_environment_proxy)
    return SendGridTransport(
        sendgrid, key, sender, emails.sender_name, lease_s, ctx.wall_clock, proxy
    )


def _links(ctx: EmailContext) -> UnsubscribeLinks:
    emails = ctx.settings
    keys = emails.signing_keys or (secrets.token_urlsafe(),)  # without a key nothing is sent
    return UnsubscribeLinks(
        emails.public_url or PLACEHOLDER_URL, keys, emails.link_valid_days, ctx.now
    )


@asynccontextmanager
async def _transport(ctx: EmailContext) -> AsyncIterator[Transport]:
    """Open SendGrid if there is a key, otherwise the folder.

    Raises:
        ConfigError: there is a key, and another setting is missing.
    """
    emails, process = ctx.settings, ctx.process
    if process.sendgrid_key is None:
        sender = process.sender_email or "chesscoach@localhost"
        folder = Path(emails.outbox_dir)
        async with FolderTransport(folder, sender, emails.sender_name, ctx.wall_clock) as by_folder:
            yield by_folder
        return
    if missing := emails.missing_for_sendgrid(process.sender_email):
        msg = f"{', '.join(missing)}: needed to send emails by SendGrid (SENDGRID_API_KEY is set)"
        raise ConfigError(msg)
    sender = process.sender_email or ""
    async with await asyncio.to_thread(_sendgrid, ctx, process.sendgrid_key, sender) as by_sendgrid:
        yield by_sendgrid
