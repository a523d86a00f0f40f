"""Mail: where it goes, whether links and events work, what SendGrid says, what waits."""

import asyncio
from datetime import timedelta
from urllib.parse import urlsplit

from chesscoach.config import EmailSettings
from chesscoach.context import Context, utc_now
from chesscoach.doctor.finding import CheckContext, Finding, fail, ok, unusable, warn
from chesscoach.doctor.secrets import is_local_host
from chesscoach.emails.sending import week_zone
from chesscoach.emails.transports import sendgrid_scopes
from chesscoach.errors import ConfigError
from chesscoach.schedules import week_bounds

MIN_KEY_LENGTH = 16
"""Characters that a signing key should have: a shorter one can be guessed from a link."""

RESPONSE_TIMEOUT_S = 10.0
_MAX_WAIT = timedelta(hours=2)
"""A run, and the one that sends what it has left, should have taken a mail by then."""


async def transport(patient: CheckContext) -> Finding:
    """Where mail goes, and whether all is set that it needs; and whether mails can be written."""
    config, process = patient.settings.config, patient.settings.process
    emails = config.emails
    try:
        await asyncio.to_thread(_try_templates, emails)
    except ConfigError as error:
        return unusable(error)
    if process.sendgrid_key is None:
        return ok(f"written to {emails.outbox_dir} and sent to nobody: no SENDGRID_API_KEY")
    if missing := emails.missing_for_sendgrid(process.sender_email):
        return unusable(
            ConfigError(f"{', '.join(missing)}: needed with SENDGRID_API_KEY, else no mail is sent")
        )
    if emails.sendgrid.sandbox:
        return warn(
            "SendGrid checks mails and throws them away: [emails.sendgrid] sandbox is on",
            "turn it off when players are to get them",
        )
    return ok("by SendGrid")


async def links(patient: CheckContext) -> Finding:
    """Whether players can trust, and follow, the links in mails."""
    emails = patient.settings.config.emails
    real = patient.settings.process.sendgrid_key is not None
    if any(len(key) < MIN_KEY_LENGTH for key in emails.signing_keys):
        return warn(
            f"[emails] signing_key is shorter than {MIN_KEY_LENGTH} characters: it can be guessed",
            "put a longer one before it (`openssl rand -hex 32`), with a comma between",
        )
    if real and emails.public_url and not emails.public_url.lower().startswith("https://"):
        return warn(
            "[emails] public_url is not https: mail programs do not unsubscribe there",
            "put TLS before the public listener, and give its https address",
        )
    if not emails.signing_keys:
        return ok("no signing_key: links in mails are not answered")
    if real and not patient.settings.config.web.public:
        return warn(
            "nobody with these settings answers the links: [web] public is empty",
            "set it where the daemon or `chesscoach web` runs; if it is set there, nothing",
        )
    return ok(f"signed; they lead to {emails.public_url or 'no public_url'}")


async def events(patient: CheckContext) -> Finding:
    """Whether SendGrid's events can be taken, without which unknown mails stay unknown."""
    key = patient.settings.config.emails.sendgrid.events_key
    if not key:
        if patient.settings.process.sendgrid_key is None:
            return ok("not needed: nothing is sent by SendGrid")
        return warn(
            "[emails.sendgrid] events_key is empty: mails that are unknown stay so, and bounces "
            "are not heard of",
            "turn on SendGrid's signed Event Webhook and put its verification key here",
        )
    try:
        await asyncio.to_thread(_try_key, key)
    except ConfigError as error:
        return unusable(error)
    return ok("SendGrid's events are taken at {public_url}/events/sendgrid")


async def sendgrid(patient: CheckContext) -> Finding:
    """Whether SendGrid takes the key, and lets it send."""
    key, settings = patient.settings.process.sendgrid_key, patient.settings.config.emails.sendgrid
    if key is None:
        return ok("not asked: no SENDGRID_API_KEY")
    place = "[emails.sendgrid] base_url"
    url = urlsplit(settings.base_url)
    if url.scheme.lower() != "https" and not is_local_host(url.hostname or ""):
        return fail(
            f"not asked: {place} is not https, so the key would cross the network in the clear",
            "give its https address",
        )
    answer = await sendgrid_scopes.check_scopes(settings, key, RESPONSE_TIMEOUT_S)
    if answer.verdict == "may_send":
        return ok("takes the key, which may send mail")
    if answer.verdict == "may_not_send":
        return fail("takes the key, which may not send mail", "give it the scope Mail Send")
    if answer.verdict == "refused":
        return fail(f"refuses the key ({answer.detail})", "make a new key and set SENDGRID_API_KEY")
    if answer.verdict == "odd":
        return warn(f"answered what we do not understand ({answer.detail})", f"check {place}")
    return fail(f"cannot be reached ({answer.detail})", f"check the network and {place}")


async def outbox(ctx: Context) -> Finding:
    """What waits for too long, and the last week's mails whose fate nobody knows."""
    week = week_bounds.last_closed_week(ctx.now(), await week_zone.schedule_zone(ctx.emails))
    tally = await ctx.emails.outbox.count_by_state(week)
    told = ", ".join(f"{count} {state}" for state, count in sorted(tally.items()))
    told = f"{week.key}: {told or 'no mail yet'}"
    if unknown := tally.get("unknown"):
        return warn(
            f"{told}; whether {unknown} have arrived is unknown",
            f"see `chesscoach emails list --state unknown --week {week.key}`",
        )
    oldest = await ctx.emails.outbox.oldest_pending(week)
    if oldest is not None and ctx.now() - oldest > _MAX_WAIT:
        return warn(
            f"{told}; the oldest pending since {oldest:%Y-%m-%dT%H:%M:%SZ}",
            f"run `python -m chesscoach.jobs.weekly_emails --owed --week {week.key}`",
        )
    return ok(told)


# What these import takes a tenth of a second, which other commands need not pay.


def _try_templates(emails: EmailSettings) -> None:
    from chesscoach.emails.rendering import Renderer

    Renderer(emails)


def _try_key(key: str) -> None:
    from chesscoach.emails.webhook.signatures import EventSignatures

    EventSignatures(key, utc_now)
