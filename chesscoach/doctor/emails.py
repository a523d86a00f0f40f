"""Checks of the emails: transport, links and events, SendGrid's key, the outbox."""

import asyncio
from datetime import timedelta
from urllib.parse import urlsplit

from chesscoach.config import EmailSettings
from chesscoach.context import Context, utc_now
from chesscoach.doctor.finding import CheckContext, Finding, fail, ok, unusable, warn
from chesscoach.doctor.secrets import is_local_host
from chesscoach.emails.sending import week_zone
from chesscoach.emails.sending.due_email import KIND
from chesscoach.emails.transports import sendgrid_scopes
from chesscoach.errors import ConfigError
from chesscoach.schedules import week_bounds

MIN_KEY_LENGTH = 16
"""Characters. An attacker can guess a shorter signing key from a link."""

RESPONSE_TIMEOUT_S = 10.0
_MAX_WAIT = timedelta(hours=2)
"""The weekly run and the run for unsent emails claim an email within this time."""


async def transport(ctx: CheckContext) -> Finding:
    """Names the transport, and checks its settings and the templates."""
    config, process = ctx.settings.config, ctx.settings.process
    emails = config.emails
    try:
        await asyncio.to_thread(_try_templates, emails)
    except ConfigError as error:
        return unusable(error)
    if process.sendgrid_key is None:
        return ok(f"written to {emails.outbox_dir} and not sent: SENDGRID_API_KEY is not set")
    if missing := emails.missing_for_sendgrid(process.sender_email):
        return unusable(
            ConfigError(f"{', '.join(missing)}: set with SENDGRID_API_KEY, else no email is sent")
        )
    if emails.sendgrid.sandbox:
        return warn(
            "SendGrid checks emails and drops them: [emails.sendgrid] sandbox is on",
            "turn it off to send emails to players",
        )
    return ok("by SendGrid")


async def links(ctx: CheckContext) -> Finding:
    """Checks that the links in emails are safe, and that a listener serves them."""
    emails = ctx.settings.config.emails
    real = ctx.settings.process.sendgrid_key is not None
    if any(len(key) < MIN_KEY_LENGTH for key in emails.signing_keys):
        return warn(
            f"[emails] signing_key has fewer than {MIN_KEY_LENGTH} characters: it can be guessed",
            "put a longer one before it (`openssl rand -hex 32`), separated by a comma",
        )
    if real and emails.public_url and not emails.public_url.lower().startswith("https://"):
        return warn(
            "[emails] public_url is not https: email programs do not unsubscribe there",
            "put a TLS proxy before the public listener, and set its https address",
        )
    if not emails.signing_keys:
        return ok("no signing_key: the links in emails do not work")
    if real and not ctx.settings.config.web.public:
        return warn(
            "no process with these settings serves the links: [web] public is empty",
            "set it where the daemon or `chesscoach web` runs, unless it is set there",
        )
    return ok(f"signed; public_url is {emails.public_url or 'not set'}")


async def events(ctx: CheckContext) -> Finding:
    """Checks that SendGrid's events can be verified; unknown emails need them."""
    key = ctx.settings.config.emails.sendgrid.events_key
    if not key:
        if ctx.settings.process.sendgrid_key is None:
            return ok("not needed: SendGrid is not used")
        return warn(
            "[emails.sendgrid] events_key is empty: unknown emails stay unknown, and bounces go "
            "unnoticed",
            "turn on SendGrid's signed Event Webhook and set its verification key here",
        )
    try:
        await asyncio.to_thread(_try_key, key)
    except ConfigError as error:
        return unusable(error)
    return ok("SendGrid's events go to {public_url}/events/sendgrid")


async def sendgrid(ctx: CheckContext) -> Finding:
    """Checks that SendGrid accepts the key, and that the key may send."""
    key, settings = ctx.settings.process.sendgrid_key, ctx.settings.config.emails.sendgrid
    if key is None:
        return ok("not asked: SENDGRID_API_KEY is not set")
    place = "[emails.sendgrid] base_url"
    url = urlsplit(settings.base_url)
    if url.scheme.lower() != "https" and not is_local_host(url.hostname or ""):
        return fail(
            f"not asked: {place} is not https, so the key would cross the network in plain text",
            "set its https address",
        )
    proxies = ctx.settings.process.proxies
    proxy = proxies.url_for(settings.base_url, used=settings.use_environment_proxy)
    response = await sendgrid_scopes.check_scopes(settings, key, RESPONSE_TIMEOUT_S, proxy)
    if response.verdict == "may_send":
        return ok("accepts the key, which may send email")
    if response.verdict == "may_not_send":
        return fail("accepts the key, which may not send email", "give it the scope Mail Send")
    if response.verdict == "refused":
        return fail(
            f"refuses the key ({response.detail})", "create a new key and set SENDGRID_API_KEY"
        )
    if response.verdict == "odd":
        return warn(f"the response is not valid ({response.detail})", f"check {place}")
    return fail(f"cannot be reached ({response.detail})", f"check the network and {place}")


async def subscribers(ctx: Context) -> Finding:
    """Counts who gets the weekly emails, and for whom `default_opt_in` decides."""
    counts = await ctx.emails.subscriptions.count(KIND)
    text = f"{counts.subscribed} users get the weekly emails"
    if not counts.without_preference:
        return ok(text)
    default = ctx.config.emails.default_opt_in
    effect, value = ("get them", "true") if default else ("get none", "false")
    return ok(
        f"{text}; {counts.without_preference} users have no preference and {effect}: "
        f"[emails] default_opt_in is {value}"
    )


async def outbox(ctx: Context) -> Finding:
    """Checks the last week's emails: pending for too long, or unknown."""
    week = week_bounds.last_closed_week(ctx.now(), await week_zone.schedule_zone(ctx.emails))
    tally = await ctx.emails.outbox.count_by_state(week)
    counts = ", ".join(f"{count} {state}" for state, count in sorted(tally.items()))
    text = f"{week.key}: {counts or 'no email yet'}"
    if unknown := tally.get("unknown"):
        return warn(
            f"{text}; {unknown} may or may not have arrived",
            f"see `chesscoach emails list --state unknown --week {week.key}`",
        )
    oldest = await ctx.emails.outbox.oldest_pending(week)
    if oldest is not None and ctx.now() - oldest > _MAX_WAIT:
        return warn(
            f"{text}; the oldest is pending since {oldest:%Y-%m-%dT%H:%M:%SZ}",
            f"run `python -m chesscoach.jobs.weekly_emails --owed --week {week.key}`",
        )
    return ok(text)


# These imports take a tenth of a second; other commands do not pay for them.


def _try_templates(emails: EmailSettings) -> None:
    from chesscoach.emails.rendering import Renderer

    Renderer(emails)


def _try_key(key: str) -> None:
    from chesscoach.emails.webhook.signatures import EventSignatures

    EventSignatures(key, utc_now)
